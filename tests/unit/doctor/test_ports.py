"""Ports of other hosts: which are tried, and real sockets that answer or do not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from hafailover.doctor.checks.ports import P2P, RPC, SERF, consul_targets, judge, neard_targets, p2p_port
from hafailover.doctor.facts.consul import Member
from hafailover.doctor.facts.ports import Reached, Target, reach
from hafailover.doctor.finding import Severity

from .said import bad, one

MEMBERS = (
    Member("c1", "192.0.2.1", 8301, "alive", 8300),
    Member("c2", "192.0.2.2", 8301, "failed", 8300),
    Member("c3", "192.0.2.3", 8301, "alive"),
    Member("c4", "192.0.2.4", 8301, "left", 8300),
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_the_others_are_tried_and_of_servers_both_ports() -> None:
    assert consul_targets(MEMBERS, "c1") == [
        Target("c2", SERF, "192.0.2.2", 8301),
        Target("c2", RPC, "192.0.2.2", 8300),
        Target("c3", SERF, "192.0.2.3", 8301),
    ]


def test_neards_of_other_addresses_are_tried() -> None:
    nodes = {"host1": "c1", "host2": "c2", "host3": "not known"}
    assert neard_targets(MEMBERS, "c1", nodes, 24567) == [Target("host2", P2P, "192.0.2.2", 24567)]
    same = (MEMBERS[0], Member("c2", "192.0.2.1", 8301, "alive"))
    assert neard_targets(same, "c1", nodes, 24567) == []


@pytest.mark.parametrize(
    ("config", "port"),
    [
        ({}, 24567),
        ({"network": {}}, 24567),
        ({"network": {"addr": "[::]:30000"}}, 30000),
        ({"network": {"addr": 5}}, None),
        ({"network": None}, None),
    ],
)
def test_the_port_that_config_json_names(config: dict[str, object], port: int | None) -> None:
    assert p2p_port(config) == port


def test_a_port_that_answers_and_one_that_does_not(listener: socket.socket) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        targets = [
            Target("a", SERF, "127.0.0.1", listener.getsockname()[1]),
            Target("b", RPC, "127.0.0.1", closed.getsockname()[1]),
        ]
        good, refused = reach(targets)
    assert good.problem == ""
    assert refused.problem == "connection refused"


def test_what_is_not_reached() -> None:
    found = judge(
        [
            Reached(Target("c2", SERF, "192.0.2.2", 8301)),
            Reached(Target("c3", RPC, "192.0.2.3", 8300), "connection refused"),
            Reached(Target("c2", P2P, "192.0.2.2", 24567), "no answer within 2 s"),
        ]
    )
    assert bad(found) == {"ports.servers": Severity.ERROR, "ports.neard": Severity.WARNING}
    assert one(found, "ports.gossip").severity is Severity.OK
    assert one(found, "ports.servers").node == "c3"
    assert "192.0.2.3:8300: connection refused" in one(found, "ports.servers").text


def test_gossip_that_is_not_reached() -> None:
    found = judge([Reached(Target("c2", SERF, "192.0.2.2", 8301), "no route to host")])
    assert bad(found) == {"ports.gossip": Severity.ERROR}
    assert one(found, "ports.neard").severity is Severity.SKIPPED
