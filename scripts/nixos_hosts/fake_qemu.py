"""Taken for a QEMU by the NixOS test driver: ``python3 -m nixos_hosts.fake_qemu MACHINE.json OPTIONS...``

Of QEMU's options it looks at three: the sockets of the monitor, of QMP and of the console that the driver
types at. The monitor knows quit, system_reset, set_link NAME on|off.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from nixos_hosts.container import Container, Spec
from nixos_hosts.problem import Broken

PROMPT = "(qemu) "
LOOK_S = 0.05


def option(options: list[str], name: str, key: str) -> str:
    """The path in one of QEMU's options, such as ``-monitor unix:PATH,server=on``."""
    value = options[options.index(name) + 1]
    for part in value.split(","):
        if part.startswith(key):
            return part.removeprefix(key)
    raise ValueError(f"{name} {value}: no {key}")


def connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


class Machine:
    """The container behind the sockets."""

    def __init__(self, spec: Spec) -> None:
        self.container = Container(spec)
        self.ended = threading.Event()

    def obey(self, words: list[str]) -> None:
        """Carries out a command of the monitor."""
        match words:
            case ["quit"]:
                self.ended.set()
            case ["set_link", _, "on" | "off" as state]:
                self.container.link(state == "on")
            case ["system_reset"]:
                self.container.power_off()
                self.container.start()
            case _:
                print(f"fake_qemu: this monitor does not know {words}", flush=True)

    def monitor(self, connection: socket.socket) -> None:
        with connection.makefile("rw") as lines:
            lines.write(PROMPT)
            lines.flush()
            for line in lines:
                with contextlib.suppress(Broken):
                    self.obey(line.split())
                if self.ended.is_set():
                    return
                lines.write(PROMPT)
                lines.flush()

    def qmp(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection.makefile("rw") as lines:
            lines.write(json.dumps({"QMP": {"version": {}, "capabilities": []}}) + "\n")
            lines.flush()
            for _ in lines:
                lines.write(json.dumps({"return": {}}) + "\n")
                lines.flush()

    def shell(self, connection: socket.socket) -> None:
        """The root shell that the driver types at."""
        connection.sendall(b"Spawning backdoor root shell...\n")
        command = self.container.inside("bash", "--norc", "-s")
        number = connection.fileno()
        subprocess.run(command, stdin=number, stdout=number, cwd="/", check=False)


def main(arguments: list[str]) -> int:
    spec, options = Spec.load(Path(arguments[0])), arguments[1:]
    machine = Machine(spec)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: machine.ended.set())
    path = Path(option(options, "-qmp", "unix:"))
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    monitor = connect(option(options, "-monitor", "unix:"))
    shell = connect(option(options, "-chardev", "path="))
    try:
        # The driver waits for the monitor; the machine may take its time.
        threading.Thread(target=machine.qmp, args=(listener,), daemon=True).start()
        machine.container.start()
        threading.Thread(target=machine.monitor, args=(monitor,), daemon=True).start()
        threading.Thread(target=machine.shell, args=(shell,), daemon=True).start()
        while machine.container.alive() and not machine.ended.wait(LOOK_S):
            pass
    except Broken as error:
        print(f"fake_qemu: {error}", flush=True)
        return 1
    finally:
        machine.container.power_off()
    return 0


if __name__ == "__main__":
    started = time.monotonic()
    code = main(sys.argv[1:])
    print(f"fake_qemu: off after {time.monotonic() - started:.1f} s", flush=True)
    sys.exit(code)
