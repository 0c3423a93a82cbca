"""Taken for a QEMU by the NixOS test driver: ``python3 -m nixos_hosts.fake_qemu MACHINE.json QEMU-OPTION...``

Of QEMU's options it looks at three: the sockets of the monitor, of QMP, and of the console that the driver
types at. The monitor knows quit, stop, cont, set_link NAME on|off. The machine ends when the driver does.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Protocol

from nixos_hosts.container import Container, Spec
from nixos_hosts.problem import Broken

PROMPT = b"(qemu) "
LOOK_S = 0.05


class Controls(Protocol):
    """The part of a container that the monitor acts on."""

    def link(self, up: bool) -> None: ...
    def freeze(self, on: bool) -> None: ...


def say(text: str) -> None:
    """To the machine's console, which the driver logs."""
    print(f"fake_qemu: {text}", flush=True)


def option(options: list[str], name: str, key: str) -> str:
    """The path in one of QEMU's options, such as ``-monitor unix:PATH,server=on``.

    :raises ValueError: it is not there.
    """
    value = options[options.index(name) + 1]
    for part in value.split(","):
        if part.startswith(key):
            return part.removeprefix(key)
    raise ValueError(f"{name} {value}: no {key}")


def monitor(connection: socket.socket, machine: Controls, ended: threading.Event) -> None:
    """Carries out what the driver types at the monitor, until it says quit or goes away.

    A cable that cannot be pulled must not look like one that was: then machine and test end.
    """
    try:
        with connection.makefile() as lines:
            connection.sendall(PROMPT)
            for line in lines:
                match line.split():
                    case ["quit"]:
                        return
                    case ["set_link", _, "on" | "off" as state]:
                        machine.link(state == "on")
                    case ["stop" | "cont" as word]:
                        machine.freeze(word == "stop")
                    case words:
                        raise Broken(f"this monitor does not know {words}")
                connection.sendall(PROMPT)
    except (Broken, OSError) as error:
        say(str(error))
    finally:
        ended.set()


def qmp(listener: socket.socket) -> None:
    """Says yes to everything, of which the driver asks nothing that matters here."""
    connection, _ = listener.accept()
    with connection.makefile() as lines:
        connection.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\n')
        for _ in lines:
            connection.sendall(b'{"return": {}}\n')


def shell(connection: socket.socket, container: Container) -> None:
    """The root shell that the driver types at."""
    try:
        connection.sendall(b"Spawning backdoor root shell...\n")
        command = container.inside("bash", "--norc", "-s", children_only=True)
        end = connection.fileno()
        subprocess.run(command, stdin=end, stdout=end, cwd="/", check=False)
    except (Broken, OSError) as error:
        say(str(error))


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def main(arguments: list[str]) -> int:
    spec, options = Spec.load(Path(arguments[0])), arguments[1:]
    container, ended = Container(spec), threading.Event()
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Not the event: it would wait for a lock that this very thread may hold, and for ever.
        signal.signal(number, lambda number, _: told.append(number))
    path = Path(option(options, "-qmp", "unix:"))
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    at_monitor = _connect(option(options, "-monitor", "unix:"))
    at_shell = _connect(option(options, "-chardev", "path="))
    try:
        # The driver waits for the monitor's prompt; the machine may take its time to boot.
        threading.Thread(target=qmp, args=(listener,), daemon=True).start()
        container.start()
        threading.Thread(target=monitor, args=(at_monitor, container, ended), daemon=True).start()
        threading.Thread(target=shell, args=(at_shell, container), daemon=True).start()
        while container.alive() and not told and not ended.wait(LOOK_S):
            pass
    except Broken as error:
        say(str(error))
        return 1
    finally:
        container.power_off()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
