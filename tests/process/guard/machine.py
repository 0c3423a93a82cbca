"""A real systemd: a container whose root is this machine's own, with nothing of it started but systemd."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from hafailover.lab.errors import LabTimeoutError
from hafailover.lab.process import ManagedProcess, log_tail

CGROUPS = Path("/sys/fs/cgroup")
CAPABILITIES = "CAP_NET_ADMIN,CAP_SYS_RESOURCE,CAP_BPF,CAP_PERFMON"
"""What the units' limits and their device policy need."""
BOOT_S = 40
QUICK_S = 20
TARGET = """[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


class Machine:
    """The container.

    :param shown: folders that are there under the same path, to be written.
    :param read: the same, to be read.
    :param units: their files, by name.
    """

    def __init__(
        self, folder: Path, shown: Sequence[Path], read: Sequence[Path], units: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._units = units
        self._name = f"hf{os.getpid()}"
        self._binds = [f"--bind={path}" for path in shown] + [f"--bind-ro={path}" for path in read]
        self._process: ManagedProcess | None = None
        self._leader: int | None = None

    def start(self) -> None:
        """Boots it. Skips the test where this machine cannot."""
        if os.geteuid() != 0:
            pytest.skip("NOT TESTED: a real systemd needs root, for a container")
        missing = [tool for tool in ("systemd-nspawn", "nsenter", "unshare") if shutil.which(tool) is None]
        if missing or not Path("/usr/lib/systemd/systemd").exists():
            pytest.skip(f"NOT TESTED: a real systemd, since there is no {', '.join(missing) or 'systemd'}")
        for name in ("etc/systemd/system", "work", "root"):
            (self.folder / "disk" / name if "/" in name else self.folder / name).mkdir(parents=True)
        for name, text in {"test.target": TARGET, **self._units}.items():
            (self.folder / "disk/etc/systemd/system" / name).write_text(text)
        # It would empty /tmp, where what is shown may be.
        (self.folder / "disk/etc/systemd/system/systemd-tmpfiles-setup.service").symlink_to("/dev/null")
        (self.folder / "disk/etc/machine-id").write_text("1" * 32 + "\n")
        for cgroup in self._cgroups():
            cgroup.mkdir(parents=True, exist_ok=True)
        console = self.folder / "console.log"
        self._process = ManagedProcess.start(
            "machine",
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", self._script()],
            log_path=console,
            extra_env={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
        )
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end and self._process.is_alive():
            self._leader = self._find_leader()
            if self._leader is not None and self.run("systemctl", "-q", "is-active", "basic.target")[0] == 0:
                return
            time.sleep(0.1)
        pytest.skip(f"NOT TESTED: a real systemd, since none boots here: {log_tail(console)}")

    def stop(self) -> None:
        if self._process is not None:
            if self._leader is not None and self._process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._leader, signal.SIGKILL)
                with contextlib.suppress(LabTimeoutError):
                    self._process.wait(QUICK_S)
            self._process.kill()
        for cgroup in self._cgroups():
            for one in sorted(cgroup.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    one.rmdir()

    def run(self, *command: str, timeout_s: float = QUICK_S) -> tuple[int, str]:
        """Runs a command in the machine; its exit code and what it wrote."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C"]
        done = subprocess.run(
            [*enter, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_PAGER": ""},
        )
        return done.returncode, done.stdout

    def succeed(self, *command: str) -> str:
        code, text = self.run(*command)
        if code != 0:
            text += self.run("journalctl", "--no-pager", "-q", "-n", "40")[1]
        assert code == 0, f"{' '.join(command)}: {text}"
        return text

    def _find_leader(self) -> int | None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with contextlib.suppress(OSError):
            for pid in map(int, children.read_text().split()):
                if re.search(r"(?m)^NSpid:.*\s1$", Path(f"/proc/{pid}/status").read_text()):
                    return pid
        return None

    def _script(self) -> str:
        folder = self.folder
        join = "".join(f"echo $$ > {cgroup}/cgroup.procs\n" for cgroup in self._cgroups())
        overlay = f"lowerdir=/,upperdir={folder}/disk,workdir={folder}/work"
        options = [
            "--quiet --register=no --keep-unit --console=pipe --private-network",
            "--resolv-conf=off --timezone=off --link-journal=no",
            f"--directory={folder}/root --machine={self._name}",
            f"--capability={CAPABILITIES} --system-call-filter=bpf",
            *self._binds,
            "--boot systemd.show_status=no systemd.unit=test.target",
        ]
        return (
            f"{join}mount -t overlay overlay -o {overlay} {folder}/root\n"
            f"exec systemd-nspawn {' '.join(options)}\n"
        )

    def _cgroups(self) -> list[Path]:
        """cgroup v2's tree; on a machine with v1, systemd's own tree and the v2 tree beside it."""
        tops = (
            [CGROUPS] if (CGROUPS / "cgroup.procs").exists() else [CGROUPS / "systemd", CGROUPS / "unified"]
        )
        return [top / self._name for top in tops if (top / "cgroup.procs").exists()]


@contextlib.contextmanager
def machine(
    folder: Path, shown: Sequence[Path], read: Sequence[Path], units: Mapping[str, str]
) -> Iterator[Machine]:
    one = Machine(folder, shown, read, units)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def processes_with(part: str) -> list[int]:
    """The pids, out here, of those that have this in their command line; a zombie has none."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if part.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
