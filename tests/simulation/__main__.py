"""``make simulate``: many seeds on all cores, takeovers without a lease, other signers, then every mutant.

Exit codes: 0 all is well, 1 a rule was broken, 2 wrong usage, 3 a mutant was not found, 4 a long run in which
some fault never struck or something that matters never happened.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from .faults import KINDS
from .foreigners import course as foreigners
from .forging import course as forging
from .forging import freeing, hiding
from .mutants import Hunt, hunt
from .mutants_of_faults import MUTANTS
from .report import Total
from .run import run
from .shrink import shrink
from .story import story
from .takeovers import course

T = TypeVar("T")

LONG_HOURS = 10.0
"""A run of so many virtual hours has no excuse for a fault that never struck."""
SAY_EVERY_S = 10.0
STORIES = 3
AHEAD = 32


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    total = Total(hours_each=options.hours, workers=options.workers)
    began = said = time.monotonic()
    # Forked, so that the workers need not find this package by a name.
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("fork")) as pool:
        seeds = range(options.first, options.first + options.seeds)
        random_ones = _all(pool, partial(run, hours=options.hours, kinds=options.kinds), seeds)
        takeovers = _all(pool, course, seeds[: options.takeovers])
        others = _all(pool, foreigners, seeds[: options.takeovers])
        forgeries = _all(pool, forging, seeds[: options.takeovers])
        hidden = _all(pool, hiding, seeds[: options.takeovers])
        freed = _all(pool, freeing, seeds[: options.takeovers])
        for result in itertools.chain(random_ones, takeovers, others, forgeries, hidden, freed):
            total.add(result)
            total.wall_s = time.monotonic() - began
            if result.rule:
                console.print(f"seed {result.seed}: {result.rule}: {result.what}")
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                console.print(
                    f"{total.seeds} of {options.seeds} seeds, {total.faults.total():,} faults, "
                    f"{total.did['promotions']:,} promotions, {len(total.violations)} violations, "
                    f"{total.wall_s:.0f} s"
                )
        if options.mutants:
            for found in _all(pool, _hunt, range(len(MUTANTS))):
                total.hunts.append(found)
            total.hunts.sort(key=lambda one: [mutant.name for mutant in MUTANTS].index(one.mutant.name))
    for result in total.violations[:STORIES]:
        console.print(story(result, None if result.course else shrink(result, options.kinds)))
    total.show(console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(total.as_json(), indent=2) + "\n")
    return _verdict(total, console, everything=options.kinds is None)


def _verdict(total: Total, console: Console, everything: bool) -> int:
    if total.violations:
        return 1
    if total.survivors:
        console.print(f"not found: {', '.join(total.survivors)}")
        return 3
    missing = total.never_struck + total.never_happened
    if everything and total.virtual_s >= LONG_HOURS * 3600 and missing:
        console.print(f"never happened: {', '.join(missing)}")
        return 4
    return 0


def _hunt(number: int) -> Hunt:
    """By its number: what a mutant changes need not travel between processes."""
    return hunt(MUTANTS[number])


def _all(pool: ProcessPoolExecutor, work: Callable[[int], T], numbers: Sequence[int]) -> Iterator[T]:
    """The results as they come, with no more work in the queue than the workers need."""
    waiting: set[Future[T]] = set()
    left = iter(numbers)
    while True:
        for number in itertools.islice(left, AHEAD - len(waiting)):
            waiting.add(pool.submit(work, number))
        if not waiting:
            return
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for one in done:
            yield one.result()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many pools (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--hours", type=float, default=0.25, help="virtual hours of each (default 0.25)")
    parser.add_argument(
        "--takeovers",
        type=int,
        help="pools in which takeovers are played (default: a fifth of the seeds)",
    )
    parser.add_argument("--kinds", type=_kinds, help="only these faults, separated by commas")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-mutants", dest="mutants", action="store_false")
    parser.add_argument("--out", type=Path, default=Path("build/simulate.json"))
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.workers < 1 or not 0 < options.hours <= 1000:
        parser.error("--seeds and --workers must be 1 or more, --hours above 0 and at most 1000")
    if options.takeovers is None:
        # Somebody who asks for some kinds of faults alone wants no others.
        options.takeovers = 0 if options.kinds else -(-options.seeds // 5)
    if not 0 <= options.takeovers <= options.seeds:
        parser.error("--takeovers must be 0 or more, and at most --seeds")
    return options


def _kinds(text: str) -> list[str]:
    kinds = [one.strip() for one in text.split(",")]
    unknown = [one for one in kinds if one not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(KINDS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
