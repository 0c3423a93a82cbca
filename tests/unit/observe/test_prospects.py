"""Who would take over if the active died now, the warnings, and what orders do to the verdict."""

import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from hafailover.core.beat import StoredBeat
from hafailover.core.views import LockView
from hafailover.observe.overview import Overview, overview
from hafailover.observe.prospects import prospects
from hafailover.observe.records import NodeRecord
from hafailover.observe.render import render
from hafailover.observe.warnings import ConsulView, warnings
from hafailover.orders.documents import Drain, OrderBook, Pause, Plan, Stored, utc

from .pool import beat
from .test_overview import A, host

THREE = ("10.0.0.1:8300", "10.0.0.2:8300", "10.0.0.3:8300")
SERVERS = ConsulView(THREE[0], THREE)


def look(*hosts: Any, book: OrderBook | None = None, servers: tuple[str, ...] = THREE) -> Overview:
    lock, stored = LockView("session-a", "a", 20), StoredBeat(beat("a", 20), 21)
    return overview("pool.near", lock, stored, list(hosts), [], book, ConsulView(servers[0], servers))


def paused(left_s: float) -> OrderBook:
    until = utc(time.time() + left_s)
    return OrderBook(pause=Pause(id="p", by="me", reason="new switch", until=until, for_s=3600.0))


def test_the_best_comes_first_and_the_others_say_why_not() -> None:
    found = prospects(
        look(A, host("b"), host("c", priority=5), host("d", ready=False, reason="not ready: x"))
    )
    assert found.order == ("c", "b")
    assert found.others == {"d": "standby: not ready: x"}
    assert found.why_nobody == ""


def test_how_long_it_takes_goes_by_the_actives_profile() -> None:
    times = [
        prospects(look(host("a", "active", profile=one), host("b"))).waited_s for one in ("fast", "wide")
    ]
    assert times[0] < times[1]


@pytest.mark.parametrize(
    ("profile", "least", "most", "longest"),
    [("default", 9, 13, 19), ("fast", 7, 10, 19), ("wide", 16, 20, 20)],
)
def test_a_host_that_vanishes_is_waited_for_as_long_as_the_docs_say(
    profile: str, least: int, most: int, longest: int
) -> None:
    """docs/how-it-works.md: 9 to 13 s, and 19 s where the term has just begun."""
    found = prospects(look(host("a", "active", profile=profile), host("b", profile=profile)))
    told = (found.waited_least_s, found.waited_s, found.longest_s)
    assert tuple(round(one) for one in told) == (least, most, longest)


def test_the_wait_goes_by_the_timing_in_force_and_never_by_less_than_the_successors() -> None:
    def least(active: str, successor: str) -> float:
        hosts = (host("a", "active", profile="default", timing=active), host("b", timing=successor))
        return prospects(look(*hosts)).waited_least_s

    plain = least("", "")
    assert least("fence_after_s=10, margin_s=1", "") == pytest.approx(plain + 3 * 1.01, abs=0.11)
    assert least("", "fence_after_s=10") == pytest.approx(plain + 3 * 1.01, abs=0.11)
    assert least("", "margin_s=2") == pytest.approx(plain + 1.5, abs=0.11)
    # Nothing that a host could run with.
    for odd in ("fence_after_s=0.1", "fence_after_s=nan", "margin_s=1e300", "name=3", "beat_s", "x" * 9999):
        assert least(odd, odd) == plain


def test_peers_that_go_on_sending_to_a_vanished_host_are_told() -> None:
    def said(routing: str) -> str:
        return prospects(look(host("a", "active", production={"routing": routing}), host("b"))).no_blocks

    assert (said("relayed"), said("")) == ("", "")
    started = host("a", "active", production={"routing": "relayed"}, routing_problem="TIER1 is on")
    assert prospects(look(started, host("b"))).no_blocks == "TIER1 is on"
    assert said("direct").startswith("neard.validator_routing is direct: if the active's host vanishes ")


def test_nobody_takes_over_without_a_ready_standby_or_in_a_pause() -> None:
    assert prospects(look(A, host("b", ready=False))).why_nobody == "no standby is ready"
    found = prospects(look(A, host("b"), book=paused(600)))
    assert found.order == ()
    assert found.why_nobody.startswith("automatic failover is paused until ")


def test_nobody_takes_over_where_consul_does_not_commit() -> None:
    found = prospects(replace(look(A, host("b")), stuck="stop Consul on a"))
    assert (found.order, found.why_nobody) == ((), "stop Consul on a")


def test_a_pause_makes_the_pool_less_than_safe_until_it_ends() -> None:
    view = look(A, host("b"), book=paused(600))
    assert not view.ok
    assert view.verdict.startswith("a signs, and b is ready to take over; paused until ")
    assert view.verdict.endswith(" by me (new switch)")
    assert look(A, host("b"), book=paused(-1)).ok


def test_orders_are_shown() -> None:
    plan = Plan(id="x", term=20, at_height=900, text="waiting for height 900: then b takes over")
    book = OrderBook(drains=(Drain(node="c", by="me", reason="disk"),), plan=Stored(plan, 7))
    console = Console(width=200, record=True)
    console.print(render(look(A, host("b"), book=book)))
    text = console.export_text()
    assert "switchover planned to the best standby: waiting for height 900: then b takes over" in text
    assert "drained: c by me (disk)" in text
    assert "Consul: 3 servers, leader 10.0.0.1:8300" in text


def record(node: str, **more: Any) -> NodeRecord:
    given = {"role": "standby", "public_key": "ed25519:k", "agent_version": "1", "profile": "default", **more}
    return NodeRecord(node=node, **given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"public_key": "ed25519:other"}, "the key is not the same everywhere: "),
        ({"agent_version": "2"}, "hafailover's version is not the same everywhere: 1 on a, 2 on b"),
        ({"neard_version": "2.9"}, ""),
        ({"profile": "wide"}, "the timing profile is not the same everywhere: default on a, wide on b"),
        ({"profile": "wide", "role": "gone"}, "b: "),
        (
            {"timing": "fence_after_s=6"},
            "the timing profile is not the same everywhere: default on a, default with fence_after_s=6 on b",
        ),
        ({"disk_free_bytes": 99 << 30, "disk_free_ratio": 0.05}, ""),
        (
            {"disk_free_bytes": 40 << 30, "disk_free_ratio": 0.049},
            "b: 40.0 GiB are left on neard's disk, 4.9%",
        ),
        ({"clock_ahead_s": 2}, ""),
        ({"clock_ahead_s": 3}, "b: its clock is about 3 s ahead of the chain's timestamps"),
        ({"clock_ahead_s": -40}, "b: its clock is about 40 s behind the chain's timestamps"),
        ({"profile": ""}, ""),
    ],
)
def test_hosts_that_differ(change: dict[str, Any], said: str) -> None:
    found = warnings([record("a"), record("b", **change)], SERVERS)
    assert [text[: len(said)] for text in found] == ([said] if said else [])


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        (THREE[:1], "Consul has one server: the loss of one stops it; use three"),
        (THREE[:2], "Consul has 2 servers: the loss of one stops it; use three"),
        (THREE, ""),
        ((*THREE, "x"), "Consul has 4 servers, which bear no more losses than 3 do"),
        (None, ""),
    ],
)
def test_too_few_servers(servers: tuple[str, ...] | None, said: str) -> None:
    assert warnings([record("a"), record("b")], ConsulView(servers[0], servers) if servers else None) == (
        (said,) if said else ()
    )


def test_servers_that_are_lost() -> None:
    two = [record("a"), record("b")]
    assert warnings(two, ConsulView("", THREE)) == (
        "Consul has no leader: nobody can take over, and the active fences itself",
    )
    assert warnings(two, ConsulView(THREE[0], THREE, THREE[2:])) == (
        "Consul's server 10.0.0.3:8300 cannot be reached by the others",
    )


def test_a_host_that_is_alone() -> None:
    assert warnings([record("a")], SERVERS) == ("a is the only host: nothing can take over",)
