"""Waits that the tests of the pool share, each with a deadline."""

import json
from pathlib import Path

from hafailover.clock import boottime
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until


def other_active(pool: LabPool, before: str, within_s: float) -> str:
    """Waits until another host than `before` is active; returns its name."""
    found: list[str] = []

    def moved() -> bool:
        view = pool.try_look()
        if view is not None and view.active not in (None, before):
            found.append(str(view.active))
        return bool(found)

    wait_until(moved, timeout_s=within_s, what=f"another active than {before}", interval_s=0.05)
    return found[0]


def role(pool: LabPool, name: str) -> str:
    view = pool.try_look()
    return next((host.role for host in view.hosts if host.node == name), "") if view else ""


def logged(path: Path, text: str, within_s: float, after: int = 0) -> None:
    """Waits until a log holds `text` beyond its first `after` bytes."""
    wait_until(
        lambda: text in log_since(path, after),
        timeout_s=within_s,
        what=lambda: f"{text!r} in {path.name}, which has: {log_since(path, after)[-3000:]}",
    )


def log_since(path: Path, after: int) -> str:
    try:
        return path.read_bytes()[after:].decode(errors="replace")
    except FileNotFoundError:
        return ""


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def set_fault(host: FailoverHost, **fault: object) -> float:
    """Gives the host's stand-in a fault, in one step; returns when."""
    new = host.node.home / "localneard.json.new"
    new.write_text(json.dumps(fault))
    new.rename(host.node.home / "localneard.json")
    return boottime()


def standbys(pool: LabPool, active: str) -> list[FailoverHost]:
    return [host for host in pool.hosts if host.name != active]
