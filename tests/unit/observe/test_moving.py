"""A pool whose Consul answers and carries nothing out, and a holder whose beats have stopped."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hafailover.clock import boottime
from hafailover.core.beat import Phase
from hafailover.observe import moving
from hafailover.observe.look import Look
from hafailover.observe.overview import Overview

from .pool import beat, fill
from .tiny_consul import ACCOUNT, KEYS, TinyConsul

NEW = "1.17.0:abc"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "STILL_S", 0.3)
    monkeypatch.setattr(moving, "QUIET_S", 0.6)
    monkeypatch.setattr(moving, "WRITE_S", 0.3)


def server(name: str, port: str, build: str) -> dict[str, Any]:
    return {"Name": name, "Addr": "127.0.0.1", "Tags": {"role": "consul", "port": port, "build": build}}


def hung(consul: TinyConsul, build: str = "1.8.7:x") -> None:
    consul.members = [server("consul-c", "8310", NEW), server("consul-b", "8300", build)]
    consul.hangs.set()


def look(consul: TinyConsul) -> Overview:
    return Look(consul.address, ACCOUNT).take()


def test_a_beat_that_moves_is_well_and_nothing_is_written(consul: TinyConsul) -> None:
    fill(consul)
    view = look(consul)
    assert (view.ok, view.stuck, view.beat_still_s) == (True, None, None)
    assert consul.tries == 0


def test_a_consul_that_commits_nothing_is_not_taken_for_a_pool_that_is_well(consul: TinyConsul) -> None:
    fill(consul)
    hung(consul)
    view = look(consul)
    assert not view.ok
    assert view.active is None
    assert view.stuck is not None
    assert "Consul does not commit" in view.verdict
    assert "stop Consul on b (127.0.0.1:8300): systemctl stop consul" in view.verdict
    assert "the last beat, of a, is" in view.verdict
    assert view.beat_still_s is not None
    assert view.beat_still_s >= 0.3


@pytest.mark.parametrize(
    ("build", "offered"), [("1.8.7:x", False), ("1.14.9", False), ("1.15.0", True), (NEW, True), ("?", False)]
)
def test_a_transfer_is_offered_where_the_version_can(
    consul: TinyConsul, build: str, *, offered: bool
) -> None:
    fill(consul)
    hung(consul, build)
    assert ("raft transfer-leader" in look(consul).verdict) is offered


def test_without_the_right_to_see_members_the_leaders_address_is_named(consul: TinyConsul) -> None:
    fill(consul)
    hung(consul)
    consul.members = []
    assert "stop Consul on 127.0.0.1:8300: systemctl stop consul" in look(consul).verdict


def test_where_nobody_holds_the_lock_it_is_said_too(consul: TinyConsul) -> None:
    fill(consul)
    consul.expire("session-of-a")
    hung(consul)
    view = look(consul)
    assert "Consul does not commit" in view.verdict
    assert "nobody can take over" in view.verdict


def test_a_free_lock_of_a_consul_that_is_well_is_as_it_was(consul: TinyConsul) -> None:
    fill(consul, active=None)
    view = look(consul)
    assert view.verdict.startswith("no host of this pool signs")
    assert view.stuck is None


def test_a_holder_that_has_stopped_beating_is_no_pool_that_is_well(consul: TinyConsul) -> None:
    fill(consul)
    consul.beats = False
    eyes = Look(consul.address, ACCOUNT)
    assert eyes.take().ok, "a beat may be late"
    time.sleep(0.4)
    view = eyes.take()
    assert not view.ok
    assert view.stuck is None
    assert view.verdict.startswith("the last beat, of a, is 1 s old")
    assert view.active == "a"
    consul.put_beat(beat("a", 20))
    assert eyes.take().ok


def test_a_released_beat_needs_no_successor_of_its_own(consul: TinyConsul) -> None:
    fill(consul)
    consul.beats = False
    consul.put_beat(beat("a", 20, Phase.RELEASED))
    assert look(consul).beat_still_s is None


class TestWithAnAgent:
    """The agent has seen when each beat came, so nobody has to wait for one."""

    def view(self, consul: TinyConsul, index: int | None, age_s: float) -> Overview:
        consul.beats = False
        seen = (index, boottime() - age_s) if index is not None else None
        return Look(consul.address, ACCOUNT, lambda: seen).take()

    def index(self, consul: TinyConsul) -> int:
        return consul.items[KEYS.heartbeat].modified

    @pytest.mark.parametrize(("age_s", "ok"), [(0.0, True), (2.0, True), (30.0, False)])
    def test_its_word_counts(
        self, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, age_s: float, *, ok: bool
    ) -> None:
        monkeypatch.setattr(moving, "QUIET_S", 20.0)
        fill(consul)
        assert self.view(consul, self.index(consul), age_s).ok is ok

    def test_what_hangs_is_found_at_once(self, consul: TinyConsul) -> None:
        fill(consul)
        hung(consul)
        began = time.monotonic()
        assert self.view(consul, self.index(consul), 20.0).stuck
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize("ahead", [-1, 1, None], ids=["older", "newer", "nothing seen yet"])
    def test_another_beat_than_the_agents_last_moves(self, consul: TinyConsul, ahead: int | None) -> None:
        fill(consul)
        hung(consul)
        index = self.index(consul) + ahead if ahead is not None else None
        assert self.view(consul, index, 60.0).ok
