"""What lies below the pool's prefix and is no record: left out, and said."""

from __future__ import annotations

import pytest

from hafailover.lock.errors import CallError
from hafailover.lock.roster import Roster
from hafailover.observe.look import Look

from .pool import fill
from .tiny_consul import ACCOUNT, KEYS, TinyConsul

JUNK = (
    "nodes/",
    "nodes/a/b",
    "nodes/-a",
    "nodes/" + "a" * 65,
    "nodes/zz\x1b[2J",
    "heartbeat-x/1",
    "dropped/" + "7" * 5000,
    "dropped/seven",
    "operator/whatever",
    "else",
)


@pytest.mark.parametrize("name", JUNK)
def test_it_is_left_out_and_said(consul: TinyConsul, name: str) -> None:
    fill(consul)
    consul.put(KEYS.prefix + name, {"role": "active", "ready": True, "height": 10**15}, "session-of-x")
    view = Look(consul.address, ACCOUNT).take()
    assert view.ok
    assert [host.node for host in view.hosts] == ["a", "b", "c"]
    (said,) = [one for one in view.warnings if "left out as no record" in one]
    assert said.startswith(f"1 key of the pool in Consul, left out as no record: {KEYS.prefix[:20]}")
    assert said.isprintable()
    assert len(said) < 200
    assert [entry.node for entry in Roster(consul.address, ACCOUNT, 2.0).entries()] == ["a", "b", "c"]


def test_what_agents_write_is_none(consul: TinyConsul) -> None:
    fill(consul)
    for name in (
        "pool",
        "request",
        "answer",
        "history-id",
        "dropped/.keep",
        "dropped/17",
        "operator/.keep",
        "operator/pause",
        "operator/plan",
        "operator/drill",
        "operator/last_drill",
        "operator/drained/b",
        "history/20.drill.1a",
        "doctor/a",
    ):
        consul.put(KEYS.prefix + name, {})
    assert not [one for one in Look(consul.address, ACCOUNT).take().warnings if "no record" in one]


def test_many_are_counted_and_three_named(consul: TinyConsul) -> None:
    fill(consul)
    for number in range(50):
        consul.put(f"{KEYS.prefix}x{number:02d}", b"")
    (said,) = [one for one in Look(consul.address, ACCOUNT).take().warnings if "left out" in one]
    assert said.startswith("50 keys of the pool in Consul")
    assert said.endswith(f"{KEYS.prefix}x02 and 47 more")


def test_a_record_that_is_too_large_is_not_read(consul: TinyConsul) -> None:
    fill(consul)
    consul.publish("b", "session-of-b", role="standby", ready=True, reason="x" * 70_000)
    view = Look(consul.address, ACCOUNT).take()
    (b,) = [host for host in view.hosts if host.node == "b"]
    assert (b.ready, b.reason) == (False, "")
    assert any("nodes/b" in one for one in view.warnings)


def test_an_answer_that_is_too_big_is_named(consul: TinyConsul) -> None:
    fill(consul)
    for number in range(18):
        consul.put(f"{KEYS.nodes}zz{number}", b"x" * 500_000)
    with pytest.raises(CallError) as caught:
        Look(consul.address, ACCOUNT).take()
    assert f"/v1/kv/{KEYS.prefix} has more than 8 MiB" in str(caught.value)
    assert "consul kv get -keys" in str(caught.value)
