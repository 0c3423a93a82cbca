"""The number of open files that neard inherits from the guard."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from hafailover.guard.main import NEARD_OPEN_FILES

CODE = """
import logging, resource, sys
from hafailover.guard import main
logging.basicConfig(format="%(message)s")
soft, hard, refuse = map(int, sys.argv[1:])
real = resource.setrlimit
state = [(soft, hard)]
def set_limit(which, limits):
    if refuse and limits[1] > state[0][1]:
        raise ValueError("not allowed to raise maximum limit")
    state[0] = limits
resource.getrlimit = lambda which: state[0]
resource.setrlimit = set_limit
main.raise_file_limit()
print(*state[0])
"""


def limits(soft: int, hard: int, refuse: bool) -> tuple[tuple[int, ...], str]:
    """The limits afterwards, and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(soft), str(hard), str(int(refuse))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return tuple(int(one) for one in done.stdout.split()), done.stderr


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [
        (1024, 524_288, (NEARD_OPEN_FILES, 524_288)),
        (1024, resource.RLIM_INFINITY, (NEARD_OPEN_FILES, resource.RLIM_INFINITY)),
        (100_000, 524_288, (100_000, 524_288)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    ],
)
def test_the_limit_is_raised_within_what_is_allowed(soft: int, hard: int, after: tuple[int, int]) -> None:
    assert limits(soft, hard, refuse=True) == (after, "")


def test_root_raises_the_hard_limit_too() -> None:
    assert limits(1024, 20_000, refuse=False) == ((NEARD_OPEN_FILES, NEARD_OPEN_FILES), "")


def test_a_limit_that_is_too_low_is_told_with_what_to_set() -> None:
    after, said = limits(1024, 20_000, refuse=True)
    assert after == (20_000, 20_000)
    assert "neard asks for 65535 open files" in said
    assert "the limit here is 20000" in said
    assert "LimitNOFILE=65535" in said
