"""The two leases that the contract holds for, and what tests may do to them behind their backs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import pytest
import requests

from hafailover.core.beat import Beat, Phase
from hafailover.core.words import Claim
from hafailover.lab import ConsulServer
from hafailover.lock.base import LeaseStore, LeaseWatch
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys
from hafailover.lock.memory import MemoryConsul
from hafailover.timing import PROFILES

WATCH_S = 2.0
HISTORY = "0" * 32


class Pool(Protocol):
    """A pool's lease: stores and watches of its nodes, and a hand in Consul."""

    def lease(self, node: str) -> LeaseStore: ...

    def watch(self) -> LeaseWatch: ...

    def expire(self, session: str) -> None:
        """The session ends without its owner's doing."""
        ...

    def free_lock(self) -> None:
        """The lock is taken from its holder by hand; the session lives on."""
        ...

    def delete_lock(self) -> None: ...

    def put_heartbeat(self, raw: bytes | None) -> None: ...

    def lose_history(self) -> None:
        """The id of Consul's history is gone."""
        ...


def memory_pool() -> Pool:
    return MemoryConsul()


class ConsulPool:
    """A pool of its own in a real Consul."""

    def __init__(self, server: ConsulServer, account_id: str) -> None:
        self._server = server
        self._account = account_id
        self._keys = PoolKeys(account_id)
        self._address = Address(port=server.http_port)
        self._http = requests.Session()
        self._http.trust_env = False

    def lease(self, node: str) -> LeaseStore:
        return ConsulLease(self._address, self._account, node, PROFILES["default"], self._server.name)

    def watch(self) -> LeaseWatch:
        return ConsulWatch(self._address, self._account, WATCH_S)

    def expire(self, session: str) -> None:
        self._put(f"/v1/session/destroy/{session}", b"")

    def free_lock(self) -> None:
        _, view = self.watch().lock(None, 0.0)
        self._put(f"/v1/kv/{self._keys.lock}?release={view.session}", b"{}")

    def delete_lock(self) -> None:
        self._call("DELETE", f"/v1/kv/{self._keys.lock}", b"")

    def put_heartbeat(self, raw: bytes | None) -> None:
        if raw is None:
            self._call("DELETE", f"/v1/kv/{self._keys.heartbeat}", b"")
        else:
            self._put(f"/v1/kv/{self._keys.heartbeat}", raw)

    def lose_history(self) -> None:
        self._call("DELETE", f"/v1/kv/{self._keys.history_id}", b"")

    def put(self, name: str, raw: bytes) -> None:
        """Writes anything below the pool's prefix."""
        self._put(f"/v1/kv/{self._keys.prefix}{name}", raw)

    def _put(self, path: str, body: bytes) -> None:
        self._call("PUT", path, body)

    def _call(self, method: str, path: str, body: bytes) -> None:
        answer = self._http.request(method, self._server.url + path, data=body, timeout=5)
        assert answer.text.strip() == "true", (path, answer.status_code, answer.text)


def active(term: int, sequence: int = 1, node: str = "a", phase: Phase = Phase.ACTIVE) -> Beat:
    return Beat(term, sequence, node, phase, 8.5, height=sequence)


def claim(term: int, node: str = "a", height: int = 103) -> Claim:
    """What is recorded of a drop, with a word that nobody checks here."""
    return Claim(term, HISTORY, node, height, None, "a" * 64)


def refused(error: pytest.ExceptionInfo[CallError], kind: Kind = Kind.REFUSED) -> bool:
    return error.value.kind is kind


def heartbeat(pool: Pool) -> Beat | None:
    _, stored = pool.watch().heartbeat(None, 0.0)
    return stored.beat if stored is not None else None


def eventually(look: Callable[[], bool], within_s: float = 3.0) -> bool:
    """Whether ``look`` comes true in time: a stale look may be a moment behind."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if look():
            return True
        time.sleep(0.02)
    return look()
