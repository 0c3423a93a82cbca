"""What a change of signer cost is the difference to the last look before it."""

from __future__ import annotations

import itertools
import queue
from typing import Any

import pytest

from hafailover.agent import cost_watch
from hafailover.agent.cost_watch import CostWatch
from hafailover.near.rpc import Production, RpcError
from hafailover.observe.cost import Cost


class FakeRpc:
    """A neard whose pool has missed one block more at each look."""

    def __init__(self, looks: queue.SimpleQueue[int]) -> None:
        self._looks = looks
        self._missed = itertools.count()

    def __enter__(self) -> FakeRpc:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def production(self, account_id: str) -> Production:
        missed = next(self._missed)
        self._looks.put(missed)
        if missed == 0:
            raise RpcError("not yet")
        return Production(100 - missed, 100, 50, 50, 1)


@pytest.fixture
def looks() -> queue.SimpleQueue[int]:
    return queue.SimpleQueue()


@pytest.fixture
def reports() -> queue.SimpleQueue[tuple[int, Cost | None]]:
    return queue.SimpleQueue()


@pytest.fixture
def watch(
    monkeypatch: pytest.MonkeyPatch,
    looks: queue.SimpleQueue[int],
    reports: queue.SimpleQueue[tuple[int, Cost | None]],
) -> CostWatch:
    monkeypatch.setattr(cost_watch, "SETTLE_S", 0.05)
    rpc: Any = FakeRpc(looks)
    watch = CostWatch(lambda: rpc, "pool.near", lambda term, cost: reports.put((term, cost)))
    watch.start()
    return watch


def test_without_a_look_before_the_cost_is_unknown(
    watch: CostWatch, reports: queue.SimpleQueue[tuple[int, Cost | None]]
) -> None:
    watch.began(7)
    assert reports.get(timeout=5) == (7, None)


def test_a_host_that_expects_to_sign_looks_at_once(
    watch: CostWatch,
    looks: queue.SimpleQueue[int],
    reports: queue.SimpleQueue[tuple[int, Cost | None]],
) -> None:
    for _ in range(3):
        watch.expect()
    assert [looks.get(timeout=5) for _ in range(3)] == [0, 1, 2]
    watch.began(8)
    assert reports.get(timeout=5) == (8, Cost(1, 0))
