"""What is told of a new holder once the key has moved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.observe import arrival
from hafailover.observe.arrival import Arrival, await_arrival
from hafailover.observe.look import Look

from .pool import beat, fill, publish_signer
from .tiny_consul import ACCOUNT, TinyConsul


@pytest.fixture
def moved(consul: TinyConsul) -> TinyConsul:
    fill(consul)
    publish_signer(consul, "b")
    consul.put_beat(beat("b", 33))
    return consul


def test_it_is_the_actives_own_record(moved: TinyConsul) -> None:
    found = await_arrival(moved.address, ACCOUNT, 0.0)
    assert (found.node, found.producing, found.fault) == ("b", True, "")
    assert str(found) == "b signs, and produces (last block 2 s ago, 9 of 9 duties)"


def test_a_record_is_not_believed_where_the_beat_stands_still(
    moved: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that hangs has written it long ago."""
    view = replace(Look(moved.address, ACCOUNT).take(), beat_still_s=6.0, verdict="the last beat is 6 s old")
    monkeypatch.setattr(Look, "take", lambda _: view)
    found = await_arrival(moved.address, ACCOUNT, 0.0)
    assert (found.producing, found.fault) == (False, "the last beat is 6 s old")


def test_consul_has_the_whole_time(moved: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "LOOK_S", 0.01)
    moved.down = True
    take = Look.take

    def heals(look: Look) -> object:
        try:
            return take(look)
        finally:
            moved.down = False

    monkeypatch.setattr(Look, "take", heals)
    assert await_arrival(moved.address, ACCOUNT, 20.0).producing


def test_what_others_wrote_moves_no_cursor() -> None:
    assert str(Arrival(producing=False, production="\x1b[2Jall is well")) == "\\x1b[2Jall is well"


def test_a_long_silence_is_told_once() -> None:
    words = "signs; whether it produces is not known: neard has not told for 41 s (no answer)"
    assert str(Arrival("b", None, words, "look at it")) == f"b {words}"
