"""What a person sees while scenarios run: a live table in a terminal, a plain log elsewhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hafailover.clock import boottime
from hafailover.demo.result import Report, Result
from hafailover.observe.render import render

if TYPE_CHECKING:
    from hafailover.lab.pool import LabPool
    from hafailover.observe.overview import Overview

REFRESH_S = 0.5
LINES = 6


class Board(Protocol):
    """Takes what happens and shows it."""

    def say(self, line: str) -> None: ...

    def result(self, result: Result) -> None: ...

    def close(self) -> None: ...


class PlainBoard:
    """One line for each thing that happens, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = boottime()

    def say(self, line: str) -> None:
        self._console.print(
            f"[{boottime() - self._started:6.1f} s] {line}", markup=False, highlight=False, soft_wrap=True
        )

    def result(self, result: Result) -> None:
        self.say(f"{result.name}: {one_line(result)}")

    def close(self) -> None:
        """Nothing to take down."""


class LiveBoard:
    """A table of the hosts and one of the scenarios, refreshed twice a second."""

    def __init__(self, console: Console, pool: LabPool, names: list[str]) -> None:
        self._pool = pool
        self._names = names
        self._results: list[Result] = []
        self._lines: list[str] = []
        self._running = ""
        self._started = boottime()
        self._view: Overview | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="board", daemon=True)
        self._live.start()
        self._thread.start()

    def say(self, line: str) -> None:
        self._lines.append(f"[{boottime() - self._started:6.1f} s] {line}")

    def result(self, result: Result) -> None:
        self._results.append(result)
        self.say(f"{result.name}: {one_line(result)}")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._live.stop()

    def _refresh(self) -> None:
        while not self._stop.wait(REFRESH_S):
            self._view = self._pool.try_look() or self._view
            self._live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._view is not None and self._view.hosts:
            parts += [render(self._view), ""]
        done = {result.name for result in self._results}
        running = next((name for name in self._names if name not in done), None)
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("scenario", "", "active", "first block", "missed"):
            table.add_column(name)
        for result in self._results:
            table.add_row(*summary_row(result))
        for name in self._names:
            if name not in done:
                table.add_row(name, Text("running", style="yellow") if name == running else "", "", "", "")
        return Group(*parts, table, "", *self._lines[-LINES:])


def summary_row(result: Result) -> tuple[str, Text, str, str, str]:
    """A scenario as a row of the tables."""
    good = Text("ok", style="green") if result.ok else Text("FAILED", style="bold red")
    first = result.fault_to_first_block_s
    return (
        result.name,
        good,
        f"{result.active_before or '-'} -> {result.active_after or '-'}",
        f"{first:.2f} s" if first is not None else "-",
        str(result.blocks_missed) if result.blocks_missed is not None else "?",
    )


def one_line(result: Result) -> str:
    """A scenario's outcome as a sentence."""
    if not result.ok:
        return "FAILED: " + "; ".join(result.problems)
    parts = [f"{result.active_before or 'nobody'} -> {result.active_after}"]
    if result.fault_to_key_s is not None:
        parts.append(f"key loaded after {result.fault_to_key_s:.2f} s")
    if result.fault_to_first_block_s is not None:
        parts.append(f"first block after {result.fault_to_first_block_s:.2f} s")
    parts.append(f"{result.blocks_missed} missed")
    return "ok: " + ", ".join(parts)


def summary(report: Report) -> RenderableType:
    """The table at the end."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, right in (
        ("scenario", False),
        ("", False),
        ("active", False),
        ("key loaded", True),
        ("first block", True),
        ("missed", True),
        ("twice", True),
    ):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    told = Text("What was done", style="bold")
    for result in report.results:
        name, good, active, first, missed = summary_row(result)
        key = f"{result.fault_to_key_s:.2f} s" if result.fault_to_key_s is not None else "-"
        told.append(f"\n{name}: ", style="dim").append(result.done)
        if result.problems:
            told.append("\n  " + "\n  ".join(result.problems), style="red")
        table.add_row(name, good, active, key, first, missed, str(len(result.double_signed_heights)))
    twice = report.double_signed_heights
    style = "bold green" if report.ok else "bold red"
    verdict = "every scenario as expected" if report.ok else "NOT as expected"
    signed = f"heights signed twice: {', '.join(map(str, twice)) if twice else 'none'}"
    which = Text(f"run on {report.neard}", style="dim")
    return Group("", told, "", table, "", Text(f"{verdict}; {signed}", style=style), which)
