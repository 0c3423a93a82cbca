"""What stands in Consul is a record, or it is none: whoever may write there may write anything."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.core.words import Claim
from hafailover.lock.base import dropped_json, dropped_record, history_of, stored_beat

HISTORY = "0123456789abcdef" * 2
CLAIM = Claim(798, HISTORY, "host1", 103, None, "a" * 64)
BEAT = Beat(798, 5, "host1", Phase.ACTIVE, 8.5, 103, history=HISTORY)


class TestDrops:
    def test_a_record_is_read_as_it_was_written(self) -> None:
        assert dropped_record("798", dropped_json(CLAIM).encode(), 801) == CLAIM

    @pytest.mark.parametrize(
        "name",
        ["", ".keep", "x", "-1", "0", "802", "9" * 19, "9" * 20, "9" * 5000, "\u0667\u0669", "79 8", "798/x"],
        ids=lambda name: name[:8],
    )
    def test_a_name_that_is_no_term_below_its_own_index(self, name: str) -> None:
        assert dropped_record(name, dropped_json(CLAIM).encode(), 801) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"node": ""},
            {"node": 5},
            {"node": "x" * 257},
            {"height": -1},
            {"height": True},
            {"height": 1e3},
            {"history": HISTORY[:-1]},
            {"history": None},
            {"word": "a" * 63},
            {"word": "z" * 64},
            {"word": None},
        ],
        ids=str,
    )
    def test_a_field_that_is_none(self, changes: dict[str, object]) -> None:
        raw = json.dumps({**json.loads(dropped_json(CLAIM)), **changes}).encode()
        assert dropped_record("798", raw, 801) is None

    @pytest.mark.parametrize(
        "raw", [None, b"", b"{}", b"[]", b"x", b'{"node":"host1"}', b"[" * 900, b" " * 2000]
    )
    def test_a_value_that_is_none(self, raw: bytes | None) -> None:
        assert dropped_record("798", raw, 801) is None


class TestBeats:
    def test_a_term_is_no_later_than_the_write_that_tells_of_it(self) -> None:
        raw = BEAT.to_json().encode()
        assert stored_beat(raw, 798) is not None
        assert stored_beat(raw, 797) is None

    def test_a_predecessors_term_is_no_later(self) -> None:
        for term, good in ((797, True), (798, True), (799, False)):
            passed = replace(BEAT, phase=Phase.PASSED, inherits=replace(BEAT, term=term))
            assert (stored_beat(passed.to_json().encode(), 900) is not None) is good

    @pytest.mark.parametrize(
        "changes", [{"history": "0"}, {"history": 5}, {"word": "a"}, {"word": ["a" * 64]}]
    )
    def test_a_word_or_a_history_that_is_none(self, changes: dict[str, object]) -> None:
        raw = json.dumps({**json.loads(BEAT.to_json()), **changes}).encode()
        assert stored_beat(raw, 900) is None

    def test_both_are_written_and_read(self) -> None:
        last = replace(BEAT, phase=Phase.RELEASED, word="a" * 64)
        stored = stored_beat(last.to_json().encode(), 900)
        assert stored is not None
        assert stored.beat == last


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (json.dumps({"id": HISTORY}).encode(), HISTORY),
        (json.dumps({"id": HISTORY.upper()}).encode(), ""),
        (json.dumps({"id": HISTORY, "filler": "x" * 300}).encode(), ""),
        (b"{}", ""),
        (b"[]", ""),
        (b'{"id": 5}', ""),
        (b"", ""),
        (None, ""),
    ],
)
def test_the_id_of_a_history(raw: bytes | None, found: str) -> None:
    assert history_of(raw) == found
