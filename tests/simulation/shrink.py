"""Makes a failing run small: the fewest faults that still break the same rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .plan import Strike, plan
from .run import Result, run
from .world import shape_of

TRIES = 150
"""How many runs a shrinking may take."""


@dataclass(frozen=True)
class Small:
    """``strikes``: what is left of the episode that failed, after ``episodes`` without any fault."""

    result: Result
    strikes: list[Strike]
    tries: int


def shrink(failed: Result, kinds: Sequence[str] | None = None, tries: int = TRIES) -> Small:
    """Leaves out faults, by halves at first, as long as the same rule is broken all the same."""
    hosts = len(shape_of(failed.seed).profiles)
    hours = (failed.seconds + 1) / 3600
    done = 0
    best = failed
    kept = {
        number: plan(failed.seed, number, hosts, kinds)
        for number in range(failed.episode + 1)
    }  # fmt: skip

    def breaks(only: dict[int, list[Strike]]) -> bool:
        nonlocal done, best
        done += 1
        result = run(failed.seed, hours, kinds, only)
        if result.rule != failed.rule:
            return False
        best = result
        return True

    def halve(number: int) -> None:
        def with_these(strikes: list[Strike]) -> bool:
            return breaks({**kept, number: strikes})

        kept[number] = minimal(kept[number], with_these, lambda: done < tries)

    quiet = {number: [] if number < failed.episode else strikes for number, strikes in kept.items()}
    if breaks(quiet):
        kept = quiet
    else:
        for number in range(failed.episode):
            halve(number)
    halve(failed.episode)
    return Small(best, [one for number in sorted(kept) for one in kept[number]], done)


def minimal(
    strikes: list[Strike], breaks: Callable[[list[Strike]], bool], may_try: Callable[[], bool]
) -> list[Strike]:
    """Delta debugging: drops ever smaller pieces of the list as long as the rest still breaks the rule."""
    size = max(len(strikes) // 2, 1)
    while strikes and may_try():
        at, dropped = 0, False
        while at < len(strikes) and may_try():
            rest = strikes[:at] + strikes[at + size :]
            if breaks(rest):
                strikes, dropped = rest, True
            else:
                at += size
        if size == 1 and not dropped:
            break
        size = max(size // 2, 1)
    return strikes
