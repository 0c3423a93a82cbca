"""The guard's look at /status: an answer of this very neard, in time, or an error of its own kind."""

import asyncio
import socket
from typing import Any

import pytest

from hafailover.clock import boottime
from hafailover.guard.probe import NobodyListensError, ProbeError, Status, probe_status

from ..near.servers import DRIPS, GARBAGE, STATUS, Handler, Server, answer, endless, hang, status

NODE_KEYS = frozenset({"ed25519:NodeKey"})
DEADLINE_S = 0.3


def probe(server: Server, deadline_s: float = DEADLINE_S) -> Status:
    return asyncio.run(probe_status(server.host, server.port, deadline_s, NODE_KEYS))


def probed(handler: Handler) -> Status:
    with Server(handler) as server:
        return probe(server, 5.0)


def test_a_status_with_a_key() -> None:
    with Server(status()) as server:
        assert probe(server, 5.0) == Status("ed25519:PoolKey", 120, (server.host, server.port))


def test_a_status_without_a_key() -> None:
    assert probed(status(validator_public_key=None)).public_key is None


def test_a_status_that_does_not_say_is_no_proof_of_absence() -> None:
    silent = {name: value for name, value in STATUS.items() if name != "validator_public_key"}
    with pytest.raises(ProbeError, match="not neard's status"):
        probed(answer(silent))


@pytest.mark.parametrize("node_key", ["ed25519:Another", ""])
def test_another_neard_on_the_port_proves_nothing(node_key: str) -> None:
    with pytest.raises(ProbeError, match=r"another neard answers on this address; see rpc\.addr"):
        probed(status(node_public_key=node_key, validator_public_key=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"node_public_key": None},
        {"node_public_key": 7},
        {"node_public_key": []},
        {"node_public_key": {}},
        {"node_public_key": ["ed25519:NodeKey"]},
        {"validator_public_key": 7},
        {"validator_public_key": False},
        {"validator_public_key": []},
        {"sync_info": None},
        {"sync_info": []},
        {"sync_info": {}},
        {"sync_info": {"latest_block_height": "120"}},
        {"sync_info": {"latest_block_height": 1.5}},
        {"sync_info": {"latest_block_height": None}},
        # What the guard could not tell its agent: the protocol has whole numbers from 0 to 2^63.
        {"sync_info": {"latest_block_height": True}},
        {"sync_info": {"latest_block_height": -1}},
        {"sync_info": {"latest_block_height": 1 << 63}},
    ],
    ids=repr,
)
def test_values_of_the_wrong_kind(changes: dict[str, Any]) -> None:
    with pytest.raises(ProbeError, match="not neard's status"):
        probed(status(**changes))


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(kind: str) -> None:
    with pytest.raises(ProbeError):
        probed(GARBAGE[kind])


def test_neards_refusal_is_told_by_its_number() -> None:
    with pytest.raises(ProbeError, match="HTTP status 503"):
        probed(GARBAGE["503"])


def test_too_much_is_not_read() -> None:
    with pytest.raises(ProbeError, match="more than 1024 KiB"):
        probed(endless)


@pytest.mark.parametrize("kind", DRIPS)
def test_the_deadline_bounds_the_whole(kind: str) -> None:
    with Server(DRIPS[kind]) as server:
        started = boottime()
        with pytest.raises(ProbeError, match=r"no answer within 0\.3 s"):
            probe(server)
        assert boottime() - started < DEADLINE_S + 0.3


def test_nobody_listens() -> None:
    # Bound, so that nobody else gets the port meanwhile, but without a listen: connections are refused.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(NobodyListensError, match=r"Connect call failed|Connection refused"):
            asyncio.run(probe_status("127.0.0.1", port, 2.0, NODE_KEYS))


@pytest.mark.parametrize("handler", [hang, GARBAGE["nothing"], status(node_public_key="ed25519:Another")])
def test_somebody_who_listens_is_told_apart_from_nobody(handler: Handler) -> None:
    """A neard that boots does not listen yet; one whose port another has never will."""
    with Server(handler) as server, pytest.raises(ProbeError) as caught:
        probe(server)
    assert not isinstance(caught.value, NobodyListensError)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "no-such-host.invalid"])
def test_an_address_that_leads_nowhere(host: str) -> None:
    with pytest.raises(ProbeError):
        asyncio.run(probe_status(host, 3030, 2.0, NODE_KEYS))
