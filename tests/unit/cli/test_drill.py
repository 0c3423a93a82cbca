"""``hafailover drill``: what counts as passed."""

from __future__ import annotations

import json

import pytest

from hafailover.cli import switchover
from hafailover.orders import following

from ..near.keys import ACCOUNT
from ..observe.pool import fill, publish_budget
from ..observe.tiny_consul import TinyConsul
from .command import Command


def test_a_drill_waits_for_a_better_epoch(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    monkeypatch.setattr(switchover, "SETTLE_S", 0.0)
    monkeypatch.setattr(following, "follow", lambda *_: following.Moved("a", "b", 33, 50, 53, 2.0))
    fill(consul)
    publish_budget(consul, missable=49)
    refused = hafailover("drill", "--yes", "--json")
    assert refused.code == 5
    assert refused.err.startswith("hafailover: no drill: budget low: 49 of 99 chunks may still be missed")
    assert "--despite-budget" in refused.err
    assert hafailover("drill", "--yes", "--json", "--despite-budget").code == 0


@pytest.mark.parametrize(("taker", "code"), [("b", 0), ("a", 1)])
def test_a_switchover_back_to_the_same_host_has_failed(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, taker: str, code: int
) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    monkeypatch.setattr(switchover, "SETTLE_S", 0.0)
    monkeypatch.setattr(following, "follow", lambda *_: following.Moved("a", taker, 33, 50, 53, 2.0))
    fill(consul)
    done = hafailover("drill", "--kind", "switchover", "--yes", "--json")
    assert done.code == code, done.err
    assert json.loads(done.out)["ok"] is (code == 0)
