"""Runs checks one after the other, each within its deadline, whatever becomes of it."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hafailover.config.settings import Settings
from hafailover.doctor.finding import Finding, error, skipped
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError


@dataclass(frozen=True, slots=True)
class Patient:
    """The host that is examined, or from which a cluster is."""

    settings: Settings
    address: Address


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the examination; ``deadline_s`` in seconds."""

    name: str
    about: str
    run: Callable[[Patient], list[Finding]]
    deadline_s: float = 10.0


def examine(
    checks: Sequence[Check], patient: Patient, say: Callable[[str], None] = lambda about: None
) -> Iterator[Finding]:
    """Findings as they come.

    :param say: is told what is being looked at.
    """
    for check in checks:
        say(check.about)
        yield from _within_deadline(check, patient)


def _within_deadline(check: Check, patient: Patient) -> list[Finding]:
    done: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
    # A daemon: one that hangs, on a dead disk say, must not keep the command from its end.
    threading.Thread(
        target=lambda: done.put(_run(check, patient)), name=f"check-{check.name}", daemon=True
    ).start()
    try:
        return done.get(timeout=check.deadline_s)
    except queue.Empty:
        return [
            error(
                f"{check.name}.deadline",
                f"this check was not done within {check.deadline_s:g} s ({check.about})",
                "what it looks at hangs: look at the disk, or at what does not answer",
            )
        ]


def _run(check: Check, patient: Patient) -> list[Finding]:
    try:
        return check.run(patient)
    except CallError as failure:
        return [
            skipped(
                f"{check.name}.consul",
                str(failure),
                "see what the checks consul and rights say, then try again",
            )
        ]
    except Exception as failure:  # noqa: BLE001 - whatever it is, the other checks go on
        # Without its text, which may hold what nobody is to see.
        return [
            error(
                f"{check.name}.failed",
                f"this check itself failed: {type(failure).__name__} at {_where(failure)}",
                "report it; the other checks hold without it",
            )
        ]


def _where(failure: Exception) -> str:
    frames = traceback.extract_tb(failure.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
