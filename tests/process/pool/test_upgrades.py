"""An upgrade of the active's agent, which is a stop by SIGTERM and a start: nothing else happens by it."""

import json
import time

import pytest

from hafailover.demo.observer import ChainObserver
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.near.rpc import Production

from .test_commands import command
from .waiting import log_since, logged, size

pytestmark = [pytest.mark.consul, pytest.mark.timeout(120)]

STOP_S = 10.0
RESTARTS = 3
BETWEEN_S = 3.0
"""The pool's turn comes in that time: there are four validators, and a block each second."""


def counted(observer: ChainObserver) -> Production:
    """What the chain expected of the pool in this epoch, and got."""
    found: list[Production] = []

    def told() -> bool:
        production = observer.production()
        found.extend([production] if production else [])
        return bool(found)

    wait_until(told, timeout_s=10, what="the chain's count")
    return found[0]


def missed(before: Production, after: Production) -> tuple[int, int]:
    """Blocks and chunks that were expected and not produced; since its start in another epoch."""
    blocks = after.expected_blocks - after.produced_blocks
    chunks = after.expected_chunks - after.produced_chunks
    if before.epoch_start == after.epoch_start:
        blocks -= before.expected_blocks - before.produced_blocks
        chunks -= before.expected_chunks - before.produced_chunks
    return blocks, chunks


def restart_agent(host: FailoverHost) -> None:
    """As ``systemctl restart hafailover`` does."""
    marked = size(host.agent_log)
    host.running_agent().terminate(STOP_S)
    host.start_agent()
    logged(host.agent_log, "connected with the guard", 20, after=marked)


def changes(host: FailoverHost) -> int:
    rows: list[object] = json.loads(command(host, "history", "--json").stdout)["changes"]
    return len(rows)


def test_an_upgrade_of_the_actives_agent_restarts_no_neard_and_loses_no_block(
    pool: LabPool, observer: ChainObserver
) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    term, neard, guard = pool.look().term, host.neard(), host.running_guard().pid
    history, own_blocks = changes(host), observer.own_blocks()
    before = counted(observer)
    guard_log = size(host.guard_log)

    for _ in range(RESTARTS):
        restart_agent(host)
        assert pool.wait_settled() == active
        time.sleep(BETWEEN_S)

    view = pool.look()
    assert (view.active, view.term) == (active, term)
    assert changes(host) == history
    # Which holds the time of its start.
    assert host.neard() == neard
    assert host.running_guard().pid == guard
    assert log_since(host.guard_log, guard_log).count("the agent is gone") == RESTARTS
    wait_until(lambda: observer.own_blocks() > own_blocks, timeout_s=30, what="a block of the pool's")
    assert missed(before, counted(observer)) == (0, 0)
    assert observer.signed_twice() == []
