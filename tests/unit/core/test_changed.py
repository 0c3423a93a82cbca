"""A changed copy of a state is what ``dataclasses.replace`` makes."""

import dataclasses

import pytest

from hafailover.core.changed import replace
from hafailover.core.state import Config, State
from tests.unit.core.bench import DEFAULT


def blank() -> State:
    return State(Config("a", "pool.near", DEFAULT))


def test_it_is_what_the_standard_library_makes() -> None:
    before = blank()
    after = replace(before, reason="another", last_now=3.0)
    assert after == dataclasses.replace(blank(), reason="another", last_now=3.0)
    assert before == blank()
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.reason = "a third"  # type: ignore[misc]


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="State has no field resaon"):
        replace(blank(), resaon="a typing error")  # type: ignore[call-arg]
