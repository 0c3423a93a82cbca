"""A look at a pool: what is read of Consul, and what comes of a Consul that does not answer."""

from __future__ import annotations

import pytest

from hafailover.lock.client import Address
from hafailover.lock.errors import CallError, Kind
from hafailover.observe.look import Look

from .pool import fill
from .tiny_consul import ACCOUNT, KEYS, TinyConsul


def test_a_healthy_pool(consul: TinyConsul) -> None:
    fill(consul)
    view = Look(consul.address, ACCOUNT).take()
    assert view.ok
    assert (view.active, view.term, view.active_since) == ("a", 20, "2026-01-02T03:04:05+00:00")
    assert [host.node for host in view.hosts] == ["a", "b", "c"]


def test_each_look_is_a_new_one(consul: TinyConsul) -> None:
    fill(consul)
    look = Look(consul.address, ACCOUNT)
    assert look.take().ok
    consul.expire("session-of-a")
    assert look.take().active is None
    assert not look.take().ok


def test_a_pool_that_nobody_has_joined(consul: TinyConsul) -> None:
    view = Look(consul.address, ACCOUNT).take()
    assert not view.ok
    assert view.hosts == ()


def test_another_pools_hosts_are_not_shown(consul: TinyConsul) -> None:
    fill(consul)
    assert Look(consul.address, "other.near").take().hosts == ()


def test_garbage_beside_good_records_hides_nobody(consul: TinyConsul) -> None:
    fill(consul)
    consul.put(KEYS.nodes + "x", b"\xff not JSON", "session-of-x")
    consul.put(KEYS.nodes + "y", {"height": "high"}, "session-of-y")
    consul.put(KEYS.history + "garbage", b"[")
    consul.put(KEYS.history + "other", {"event": "began"})
    view = Look(consul.address, ACCOUNT).take()
    assert view.ok
    assert view.active_since is not None
    roles = {host.node: host.role for host in view.hosts}
    assert roles == {"a": "active", "b": "standby", "c": "standby", "x": "starting", "y": "unknown"}


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b'{"v": 1}'])
def test_a_heartbeat_that_cannot_be_read_is_nobodys(consul: TinyConsul, raw: bytes) -> None:
    fill(consul)
    consul.put(KEYS.heartbeat, raw)
    view = Look(consul.address, ACCOUNT).take()
    assert view.active is None
    assert not view.ok


def test_a_consul_without_a_leader(consul: TinyConsul) -> None:
    consul.down = True
    with pytest.raises(CallError) as caught:
        Look(consul.address, ACCOUNT).take()
    assert caught.value.kind is Kind.SERVER
    assert "No cluster leader" in str(caught.value)


def test_no_consul_at_all() -> None:
    with pytest.raises(CallError) as caught:
        Look(Address(port=1), ACCOUNT).take()
    assert caught.value.kind is Kind.UNREACHABLE


def test_without_a_leader_what_was_known_last_is_shown_and_nothing_is_good(consul: TinyConsul) -> None:
    fill(consul)
    consul.leaderless = True
    with pytest.raises(CallError):
        Look(consul.address, ACCOUNT).take()
    view = Look(consul.address, ACCOUNT).take_anyhow()
    assert (view.stale, view.ok, view.active) == (True, False, "a")
    assert view.verdict.startswith("Consul has no leader; before that: a signs")
    assert any("Consul has no leader" in one for one in view.warnings)
    consul.leaderless = False
    view = Look(consul.address, ACCOUNT).take_anyhow()
    assert (view.stale, view.ok) == (False, True)


def test_where_nobody_knows_anything_the_first_error_counts(consul: TinyConsul) -> None:
    consul.down = True
    with pytest.raises(CallError, match="No cluster leader"):
        Look(consul.address, ACCOUNT).take_anyhow()


def test_servers_that_are_lost_are_named(consul: TinyConsul) -> None:
    fill(consul)
    consul.servers = [f"10.0.0.{number}:8300" for number in (1, 2, 3)]
    consul.lost_servers = {"10.0.0.3:8300", "10.0.0.9:8300"}
    view = Look(consul.address, ACCOUNT).take()
    assert view.consul is not None
    assert (view.consul.leader, view.consul.failing) == ("10.0.0.1:8300", ("10.0.0.3:8300",))
    assert view.ok


def test_the_last_drill_is_the_youngest(consul: TinyConsul) -> None:
    fill(consul)
    for number, kind in enumerate(("host", "neard")):
        at = f"2026-01-0{number + 1}T00:00:00+00:00"
        drill = {"event": "drill", "term": 20, "node": "a", "cause": kind, "ok": True, "at": at}
        consul.put(f"{KEYS.history}{20 + number}.drill", drill)
    drill_seen = Look(consul.address, ACCOUNT).take().last_drill
    assert drill_seen is not None
    assert drill_seen.cause == "neard"
