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
