"""How many examples a property gets, and how many it had.

``HAFAILOVER_FUZZ_EXAMPLES=N`` gives each property N examples from a random seed; without it, the suite runs a
bounded number that is the same every time.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings

Test = TypeVar("Test", bound=Callable[..., Any])

VARIABLE = "HAFAILOVER_FUZZ_EXAMPLES"
LONG = int(os.environ.get(VARIABLE) or 0)
"""Examples for each property; 0 for the short form. Read once: the tests clear the environment."""

examples: Counter[str] = Counter()
"""By property, how often its body was entered."""
reached: Counter[tuple[str, str]] = Counter()
"""By property and outcome, what the examples came to."""


def fuzz(short: int, *, slow: int = 1) -> Callable[[Test], Test]:
    """Settings for a property that ``given`` has made.

    :param short: examples in the short form.
    :param slow: in the long form, one example where others have so many: for those that wait.
    """
    count = max(short, LONG // slow) if LONG else short

    def decorate(test: Test) -> Test:
        handle = test.hypothesis  # type: ignore[attr-defined]
        inner, name = handle.inner_test, test.__name__

        @functools.wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> None:
            examples[name] += 1
            inner(*args, **kwargs)

        handle.inner_test = counted
        chosen = settings(
            max_examples=count,
            derandomize=not LONG,
            database=None,
            # The properties measure their calls by themselves, and say which one was late.
            deadline=None,
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
            print_blob=True,
            suppress_health_check=[
                HealthCheck.function_scoped_fixture,
                HealthCheck.too_slow,
                HealthCheck.data_too_large,
                HealthCheck.filter_too_much,
                HealthCheck.large_base_example,
            ],
        )
        return chosen(test)

    return decorate


def came_to(prop: str, outcome: str) -> None:
    """Notes the outcome of an example, so that a test can ask for each of them."""
    reached[prop, outcome] += 1


def outcomes(prop: str) -> dict[str, int]:
    return {outcome: count for (name, outcome), count in reached.items() if name == prop}
