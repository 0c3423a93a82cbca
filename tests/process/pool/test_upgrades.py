"""An upgrade of the active's agent, which is a stop by SIGTERM and a start: nothing else happens by it."""

import json
import time

import pytest

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.near.rpc import Production

from .test_commands import command
from .waiting import logged, size

pytestmark = [pytest.mark.consul, pytest.mark.timeout(240)]

STOP_S = 10.0
WANTED, TRIES = 3, 8
LONGEST_S = 3.5
"""An agent that is away for longer may lose its session, as the manual says: its check lives for 5 s from the
last beat, which was sent up to 1 s before. A busy machine may take that long, which proves nothing."""
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


def others_missed(pool: LabPool) -> int:
    """The blocks that the plain validators were to produce and did not; less in a new epoch."""
    plain = pool.localnet.validators
    with plain[0].rpc(5.0) as rpc:
        found = [rpc.production(node.name) for node in plain]
    return sum(one.expected_blocks - one.produced_blocks for one in found if one is not None)


def restart_agent(host: FailoverHost) -> float:
    """As ``systemctl restart hafailover`` does; returns how long it took, in seconds."""
    marked = size(host.agent_log)
    began = boottime()
    host.running_agent().terminate(STOP_S)
    host.start_agent()
    logged(host.agent_log, "connected with the guard", 20, after=marked)
    return boottime() - began


def changes(host: FailoverHost) -> int:
    rows: list[object] = json.loads(command(host, "history", "--json").stdout)["changes"]
    return len(rows)


def upgrade(pool: LabPool, observer: ChainObserver) -> bool:
    """One restart of the active's agent and everything that must be as before; `False` if it was too slow."""
    active = pool.wait_settled()
    host = pool.host(active)
    term, neard, guard = pool.look().term, host.neard(), host.running_guard().pid
    history, own_blocks, before = changes(host), observer.own_blocks(), counted(observer)
    others_before = others_missed(pool)

    if restart_agent(host) > LONGEST_S:
        pool.wait_settled()
        return False
    assert pool.wait_settled() == active
    time.sleep(BETWEEN_S)

    view = pool.look()
    assert (view.active, view.term) == (active, term)
    assert changes(host) == history
    # Which holds the time of its start.
    assert host.neard() == neard
    assert host.running_guard().pid == guard
    wait_until(lambda: observer.own_blocks() > own_blocks, timeout_s=30, what="a block of the pool's")
    lost = missed(before, counted(observer))
    assert observer.signed_twice() == []
    if lost != (0, 0) and others_missed(pool) != others_before:
        # Nobody has restarted anything of theirs: it is the machine that was too busy.
        return False
    assert lost == (0, 0)
    return True


def test_an_upgrade_of_the_actives_agent_restarts_no_neard_and_loses_no_block(
    pool: LabPool, observer: ChainObserver
) -> None:
    done = 0
    for _ in range(TRIES):
        done += upgrade(pool, observer)
        if done == WANTED:
            return
    if done == 0:
        pytest.skip(f"NOT TESTED: none of {TRIES} restarts took less than {LONGEST_S:g} s on this machine")
