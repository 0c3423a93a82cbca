"""The table of what an outage costs: it stands in the docs as it is computed, and its figures are right."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from hafailover.observe.outage import BLOCK_S, GONE_S, minutes_to_early_kickout, table

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "operating.md"


def test_the_page_has_the_table_as_it_is_computed() -> None:
    assert table() in PAGE.read_text(), "run: python -m hafailover.observe.outage"


def test_the_time_that_a_vanished_host_takes_is_the_longest_that_was_measured() -> None:
    (told,) = re.findall(r"loaded ([\d.,and ]+) s after the cut", (DOCS / "tested.md").read_text())
    assert max(float(one) for one in re.findall(r"\d+\.\d", told)) == GONE_S
    assert f"in the {GONE_S:g} s until another has the key" in " ".join(PAGE.read_text().split())


@pytest.mark.parametrize(("of", "passed"), [(100, 1000), (11, 1000), (2, 1000), (11, 21_600), (2, 32_400)])
def test_the_table_is_what_counting_comes_to(of: int, passed: int) -> None:
    """Chunk by chunk, as nearcore's rule has it; one slot of the shard in every ``of`` blocks."""
    produced, missed, blocks = passed // of, 0, 0
    while not (missed >= 100 and produced * 100 < 80 * (produced + missed)):
        blocks += of
        missed += 1
    told = minutes_to_early_kickout(Fraction(1, of), passed)
    assert told == pytest.approx((blocks - of) * BLOCK_S / 60, rel=0.02)
