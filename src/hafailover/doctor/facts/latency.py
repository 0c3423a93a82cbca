"""How long calls to Consul take from here: consistent reads, and writes that Raft has to commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys

READS = 20
WRITES = 20
MOST_FAILURES = 3
LONGEST_S = 15.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that each good call took, in order, and what became of the others."""

    reads: tuple[float, ...]
    writes: tuple[float, ...]
    failed: tuple[str, ...] = ()
    may_write: bool = True


def measure(address: Address, account_id: str, node: str, deadline_s: float) -> Latency:
    """Reads the lock as the lease's proof does, and writes a key of its own, which is deleted afterwards.

    :param deadline_s: of each call: that of the agent's own.
    :raises CallError: not one read came back, or the token may not read.
    """
    consul = connect(address, deadline_s)
    keys = PoolKeys(account_id)
    key = f"{keys.doctor}{node}"
    failed: list[str] = []
    end = boottime() + LONGEST_S

    def timed(what: str, count: int, one: Callable[[], object]) -> tuple[float, ...]:
        taken: list[float] = []
        for _ in range(count):
            if len(failed) >= MOST_FAILURES or boottime() > end:
                break
            started = boottime()
            try:
                call(what, keys.rule, one)
            except CallError as failure:
                if failure.kind is Kind.DENIED:
                    raise
                failed.append(str(failure))
                continue
            taken.append(boottime() - started)
        return tuple(taken)

    reads = timed("reading the lock", READS, lambda: consul.kv.get(keys.lock, consistency="consistent"))
    if failed and not reads:
        raise CallError(Kind.UNREACHABLE, failed[0])
    try:
        writes = timed("writing a key", WRITES, lambda: consul.kv.put(key, "measuring"))
    except CallError:
        return Latency(reads, (), tuple(failed), may_write=False)
    try:
        call("deleting a key", keys.rule, lambda: consul.kv.delete(key))
    except CallError as failure:
        # It stays until the next time, and nobody looks there.
        failed.append(str(failure))
    return Latency(reads, writes, tuple(failed))
