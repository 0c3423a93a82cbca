"""What somebody can do who may write to Consul: delay a takeover, but not bring one forward.

The pool's own fixture looks afterwards whether two hosts had the key at once, or a height was signed twice.
"""

import base64
import json
import time
from typing import Any

import pytest

from hafailover.clock import boottime
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.lock.keys import PoolKeys

from .waiting import log_since, logged, other_active, role, size, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]

FORGED_WORD = "0123456789abcdef" * 4


def entry(pool: LabPool, key: str) -> dict[str, Any]:
    found: dict[str, Any] = pool.consul.server(0).request("GET", f"/v1/kv/{key}")[0]
    return found


def heartbeat(pool: LabPool) -> dict[str, Any]:
    raw = entry(pool, PoolKeys(pool.account_id).heartbeat)["Value"]
    found: dict[str, Any] = json.loads(base64.b64decode(raw))
    return found


def write(pool: LabPool, *operations: dict[str, Any]) -> None:
    pool.consul.server(0).request("PUT", "/v1/txn", json=[{"KV": one} for one in operations])


def value(document: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def forge_release(pool: LabPool, **changes: Any) -> None:
    """The active's last beat once more, as a release, and the lock freed: in one transaction."""
    keys = PoolKeys(pool.account_id)
    released = {**heartbeat(pool), "phase": "released", **changes}
    released["sequence"] += 1
    session = entry(pool, keys.lock)["Session"]
    write(
        pool,
        {"Verb": "set", "Key": keys.heartbeat, "Value": value(released)},
        {"Verb": "unlock", "Key": keys.lock, "Value": value({}), "Session": session},
    )


@pytest.mark.parametrize("word", [None, FORGED_WORD], ids=["no word", "a made-up word"])
def test_a_forged_release_brings_no_takeover_forward(pool: LabPool, word: str | None) -> None:
    active = pool.wait_settled()
    at = boottime()

    forge_release(pool, **({"word": word} if word else {}))

    # The active learns of it with its next beat, drops the key, and its guard's word lets another host arm.
    after = other_active(pool, active, 20)
    gone, loaded = gone_at(pool.host(active).guard_log, at), loaded_at(pool.host(after).guard_log, at)
    assert gone is not None
    assert loaded is not None
    assert gone <= loaded


def test_nor_while_the_active_does_not_see_it(pool: LabPool) -> None:
    """Its agent stands still, so the key stays until the guard's grant runs out."""
    active = pool.wait_settled()
    # A term that nobody has seen for longer than a beat is waited for longest, with or without a forgery.
    time.sleep(3.0)
    host = pool.host(active)
    starts = {other.name: size(other.agent_log) for other in standbys(pool, active)}
    at = boottime()

    host.running_agent().freeze()
    forge_release(pool, word=FORGED_WORD, gone_within=0.5)

    after = other_active(pool, active, 40)
    gone, loaded = gone_at(host.guard_log, at), loaded_at(pool.host(after).guard_log, at)
    assert gone is not None
    assert loaded is not None
    assert gone <= loaded
    assert loaded - at > 5.0, "it has waited for the active's own promise"
    assert "may have its key" in log_since(pool.host(after).agent_log, starts[after])
    host.running_agent().thaw()
    wait_until(lambda: role(pool, active) == "standby", timeout_s=20, what=f"{active} as a standby")


def test_a_made_up_term_costs_the_next_takeover_nothing(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    keys = PoolKeys(pool.account_id)

    made_up = {**heartbeat(pool), "term": (1 << 62) + 1}
    write(pool, {"Verb": "set", "Key": keys.heartbeat, "Value": value(made_up)})
    wait_until(lambda: heartbeat(pool)["term"] < 1 << 62, timeout_s=5, what="the active's own beat again")
    at = boottime()
    pool.host(active).neard().signal(9)

    after = other_active(pool, active, 10)
    loaded = loaded_at(pool.host(after).guard_log, at)
    assert loaded is not None
    assert loaded - at < 5.0


def test_junk_beside_the_heartbeat_and_the_records_stops_no_takeover(pool: LabPool) -> None:
    active = pool.wait_settled(steady=True)
    keys = PoolKeys(pool.account_id)
    junk = [f"{keys.heartbeat}-x/{number}" for number in range(12)]
    junk += [keys.dropped + "9" * 400, keys.dropped + "17", keys.dropped + "x"]
    for key in junk:
        filler = "x" * 400_000 if "-x/" in key else "{}"
        server = pool.consul.server(0)
        server.request("PUT", f"/v1/kv/{key}", json=filler, timeout_s=10.0)
    at = boottime()
    pool.host(active).neard().signal(9)

    after = other_active(pool, active, 10)
    loaded = loaded_at(pool.host(after).guard_log, at)
    for key in junk:
        pool.consul.server(0).request("DELETE", f"/v1/kv/{key}")
    assert loaded is not None
    assert loaded - at < 5.0
    logged(pool.host(after).guard_log, "for the end of term", 1)
