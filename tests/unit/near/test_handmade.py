"""What somebody wrote is told from what we wrote, to the last member."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hafailover.near.handmade import MOST_NAMES, changed, differences, gone, listed, names, without
from hafailover.near.overlay import merge

VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.lists(st.integers(0, 1), max_size=2)
JSON = st.dictionaries(
    st.sampled_from("abc"),
    VALUES
    | st.dictionaries(st.sampled_from("xyz"), VALUES | st.dictionaries(st.just("p"), VALUES), max_size=3),
    max_size=3,
)


@given(JSON, JSON)
def test_the_differences_make_the_one_out_of_the_other(before: dict[str, Any], now: dict[str, Any]) -> None:
    lost = list(gone(before, now))
    made = merge(before, differences(before, now))
    assert not lost or made != now or before == now
    assert list(gone(now, made)) == []
    if not lost:
        assert repr(sorted(names(made))) == repr(sorted(names(now))) or made == now
    assert differences(now, now) == {}


@given(JSON, JSON)
def test_what_is_managed_is_left_out_and_nothing_else(
    values: dict[str, Any], managed: dict[str, Any]
) -> None:
    left = without(values, managed)
    assert not set(names(left)) & set(names(managed))
    assert merge(merge(values, managed), left) == merge(values, managed)


def test_names_are_dotted_and_not_endless() -> None:
    assert listed(names({"b": {"x": 1, "y": {}}, "a": 1})) == "a, b.x, b.y"
    assert listed(names({})) == ""
    assert listed(names({f"n{one:03}": 1 for one in range(MOST_NAMES + 2)})).endswith("n039, and 2 more")


def test_what_both_say_otherwise() -> None:
    before = {"a": 1, "b": {"x": 1, "y": 2}, "c": {}, "d": 1}
    now = {"a": 2, "b": {"x": 1, "y": 3, "z": 1}, "c": 1, "e": 1}
    assert list(changed(before, now)) == ["a", "b.y", "c"]
    assert list(gone(before, now)) == ["d"]


def test_true_is_not_one() -> None:
    assert differences({"a": 1}, {"a": True}) == {"a": True}
