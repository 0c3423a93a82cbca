"""One failover host: its namespace, its services, its neard's disk, and what can be done to them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.lab.host import FailoverHost
from hafailover.lab.netns import Heard, NetworkHost, command
from hafailover.lab.process import ManagedProcess
from hafailover.lab.procfs import ProcessId, children_of
from hafailover.lab.unit import Unit
from hafailover.timing import PROFILES

from .disks import CONSUL_MIB, SMALL_MIB, Disk

Medium = Literal["home", "state", "consul"]
"""What has a disk of its own: neard's home without its data, the agent's ``state_dir``, Consul's data."""
Role = Literal["agent", "guard", "neard", "consul"]
ROLES: tuple[Role, ...] = ("agent", "guard", "neard", "consul")
SERVICES: tuple[Role, ...] = ("agent", "guard", "consul")

STATE = "state"
"""The agent's ``state_dir`` in the folder of its host."""
DATA = "data"
"""neard's, in its home, and Consul's, in its folder."""
ENDS_S = 10.0
"""The longest that a killed process may take to end."""
LOST_AND_FOUND = "lost+found"
"""The folder that every new ext4 has."""
CONSUL_RESTART_S = 1.0
"""``RestartSec`` of Consul's unit in the NixOS module."""
KEPT_BY_A_REBOOT = {"config.toml", "notify", "agent.log", "guard.log", STATE}


class Machine:
    """A host of the cluster.

    :param marker: what every process of the run has in its environment.
    """

    def __init__(self, host: FailoverHost, network: NetworkHost, marker: Mapping[str, str]) -> None:
        self.name = host.name
        self.host = host
        self.network = network
        self.home = host.node.home
        self.suspended = False
        self.woke_at = float("-inf")
        """When it last was resumed, on CLOCK_BOOTTIME."""
        self._marker = dict(marker)
        self._cuts: set[str] = set()
        self._disks: dict[str, Disk] = {}
        profile = PROFILES["default"]
        folder = host.folder / "notify"
        folder.mkdir()
        self.units: dict[Role, Unit] = {
            "consul": Unit(
                f"{self.name}-consul", self._consul, restart_s=CONSUL_RESTART_S, notify=folder / "consul"
            ),
            "guard": Unit(
                f"{self.name}-guard",
                self._guard,
                restart_s=restart_s("neard"),
                watchdog_s=profile.guard_watchdog_s,
                notify=folder / "guard",
            ),
            "agent": Unit(
                f"{self.name}-agent",
                self._agent,
                restart_s=restart_s("hafailover"),
                watchdog_s=profile.agent_watchdog_s,
                notify=folder / "agent",
            ),
        }

    def mount(self, images: Path, data_mib: int, *, hangs: bool) -> None:
        """Gives the host its disks. neard's data has one of its own, as on most validators.

        :param images: a folder in memory. :raises LabError:
        """
        consul = self.host.consul.folder / DATA
        places = {
            "home": (self.home, SMALL_MIB),
            "state": (self.host.state, SMALL_MIB),
            "consul": (consul, CONSUL_MIB),
        }
        for medium, (where, mib) in places.items():
            self._disks[medium] = Disk(where, mib, hangs=hangs)
            self._disks[medium].mount(images)
        Disk(self.home / DATA, data_mib, hangs=False).mount(images)

    def hang(self, medium: Medium) -> None:
        """Every write to this disk waits. :raises LabError: it cannot hang here."""
        self._disks[medium].hang(self._marker)

    def thaw_disk(self, medium: Medium) -> None:
        self._disks[medium].thaw()

    def lose_consul_data(self) -> None:
        """Its server, which does not run, has nothing left of what it stored.

        :raises LabTimeoutError: it does not end.
        """
        if (process := self.units["consul"].process) is not None:
            process.wait(ENDS_S)
        for path in (self.host.consul.folder / DATA).iterdir():
            if path.name != LOST_AND_FOUND:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def begin(self) -> None:
        """Starts guard and agent; Consul runs already."""
        for role in ("guard", "agent"):
            self.units[role].begin()

    def close(self) -> None:
        """Ends everything in order, frozen processes included."""
        for disk in self._disks.values():
            disk.thaw()
        self.thaw(ROLES)
        for role in ("agent", "guard", "consul"):
            self.units[role].close()

    def pid(self, role: Role) -> ProcessId | None:
        """The process in this role now, or ``None`` if there is none."""
        process = self.units["guard" if role == "neard" else role].process
        if process is None or not process.is_alive():
            return None
        if role != "neard":
            return process.id
        found = children(process.pid)
        return found[0] if found else None

    def processes(self, roles: Sequence[Role]) -> list[ProcessId]:
        """Those that run, of these roles."""
        return [pid for role in roles if (pid := self.pid(role)) is not None]

    def kill(self, roles: Sequence[Role]) -> None:
        """SIGKILL, as good as at once."""
        for pid in self.processes(roles):
            pid.signal(signal.SIGKILL)

    def freeze(self, roles: Sequence[Role]) -> None:
        """SIGSTOP."""
        for pid in self.processes(roles):
            pid.signal(signal.SIGSTOP)

    def thaw(self, roles: Sequence[Role]) -> None:
        """SIGCONT to what is there now: what was frozen, unless it was killed meanwhile."""
        for pid in self.processes(roles):
            pid.signal(signal.SIGCONT)

    def hold(self, roles: Sequence[Role]) -> None:
        """These services stay away once they have ended."""
        for role in roles:
            self.units[role].hold()

    def release(self, roles: Sequence[Role]) -> None:
        """Undoes :meth:`hold`."""
        for role in roles:
            self.units[role].release()

    def crash(self) -> None:
        """The power fails: the cable first, so that no dying socket says good-bye, then all at once."""
        self.cut()
        self.hold(SERVICES)
        self.kill(ROLES)

    def boot(self) -> None:
        """The power is back. /run is empty after a boot."""
        for path in (*self.host.folder.iterdir(), *self.host.state.iterdir()):
            if path.name not in KEPT_BY_A_REBOOT | {LOST_AND_FOUND}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.mend()
        self.release(SERVICES)

    def suspend(self) -> None:
        """The whole machine stands still, its systemd too, and is off the network."""
        for unit in self.units.values():
            unit.pause()
        self.cut()
        self.freeze(ROLES)
        self.suspended = True

    def wake(self) -> None:
        """It goes on where it was."""
        self.woke_at = boottime()
        self.suspended = False
        self.mend()
        self.thaw(ROLES)
        for unit in self.units.values():
            unit.resume()

    def cut(self) -> None:
        self.network.link(False)
        self._cuts.add("link")

    def mend(self) -> None:
        self.network.link(True)
        self._cuts.discard("link")

    def deny(self, what: Heard) -> None:
        """See :meth:`NetworkHost.deny`."""
        self.network.deny(what)
        self._cuts.add(what)

    def allow(self, what: Heard) -> None:
        self.network.allow(what)
        self._cuts.discard(what)

    def neard_fault(self, **fault: object) -> None:
        """Gives the stand-in a fault (``localneard.settings``), or none, in one step."""
        path = self.home / "localneard.json"
        if not fault:
            path.unlink(missing_ok=True)
            return
        new = path.with_suffix(".new")
        new.write_text(json.dumps(fault))
        new.rename(path)

    def lock_disk(self) -> None:
        """The home can only be read from now on, by whatever opens something there. :raises LabError:"""
        # A file system with files open for writing cannot be made read-only; a mount over it can.
        command(["mount", "--rbind", str(self.home), str(self.home)])
        for path in self._home_parts:
            command(["mount", "-o", "remount,bind,ro", str(path)])

    def unlock_disk(self) -> None:
        # Lazily: a neard that was started meanwhile has files open there, and must end first to let it go.
        for path in reversed(self._home_parts):
            command(["umount", "--lazy", str(path)])

    def fill_disk(self) -> None:
        """Not a byte is left on the home's disks."""
        for path in self._home_parts:
            with (path / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(1 << 20)):
                    pass

    def empty_disk(self) -> None:
        for path in self._home_parts:
            (path / "filler").unlink(missing_ok=True)

    @property
    def _home_parts(self) -> tuple[Path, Path]:
        return self.home, self.home / DATA

    @property
    def reachable(self) -> bool:
        return not self._cuts

    def can_sign(self) -> bool:
        """Whether its neard runs and is heard: the truth of the machine, not what the product thinks."""
        if self._cuts or self.suspended:
            return False
        pid = self.pid("neard")
        return pid is not None and pid.state not in "TtX"

    def whole(self) -> bool:
        """Whether all of it runs and nothing is the matter with it."""
        return self.can_sign() and all(
            (pid := self.pid(role)) is not None and pid.state not in "TtX" for role in ROLES
        )

    def _consul(self, env: Mapping[str, str]) -> ManagedProcess:
        # Consul is no service of Type=notify here; it is not told of the socket.
        return self.host.consul.start(self._marker)

    def _guard(self, env: Mapping[str, str]) -> ManagedProcess:
        return self.host.launch("guard", self.host.guard_log, {**self._marker, **env})

    def _agent(self, env: Mapping[str, str]) -> ManagedProcess:
        return self.host.launch("run", self.host.agent_log, {**self._marker, **env})


def children(pid: int) -> list[ProcessId]:
    """The children of a process's main thread; all of them where the kernel keeps no list."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return children_of(pid) if Path(f"/proc/{pid}").exists() else []
    found = []
    for one in text.split():
        with contextlib.suppress(ProcessLookupError):
            found.append(ProcessId.of(int(one)))
    return [one for one in found if one.is_alive()]


def restart_s(unit: str) -> float:
    """``RestartSec`` of one of the product's units, in seconds."""
    text = (resources.files("hafailover.units") / f"{unit}.toml").read_text()
    value = str(tomllib.loads(text)["Service"]["RestartSec"])
    return float(value.removesuffix("ms")) / 1000 if value.endswith("ms") else float(value)


def processes_marked(name: str, value: str) -> list[ProcessId]:
    """All processes with this in their environment, but this one. Those of other users are not seen."""
    wanted = f"{name}={value}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(ProcessId.of(int(entry.name)))
    return found


def end_marked(name: str, value: str, timeout_s: float = 10.0) -> int:
    """SIGKILLs what a run has left, by pid; returns how many there were. :raises LabError: some stay."""
    ended: set[ProcessId] = set()
    for _ in range(int(timeout_s / 0.1)):
        left = processes_marked(name, value)
        if not left:
            return len(ended)
        for pid in left:
            pid.signal(signal.SIGKILL)
        ended.update(left)
        time.sleep(0.1)
    raise LabError(f"processes do not end: {[pid.pid for pid in processes_marked(name, value)]}")
