"""One machine: a systemd-nspawn container on layers of files, with a network card of its own.

What it writes outlives a power cut; its network does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from nixos_hosts.command import run
from nixos_hosts.problem import Broken

QUICK_S = 20
BOOT_S = 60
POWER_OFF_S = 15
LOOK_S = 0.05
NIC = "eth1"
CGROUPS = Path("/sys/fs/cgroup")
CAPABILITIES = "CAP_NET_ADMIN,CAP_SYS_RESOURCE,CAP_BPF,CAP_PERFMON"


@dataclass(frozen=True)
class Spec:
    """What a machine is made of. ``layers`` are read only, the first one is on top."""

    run_id: str
    name: str
    number: int
    address: str
    hosts: dict[str, str]
    layers: list[str]
    folder: str
    """For its disk, its console's output and the place where it is mounted."""

    @property
    def hub(self) -> str:
        """The network namespace with the bridge that all machines of a run are plugged into."""
        return f"{self.run_id}-hub"

    @property
    def namespace(self) -> str:
        return f"{self.run_id}-{self.name}"

    @property
    def plug(self) -> str:
        """The end of the machine's cable at the bridge."""
        return f"p{self.number}"

    def save(self) -> Path:
        path = Path(self.folder) / "machine.json"
        path.write_text(json.dumps(asdict(self)))
        return path

    @staticmethod
    def load(path: Path) -> Spec:
        return Spec(**json.loads(path.read_text()))


def make_hub(run_id: str) -> None:
    """The bridge, in a network namespace of its own."""
    hub = f"{run_id}-hub"
    run(["ip", "netns", "add", hub], QUICK_S)
    run(["ip", "-n", hub, "link", "add", "br0", "type", "bridge", "stp_state", "0"], QUICK_S)
    run(["ip", "-n", hub, "link", "set", "br0", "up"], QUICK_S)


def remove_hub(run_id: str) -> None:
    run(["ip", "netns", "del", f"{run_id}-hub"], QUICK_S, check=False)
    for top in _cgroup_tops():
        with contextlib.suppress(OSError):
            (top / run_id).rmdir()


class Container:
    """Starts and stops a machine. All methods are for root."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.folder = Path(spec.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Boots it; returns when systemd is up.

        :raises Broken: it does not come up; the console's output says why.
        """
        self.clean()
        self._plug_in()
        self._prepare_disk()
        for cgroup in self._cgroups():
            cgroup.mkdir(parents=True, exist_ok=True)
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-ec", self._boot_script()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_LOCK": "0"},
            )
        self._wait_for_boot()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def link(self, up: bool) -> None:
        """Puts the cable in or pulls it."""
        run(["ip", "-n", self.spec.hub, "link", "set", self.spec.plug, "up" if up else "down"], QUICK_S)

    def power_off(self) -> None:
        """First the cable, so that no dying socket says good-bye; then everything at once."""
        if self.alive():
            with contextlib.suppress(Broken):
                self.link(False)
            with contextlib.suppress(OSError, Broken):
                os.kill(self.leader(), signal.SIGKILL)
            assert self._process is not None
            try:
                self._process.wait(POWER_OFF_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(POWER_OFF_S)
        self._process = None
        self.clean()

    def freeze(self, on: bool) -> None:
        """Stops every process of the machine, or lets them go on; its clock goes on all the while.

        :raises Broken: this kernel cannot.
        """
        for cgroup in self._cgroups():
            if (cgroup / "cgroup.freeze").exists():
                (cgroup / "cgroup.freeze").write_text("1" if on else "0")
                return
        raise Broken(f"{self.spec.name}: there is no control group that can be frozen")

    def clean(self) -> None:
        """Removes what the kernel keeps of a machine, which is off then if it was not."""
        self._kill_rest()
        run(["ip", "-n", self.spec.hub, "link", "del", self.spec.plug], QUICK_S, check=False)
        run(["ip", "netns", "del", self.spec.namespace], QUICK_S, check=False)
        for cgroup in self._cgroups():
            for one in sorted(cgroup.glob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    one.rmdir()

    def _kill_rest(self) -> None:
        """Ends what is still in the machine's own control group, as when its keeper was killed."""
        for cgroup in self._cgroups():
            end = time.monotonic() + POWER_OFF_S
            # None of it is there when the machine has been cleaned up before, or is at this moment.
            with contextlib.suppress(OSError):
                (cgroup / "cgroup.kill").write_text("1")
                while "populated 1" in (cgroup / "cgroup.events").read_text() and time.monotonic() < end:
                    time.sleep(LOOK_S)

    def leader(self) -> int:
        """The pid, out here, of the machine's PID 1.

        :raises Broken: there is none.
        """
        if self._process is not None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            with contextlib.suppress(OSError, ValueError):
                for pid in map(int, children.read_text().split()):
                    ids = re.search(r"(?m)^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text())
                    if ids is not None and ids[1] == "1":
                        return pid
        raise Broken(f"{self.spec.name}: it is not running")

    def inside(self, *command: str, children_only: bool = False) -> list[str]:
        """The command line that runs a command in the machine's namespaces and in its control group.

        :param children_only: only what the command starts is a process of the machine. Its systemd, which at
            shutdown waits for every process that it sees, need not wait for the command itself then.
        :raises Broken: the machine is off.
        """
        groups = [group / "payload" for group in self._cgroups() if (group / "payload").is_dir()]
        join = "".join(f"echo $$ > {group}/cgroup.procs && " for group in groups)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = ["env", "-i", "HOME=/root", "USER=root", "SYSTEMD_PAGER=", f"PATH={path}"]
        options = ["-m", "-u", "-i", "-n", "-p", "-C", *(["--no-fork"] if children_only else [])]
        enter = ["nsenter", "-t", str(self.leader()), *options, *env, *command]
        return ["sh", "-c", f'{join}exec "$@"', "sh", *enter]

    def _wait_for_boot(self) -> None:
        end = time.monotonic() + BOOT_S
        while time.monotonic() < end:
            if not self.alive():
                break
            with contextlib.suppress(Broken):
                # `systemctl is-active` alone would also be true of a target that is on its way down.
                run(self.inside("systemctl", "-q", "is-active", "basic.target"), QUICK_S)
                return
            time.sleep(0.1)
        tail = "\n  ".join((self.folder / "console.log").read_text(errors="replace").splitlines()[-15:])
        raise Broken(f"{self.spec.name} did not boot:\n  {tail}")

    def _plug_in(self) -> None:
        spec = self.spec
        mac = f"52:54:00:12:01:{spec.number:02x}"
        here = ["ip", "-n", spec.namespace]
        run(["ip", "netns", "add", spec.namespace], QUICK_S)
        run(
            [
                *("ip", "link", "add", spec.plug, "netns", spec.hub, "type", "veth"),
                *("peer", "name", NIC, "address", mac, "netns", spec.namespace),
            ],
            QUICK_S,
        )
        run(["ip", "-n", spec.hub, "link", "set", spec.plug, "master", "br0", "up"], QUICK_S)
        run([*here, "link", "set", "lo", "up"], QUICK_S)
        run([*here, "addr", "add", f"{spec.address}/24", "dev", NIC], QUICK_S)
        run([*here, "link", "set", NIC, "up"], QUICK_S)

    def _prepare_disk(self) -> None:
        etc = self.folder / "disk" / "etc"
        for folder in (etc, self.folder / "work", self.folder / "root"):
            folder.mkdir(parents=True, exist_ok=True)
        if (etc / "machine-id").exists():
            return
        (etc / "machine-id").write_text(f"{self.spec.number:032x}\n")
        (etc / "hostname").write_text(f"{self.spec.name}\n")
        names = "".join(f"{address} {name}\n" for name, address in self.spec.hosts.items())
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{names}")

    def _boot_script(self) -> str:
        folder, spec = self.folder, self.spec
        join = "".join(f"echo $$ > {group}/cgroup.procs\n" for group in self._cgroups())
        overlay = f"lowerdir={':'.join(spec.layers)},upperdir={folder}/disk,workdir={folder}/work"
        options = [
            "--quiet --register=no --keep-unit --console=pipe",
            "--resolv-conf=off --timezone=off --link-journal=no",
            f"--directory={folder}/root --machine={spec.namespace} --hostname={spec.name}",
            f"--network-namespace-path=/run/netns/{spec.namespace}",
            f"--capability={CAPABILITIES} --system-call-filter=bpf",
        ]
        return (
            f"{join}mount -t overlay overlay -o {overlay} {folder}/root\n"
            f"exec systemd-nspawn {' '.join(options)} --boot systemd.show_status=no\n"
        )

    def _cgroups(self) -> list[Path]:
        return [top / self.spec.run_id / self.spec.name for top in _cgroup_tops()]


def _cgroup_tops() -> list[Path]:
    """cgroup v2's tree; on a machine with v1, systemd's own tree and the v2 tree beside it."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return [CGROUPS / name for name in ("systemd", "unified") if (CGROUPS / name / "cgroup.procs").exists()]
