"""What the decision knows of the guard's file operations: they are numbered, and may never end.

They are done in order, one at a time. So a removal that is asked for while the link is being placed comes
after it, and only the answer to the operation that was asked for last says how things are.
"""

from __future__ import annotations

from dataclasses import replace

from hafailover.guard import model as m
from hafailover.guard.model import Link


def place(guard: m.Guard, now: float) -> tuple[m.Guard, m.LinkKey]:
    guard = _asked(guard, Link.PLACING, now)
    return guard, m.LinkKey(guard.file)


def prepare(guard: m.Guard, now: float) -> tuple[m.Guard, m.PrepareHome]:
    guard = _asked(guard, Link.REMOVING, now)
    return guard, m.PrepareHome(guard.file)


def remove(guard: m.Guard, now: float) -> tuple[m.Guard, list[m.GuardEffect]]:
    """Asks for the removal, unless one is under way."""
    if guard.file_since is not None and guard.link is Link.REMOVING:
        return guard, []
    guard = _asked(guard, Link.REMOVING, now)
    return guard, [m.UnlinkKey(guard.file)]


def ended(guard: m.Guard, link: Link, now: float) -> tuple[m.Guard, list[m.GuardEffect]]:
    """The operation that was asked for last has ended, and with it all before it."""
    since = guard.file_since if guard.file_since is not None else now
    told = bool(guard.file_problem)
    guard = replace(guard, link=link, file_since=None, file_problem="")
    return guard, [m.Report(f"the file operation has ended after {now - since:.1f} s")] if told else []


def overdue(guard: m.Guard, now: float) -> str:
    """What is to be said of an operation that takes long; empty if there is none, or it was said."""
    if guard.file_since is None or guard.file_problem or now - guard.file_since < guard.config.file_s:
        return ""
    return (
        f"a file operation of the guard has not ended within {guard.config.file_s:g} s: check the disk under "
        f"{guard.config.home}, and the credential's"
    )


def removal_overdue(guard: m.Guard, now: float) -> bool:
    """Whether a neard runs without the key although the link may be there, for longer than a drop may take.

    A load that failed leaves this behind where the removal hangs: any SIGHUP would load the key.
    """
    return (
        guard.pid is not None
        and not guard.killed
        and guard.link is Link.REMOVING
        and guard.file_since is not None
        and now - guard.file_since >= guard.config.drop_budget_s / 2
    )


def _asked(guard: m.Guard, link: Link, now: float) -> m.Guard:
    since = now if guard.file_since is None else guard.file_since
    return replace(guard, link=link, file=guard.file + 1, file_since=since)
