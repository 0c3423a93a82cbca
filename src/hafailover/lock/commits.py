"""Whether Consul carries out what is written to it: reads and renewals answer also where it does not.

A leader whose disk hangs goes on with its heartbeats to the other servers, so it stays the leader. It answers
reads, and it keeps every write waiting.
"""

from __future__ import annotations

from typing import Any

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys

NEVER = (1 << 62) - 1
"""A ModifyIndex that no key ever has: a write on this condition goes through Raft, and changes nothing."""
WHAT = "a write that changes nothing"


class Committing:
    """Tries it out. For one thread; every try ends within ``deadline_s`` seconds.

    :param name: of who tries, for the key below ``doctor/``.
    """

    def __init__(self, address: Address, account_id: str, name: str, deadline_s: float) -> None:
        self._consul = connect(address, deadline_s)
        self._keys = PoolKeys(account_id)
        self._key = self._keys.doctor + name

    def prove(self) -> None:
        """:raises CallError: it was not carried out in time, or could not be tried."""
        done: Any = call(WHAT, self._keys.rule, lambda: self._consul.kv.put(self._key, "", cas=NEVER))
        if done is not False:
            raise CallError(Kind.GARBAGE, f"{WHAT}: Consul gave an answer that makes no sense")
