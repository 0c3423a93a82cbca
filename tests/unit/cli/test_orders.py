"""``hafailover drain`` of the host that signs is a handover, and refused like one."""

from __future__ import annotations

import pytest

from ..near.keys import ACCOUNT
from ..observe.pool import fill, publish_budget
from ..observe.tiny_consul import KEYS, TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")


def drained(consul: TinyConsul, node: str) -> bool:
    return consul.get(f"{KEYS.orders}drained/{node}") is not None


def test_the_active_is_not_drained_while_little_may_be_missed(
    hafailover: Command, consul: TinyConsul
) -> None:
    fill(consul)
    publish_budget(consul, missable=49)
    refused = hafailover("drain", "a")
    assert (refused.code, refused.out) == (5, "")
    assert refused.err.startswith("hafailover: not drained: budget low: 49 of 99 chunks may still be missed")
    assert "--despite-budget" in refused.err
    assert not drained(consul, "a")
    assert hafailover("drain", "a", "--despite-budget").code == 0
    assert drained(consul, "a")


def test_a_standby_is_drained_at_any_time(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    publish_budget(consul, missable=0)
    assert hafailover("drain", "b").code == 0
    assert drained(consul, "b")


def test_enough_that_may_be_missed_holds_nothing_back(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    publish_budget(consul, missable=50)
    assert hafailover("drain", "a").code == 0
