"""What Consul says to each call when all is well, and how it says no."""

from __future__ import annotations

import base64
import json
from typing import Any

from hafailover.core.beat import Beat, Phase
from hafailover.core.words import Claim
from hafailover.lock.base import dropped_json
from hafailover.lock.keys import PoolKeys

from .secret import PLAIN_TOKEN, SESSION, TOKEN

ACCOUNT = "pool.poolv1.near"
KEYS = PoolKeys(ACCOUNT)
TERM = 4711
BEAT = Beat(TERM, 3, "host1", Phase.ACTIVE, 8.5, 120)
INDEX = b"X-Consul-Index: 4720"


def entry(key: str, value: Any, session: str | None = None, index: int = TERM) -> dict[str, Any]:
    raw = value if isinstance(value, str) else json.dumps(value)
    found: dict[str, Any] = {
        "LockIndex": 1,
        "Key": key,
        "Flags": 0,
        "Value": base64.b64encode(raw.encode()).decode(),
        "CreateIndex": 9,
        "ModifyIndex": index,
    }
    return {**found, "Session": session} if session else found


LOCK = entry(KEYS.lock, {"node": "host1"}, SESSION)
HEARTBEAT = entry(KEYS.heartbeat, BEAT.to_json(), index=TERM + 5)
WRITTEN = {**HEARTBEAT, "Value": None}
CLAIM = Claim(17, "0123456789abcdef" * 2, "host2", 103, None, "a" * 64)
DROPPED = entry(f"{KEYS.dropped}17", json.loads(dropped_json(CLAIM)))
HISTORY_ID = entry(KEYS.history_id, {"id": CLAIM.history})


def results(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"Results": [{"KV": one} for one in entries], "Errors": None, "Index": 0, "LastContact": 0}


ACQUIRED = results(LOCK)
BEATEN = results(LOCK, LOCK, WRITTEN)
RELEASED = results(LOCK, LOCK, WRITTEN, {**LOCK, "Session": ""})
SESSION_INFO = {
    "ID": SESSION,
    "Name": "hafailover/x",
    "Node": "n1",
    "LockDelay": 0,
    "Behavior": "release",
    "TTL": "15s",
}
RECORD = entry(KEYS.nodes + "host1", {"v": 1, "node": "host1", "role": "standby", "ready": True}, SESSION)
WISH = entry(KEYS.request, {"id": "w1", "to": "host2", "term": TERM}, SESSION)
ANSWER = entry(KEYS.answer, {"id": "w1", "accepted": True, "reason": "handing over"})
POOL = entry(KEYS.pool, {"public_key": "ed25519:PoolKey"})
HISTORY = entry(KEYS.history + "7.began", {"v": 1, "event": "began", "term": 7, "node": "host1"})


def refused(index: int) -> dict[str, Any]:
    what = f"failed to check session {SESSION}: lock is not held"
    return {"Results": None, "Errors": [{"OpIndex": index, "What": what}]}


REFUSALS: tuple[Any, ...] = (
    *(refused(index) for index in (0, 1, 0, 1, 2)),
    {"Results": None, "Errors": [{"OpIndex": 0, "What": f'invalid session "{SESSION}"'}]},
    {"Results": None, "Errors": [{"OpIndex": 2, "What": f"Permission denied: token {TOKEN}"}]},
    f"rpc error making call: token {PLAIN_TOKEN} and session {SESSION} are not known to {TOKEN}",
    "No cluster leader",
)
"""Also with the secrets that Consul was given, which it might repeat."""
REFUSAL_LINES = (
    *(b"HTTP/1.1 409 Conflict",) * 6,
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.1 500 Internal Server Error",
    b"HTTP/1.1 400 Bad Request",
    b"HTTP/1.1 418 Odd",
)
