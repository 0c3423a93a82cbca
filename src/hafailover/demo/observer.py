"""A standing look at the chain, through the plain validators: who signed what, and whether anything twice."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

from hafailover.clock import boottime
from hafailover.localnet.model import LocalnetNode
from hafailover.near.rpc import NeardRpc, Production, RpcError

LOOK_EVERY_S = 0.1
MOST_BLOCKS = 50
"""Blocks read at most in one look at a node that was away."""


@dataclass(slots=True)
class Block:
    """What is known of one height."""

    author: str
    first_seen: float
    """CLOCK_BOOTTIME seconds at which a plain validator first showed it."""
    hashes: set[str] = field(default_factory=set)


class ChainObserver:
    """Reads every block of every plain validator, in a thread.

    A height that two validators show with two different blocks of one author was signed twice.
    """

    def __init__(self, nodes: tuple[LocalnetNode, ...], account_id: str) -> None:
        self._nodes = nodes
        self._account_id = account_id
        self._blocks: dict[int, Block] = {}
        self._twice: set[int] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(node,), name=f"observe-{node.name}", daemon=True)
            for node in nodes
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def height(self) -> int:
        with self._lock:
            return max(self._blocks, default=0)

    @property
    def newest_seen_at(self) -> float:
        """CLOCK_BOOTTIME seconds at which the newest block was first seen; minus infinity if none was."""
        with self._lock:
            return max((block.first_seen for block in self._blocks.values()), default=-math.inf)

    def heights_seen(self) -> int:
        """How many heights' blocks were looked at."""
        with self._lock:
            return len(self._blocks)

    def first_own_block(self, after: float) -> float | None:
        """When the pool's first block after ``after`` was seen, both in CLOCK_BOOTTIME seconds."""
        with self._lock:
            times = [b.first_seen for b in self._blocks.values() if b.author == self._account_id]
        return min((time for time in times if time > after), default=None)

    def own_blocks(self) -> int:
        """How many blocks of the pool were seen."""
        with self._lock:
            return sum(block.author == self._account_id for block in self._blocks.values())

    def own_between(self, after: float, until: float) -> int:
        """How many blocks of the pool were first seen in that time, both in CLOCK_BOOTTIME seconds."""
        with self._lock:
            own = [b.first_seen for b in self._blocks.values() if b.author == self._account_id]
        return sum(after < time <= until for time in own)

    def signed_twice(self) -> list[int]:
        """Heights with two different blocks of the pool, by these eyes and by the stand-ins' own."""
        with self._lock:
            heights = set(self._twice)
        for node in self._nodes:
            heights |= self._evidence(node)
        return sorted(heights)

    def production(self) -> Production | None:
        """The pool's expected and produced blocks, as the first validator that answers counts them."""
        for node in self._nodes:
            try:
                return node.rpc().production(self._account_id)
            except RpcError:
                continue
        return None

    def _follow(self, node: LocalnetNode) -> None:
        rpc = node.rpc()
        last: int | None = None
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                height = rpc.status().height
                start = height if last is None else max(last + 1, height - MOST_BLOCKS)
                for number in range(start, height + 1):
                    self._read(rpc, number)
                last = height
            except RpcError:
                rpc.close()
                rpc = node.rpc()

    def _read(self, rpc: NeardRpc, number: int) -> None:
        seen = boottime()
        try:
            data = rpc.call("block", {"block_id": number})
            author, digest = str(data["author"]), str(data["header"]["hash"])
        except (RpcError, KeyError, TypeError):
            return
        with self._lock:
            block = self._blocks.setdefault(number, Block(author, seen))
            block.hashes.add(digest)
            if len(block.hashes) > 1 and author == block.author == self._account_id:
                self._twice.add(number)

    def _evidence(self, node: LocalnetNode) -> set[int]:
        """What a stand-in has recorded; a real neard has no such route, and then this is empty."""
        try:
            records = node.rpc().get("/localneard/double_signs")
            return {int(record["height"]) for record in records if record["account_id"] == self._account_id}
        except (RpcError, KeyError, TypeError, ValueError):
            return set()
