"""Beats: written and read back unchanged, and nothing but a whole and sensible one is taken for a beat."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.core.beat import MAX_BEAT_BYTES, Beat, BeatError, Phase, parse_beat
from hafailover.lock.base import stored_beat

GOOD: dict[str, Any] = {
    "v": 1,
    "term": 7,
    "sequence": 3,
    "node": "a",
    "phase": "active",
    "gone_within": 8.5,
    "height": 12,
}
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
WHOLE = st.integers(0, (1 << 63) - 1)


def beats(inherits: st.SearchStrategy[Beat | None]) -> st.SearchStrategy[Beat]:
    return st.builds(
        Beat,
        term=WHOLE,
        sequence=WHOLE,
        node=NAMES,
        phase=st.sampled_from(Phase),
        gone_within_s=st.floats(0.5, 60),
        height=WHOLE,
        handover_to=st.none() | NAMES,
        cause=st.just("") | st.text(st.characters(codec="utf-8"), max_size=100),
        inherits=inherits,
    )


@given(beats(st.none() | beats(st.none())))
def test_a_beat_is_read_back_as_it_was_written(beat: Beat) -> None:
    assert parse_beat(beat.to_json()) == beat
    assert parse_beat(beat.to_json().encode()) == beat


def test_an_absent_value_is_no_beat() -> None:
    assert parse_beat(None) is None


def test_what_the_holder_writes_fits_into_the_bound() -> None:
    longest = Beat(
        1 << 62, 1 << 62, "n" * 63, Phase.PASSED, 60.0, 1 << 62, cause="ü" * 200, handover_to="n" * 63
    )
    whole = Beat(1 << 62, 1 << 62, "n" * 63, Phase.PASSED, 60.0, 1 << 62, cause="ü" * 200, inherits=longest)
    assert len(whole.to_json()) <= MAX_BEAT_BYTES
    assert parse_beat(whole.to_json()) == whole


def read_or_refuse(raw: bytes | str) -> None:
    """Whatever is in Consul, reading it ends in a beat or a BeatError; and a store takes it for none."""
    try:
        beat = parse_beat(raw)
    except BeatError:
        assert stored_beat(raw.encode() if isinstance(raw, str) else raw, 1) is None
        return
    assert isinstance(beat, Beat)
    assert 0.5 <= beat.gone_within_s <= 60


@given(st.binary(max_size=200) | st.text(st.characters(codec="utf-8"), max_size=200))
def test_garbage_raises_nothing_but_a_beat_error(raw: bytes | str) -> None:
    read_or_refuse(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "inherits", "handover_to", "cause"]), JSON), JSON)
@example({"gone_within": 10**400}, None)
@example({"gone_within": float("nan")}, None)
@example({"gone_within": float("inf")}, None)
@example({"gone_within": -float("inf")}, None)
@example({"term": 1 << 63}, None)
@example({"term": 1.0}, None)
@example({"term": True}, None)
@example({"node": "n" * 257}, None)
@example({"inherits": {**GOOD, "inherits": GOOD}}, None)
def test_a_beat_with_parts_exchanged_raises_nothing_but_a_beat_error(
    changes: dict[str, Any], whole: Any
) -> None:
    read_or_refuse(json.dumps({**GOOD, **changes}))
    read_or_refuse(json.dumps(whole))


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("[" * 4000, "not JSON"),
        ('{"inherits":' * 300 + "1" + "}" * 300, "not an object of version 1"),
        ("x" * (MAX_BEAT_BYTES + 1), "at most 4096 are sensible"),
        (b"\xff\xfe", "not JSON"),
        ("", "not JSON"),
        ("null", "not an object of version 1"),
        (json.dumps({**GOOD, "v": 2}), "not an object of version 1"),
        (json.dumps({**GOOD, "gone_within": True}), "no number gone_within"),
        (json.dumps({**GOOD, "gone_within": "8"}), "no number gone_within"),
        (json.dumps({**GOOD, "gone_within": 0.4}), "outside 0.5 to 60 s"),
        (json.dumps({**GOOD, "gone_within": 61}), "outside 0.5 to 60 s"),
        (json.dumps({**GOOD, "gone_within": float("nan")}), "outside 0.5 to 60 s"),
        (json.dumps({**GOOD, "gone_within": float("inf")}), "outside 0.5 to 60 s"),
        (json.dumps({**GOOD, "gone_within": 10**400}), "outside 0.5 to 60 s"),
        (json.dumps({**GOOD, "phase": "sleeping"}), "unknown phase"),
        (json.dumps({**GOOD, "term": -1}), "no whole number term"),
        (json.dumps({**GOOD, "sequence": 1.5}), "no whole number sequence"),
        (json.dumps({**GOOD, "height": None}), "no whole number height"),
        (json.dumps({**GOOD, "node": ""}), "no text node"),
        (json.dumps({**GOOD, "inherits": {**GOOD, "inherits": GOOD}}), "inherits more than one beat"),
        (json.dumps({**GOOD, "inherits": [1]}), "not an object of version 1"),
    ],
)
def test_each_fault_has_its_complaint(raw: bytes | str, complaint: str) -> None:
    with pytest.raises(BeatError, match=complaint):
        parse_beat(raw)
