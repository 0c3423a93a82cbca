"""The protocol's version and the processor."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from typing import Any

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.protocol import judge
from hafailover.doctor.facts.neard import LAST_BLOCKS, NeardFacts, Protocol, look_at_neard
from hafailover.doctor.finding import Severity
from hafailover.near.rpc import Status

from ..config.conftest import no_settings_around as no_settings_around
from ..near.servers import STATUS as ANSWER
from ..near.servers import Peer, Server, answer
from .said import bad, one

STATUS = Status(
    height=100,
    syncing=False,
    public_key=None,
    account_id=None,
    version="2.13.3",
    uptime_s=60,
    chain_id="mainnet",
    head_made_at=0.0,
)
GOOD = NeardFacts(status=STATUS, protocol=Protocol(85, 85, (85, 85, 84)), machine="x86_64")


@pytest.mark.parametrize(
    ("protocol", "severity", "said"),
    [
        (Protocol(85, 85, (85, 85)), Severity.OK, "protocol 85"),
        (Protocol(85, 87, (87, 85)), Severity.OK, "up to 87"),
        (Protocol(85, 85), Severity.OK, "protocol 85"),
        (Protocol(87, 85), Severity.ERROR, "does not follow"),
        (Protocol(85, 85, (85, 87, 87)), Severity.WARNING, "2 of the last 3 blocks are of neards that know"),
        (None, Severity.SKIPPED, "does not tell"),
    ],
)
def test_versions(protocol: Protocol | None, severity: Severity, said: str) -> None:
    found = one(judge(replace(GOOD, protocol=protocol), "2.13.3"), "neard.protocol")
    assert found.severity is severity
    assert said in found.text


@pytest.mark.parametrize(
    ("machine", "chain", "release", "expected"),
    [
        ("aarch64", "mainnet", "2.14.0", {"neard.processor": Severity.ERROR}),
        ("aarch64", "testnet", "2.14.0-rc.1", {"neard.processor": Severity.ERROR}),
        ("aarch64", "mainnet", "2.13.3", {}),
        ("aarch64", "mine", "2.14.0", {}),
        ("aarch64", "mainnet", "", {}),
        ("x86_64", "mainnet", "2.14.0", {}),
    ],
)
def test_processors(machine: str, chain: str, release: str, expected: dict[str, Severity]) -> None:
    facts = replace(GOOD, machine=machine, status=replace(STATUS, chain_id=chain))
    assert bad(judge(facts, release)) == expected


def test_a_neard_that_does_not_answer() -> None:
    assert judge(NeardFacts(), "2.14.0") == []


def looked_at(block: Any, **status: Any) -> NeardFacts:
    """What is seen of a neard that gives these answers."""

    def handle(peer: Peer) -> None:
        if peer.request.startswith(b"GET /status"):
            answer({**ANSWER, **status})(peer)
        elif b'"block"' in peer.request:
            height = json.loads(peer.request.partition(b"\r\n\r\n")[2])["params"]["block_id"]
            answer({"result": block(height)})(peer)
        else:
            answer({"error": {"name": "HANDLER_ERROR"}})(peer)

    with Server(handle) as server:
        address = f"{server.host}:{server.port}"
        settings = {"account_id": "pool.near", "neard": {"binary": "/none", "rpc_address": address}}
        return look_at_neard(Settings.model_validate(settings))


def test_the_producers_of_the_last_blocks_are_asked() -> None:
    asked: list[int] = []

    def block(height: int) -> Any:
        asked.append(height)
        # Of one there is no usable header.
        return {"header": {"latest_protocol_version": height if height != 118 else "x"}}

    facts = looked_at(block, protocol_version=84, latest_protocol_version=85)
    assert asked == list(range(120 - LAST_BLOCKS + 1, 121))
    assert facts.protocol == Protocol(84, 85, tuple(one for one in asked if one != 118))
    assert facts.machine == platform.machine()
    assert facts.running is None


@pytest.mark.parametrize("version", [None, "84", True, -1, 1 << 40])
def test_a_version_that_makes_no_sense(version: Any) -> None:
    facts = looked_at(lambda _: {}, protocol_version=version, latest_protocol_version=85)
    assert facts.status is not None
    assert facts.protocol is None
