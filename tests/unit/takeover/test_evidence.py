"""What the chain shows: somebody signs, nobody does, or it does not tell."""

import pytest

from hafailover.near.rpc import Production
from hafailover.takeover.evidence import LEAST_BLOCKS, compare


def look(height: int, produced: int, expected: int, chunks: tuple[int, int] = (2, 2), epoch: int = 1):  # type: ignore[no-untyped-def]
    return height, Production(produced, expected, *chunks, epoch)


@pytest.mark.parametrize(
    ("last", "signer", "nobody"),
    [
        (look(200, 5, 8), False, True),
        (look(200, 6, 8), True, False),
        (look(200, 5, 5, (3, 4)), True, False),
        (look(200, 5, 5, (2, 4)), False, True),
        (look(200, 5, 5, (2, 2)), False, False),
        (look(100 + LEAST_BLOCKS - 1, 5, 8), False, False),
    ],
)
def test_what_it_shows(last: tuple[int, Production], signer: bool, nobody: bool) -> None:
    seen = compare(look(100, 5, 5, (2, 2)), last)
    assert seen is not None
    assert (seen.signer, seen.nobody) == (signer, nobody)


def test_across_an_epochs_end_nothing_is_known() -> None:
    assert compare(look(100, 5, 5), look(200, 0, 3, epoch=150)) is None
    assert compare(look(100, 5, 5), look(200, 4, 9)) is None, "counts that fall are another epoch's"


def test_a_validator_of_chunks_alone_shows_by_its_endorsements() -> None:
    first = (100, Production(0, 0, 0, 0, 1, 50, 50))
    signs = compare(first, (200, Production(0, 0, 0, 0, 1, 51, 60)))
    rests = compare(first, (200, Production(0, 0, 0, 0, 1, 50, 60)))
    assert signs is not None
    assert rests is not None
    assert (signs.signer, rests.signer, rests.nobody) == (True, False, True)
