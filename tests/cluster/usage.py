"""What processes and Consul's store take up, and whether that has grown."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hafailover.lab.procfs import ProcessId
from hafailover.lock.keys import PoolKeys

from .cluster import Cluster
from .machine import ROLES, Role

MIB = 1 << 20
GROWTH_MIB: Mapping[Role, float] = {"agent": 8.0, "guard": 4.0, "neard": 32.0, "consul": 64.0}
"""How much more a process may take after it. neard's chain grows; Consul's Go keeps what it once had."""
GROWTH_SHARE = 0.15
GROWTH_FILES = 8
GROWTH_THREADS = 4
GROWTH_KEYS = 4
RECORDS_PER_TERM = 3
"""The history is kept: a term began, ended, and perhaps was resumed."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: memory in MiB, PSS where the kernel gives it."""

    pid: int
    start_ticks: int
    rss_mib: float
    pss_mib: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at everything."""

    processes: dict[str, Process]
    """By ``host/role``."""
    sessions: int
    checks: int
    keys: int
    """Below the pool's prefix, without the history."""
    history: int
    terms: int

    def sums(self) -> dict[str, dict[str, float]]:
        """Over all hosts, by role."""
        found: dict[str, dict[str, float]] = {}
        for name, process in self.processes.items():
            role = found.setdefault(name.partition("/")[2], {})
            for key, value in asdict(process).items():
                if key not in ("pid", "start_ticks"):
                    role[key] = round(role.get(key, 0) + value, 1)
        return found

    def plain(self) -> dict[str, Any]:
        """For the JSON file."""
        return {**asdict(self), "sums": self.sums()}


def take(cluster: Cluster) -> Usage:
    """Looks at all of it; the pool is to be quiet. :raises LabError: Consul cannot be asked."""
    processes = {
        f"{machine.name}/{role}": measure(pid)
        for machine in cluster.machines
        for role in ROLES
        if (pid := machine.pid(role)) is not None
    }
    server = cluster.consul.server(0)
    keys = PoolKeys(cluster.localnet.pool.account_id)
    names = [str(name) for name in server.request("GET", f"/v1/kv/{keys.prefix}?keys")]
    history = [name for name in names if name.startswith(keys.history)]
    return Usage(
        processes,
        sessions=len(server.request("GET", "/v1/session/list")),
        checks=len(server.request("GET", "/v1/health/state/any")),
        keys=len(names) - len(history),
        history=len(history),
        terms=sum(name.endswith(".began") for name in history),
    )


def measure(pid: ProcessId) -> Process:
    """One process. :raises OSError: it has ended."""
    folder = Path(f"/proc/{pid.pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
    rss = int(status["VmRSS"].split()[0]) / 1024
    pss = rss
    with contextlib.suppress(OSError):
        rollup = (folder / "smaps_rollup").read_text().splitlines()
        pss = next(int(line.split()[1]) / 1024 for line in rollup if line.startswith("Pss:"))
    files = len(list((folder / "fd").iterdir()))
    return Process(pid.pid, pid.start_ticks, round(rss, 1), round(pss, 1), files, int(status["Threads"]))


def grown(before: Usage, after: Usage) -> list[str]:
    """What has grown beyond its bound, in words: processes that lived all along, sums, and Consul's store."""
    found = []
    for name, old in before.processes.items():
        new = after.processes.get(name)
        if new is not None and (new.pid, new.start_ticks) == (old.pid, old.start_ticks):
            role = name.partition("/")[2]
            found += [f"{name}: {text}" for text in _grown(_of(old), _of(new), GROWTH_MIB[_role(role)], 1)]
    sums_after = after.sums()
    for role, sums in before.sums().items():
        count = sum(name.endswith(f"/{role}") for name in before.processes)
        bound = GROWTH_MIB[_role(role)] * count
        found += [f"all {role}s: {text}" for text in _grown(sums, sums_after.get(role, {}), bound, count)]
    for what, old_number, new_number, bound in (
        ("Consul sessions", before.sessions, after.sessions, 0),
        ("Consul checks", before.checks, after.checks, 0),
        ("keys without the history", before.keys, after.keys, GROWTH_KEYS),
        ("history", before.history, after.history, RECORDS_PER_TERM * (after.terms - before.terms)),
    ):
        if new_number - old_number > bound:
            found.append(f"{what}: {old_number} before, {new_number} after, more than {bound} of growth")
    return found


def survivors(before: Usage, after: Usage) -> list[str]:
    """The processes that lived all along: only in them can a leak show."""
    return [
        name
        for name, old in before.processes.items()
        if (new := after.processes.get(name)) and (new.pid, new.start_ticks) == (old.pid, old.start_ticks)
    ]


def _of(process: Process) -> dict[str, float]:
    return {
        "rss_mib": process.rss_mib,
        "pss_mib": process.pss_mib,
        "files": process.files,
        "threads": process.threads,
    }


def _grown(old: Mapping[str, float], new: Mapping[str, float], mib: float, count: int) -> list[str]:
    bounds = {
        "rss_mib": max(mib, GROWTH_SHARE * old["rss_mib"]),
        "pss_mib": max(mib, GROWTH_SHARE * old["pss_mib"]),
        "files": GROWTH_FILES * count,
        "threads": GROWTH_THREADS * count,
    }
    return [
        f"{what} {old[what]:g} before, {new[what]:g} after, more than {bound:g} of growth"
        for what, bound in bounds.items()
        if what in new and new[what] - old[what] > bound
    ]


def _role(text: str) -> Role:
    return next(role for role in ROLES if role == text)
