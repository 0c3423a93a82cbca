"""What lies in Consul as values: beats, records, history, wishes; and the note on the agent's disk."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.agent.identity import StateFolder
from hafailover.core.beat import Beat, BeatError, Phase, parse_beat
from hafailover.core.views import LockView, Request
from hafailover.lock.base import stored_beat
from hafailover.lock.fields import object_of
from hafailover.lock.roster import Entry, _request
from hafailover.observe.overview import overview
from hafailover.observe.records import NodeRecord, TermRecord, member_of, parse_history, parse_record
from hafailover.text import is_node_name

from .running import came_to, fuzz
from .secret import SESSION, Silence
from .strategies import changed, raw

MAX_WHOLE = (1 << 63) - 1
FIRST = Beat(6, 90, "host2", Phase.ACTIVE, 8.5, 100)
BEAT = Beat(7, 3, "host1", Phase.WAITING, 8.5, 120, handover_to="host3", cause="host-gone", inherits=FIRST)
RECORD = NodeRecord(
    node="host1",
    role="standby",
    reason="ready",
    ready=True,
    priority=5,
    height=120,
    lag=1,
    peers=8,
    syncing=False,
    neard_version="2.10.0",
    profile="default",
    public_key="ed25519:PoolKey",
    lease_left_s=6.5,
    prepared_for="w1",
)
TERM = TermRecord(
    event="began", term=7, node="host1", cause="host-gone", from_node="host2", waited_s=3.5, at="now"
)
WISH = {"id": "w1", "to": "host2", "term": 7}

INDEX = 4720
"""Of the heartbeat's key."""


@fuzz(400)
@given(raw(json.loads(BEAT.to_json())))
@example(BEAT.to_json().replace("host1", "\\ud800").encode())
@example(BEAT.to_json().replace("host-gone", "\\udcff").encode())
def test_a_beat_is_sensible_or_none_at_all(silence: Silence, data: bytes) -> None:
    error = None
    try:
        beat = parse_beat(data)
        assert beat is not None
        sensible(beat)
        # A term is an index of Consul's that is older than the heartbeat, and a predecessor's is no later.
        beats = [beat] if beat.inherits is None else [beat, beat.inherits]
        names = [name for one in beats for name in (one.node, one.handover_to) if name is not None]
        can_be = beats[-1].term <= beat.term <= INDEX and all(map(is_node_name, names))
        assert (stored_beat(data, INDEX) is not None) is can_be
        came_to("test_a_beat_is_sensible_or_none_at_all", "a beat")
    except BeatError as refusal:
        error = refusal
        assert stored_beat(data, INDEX) is None
        came_to("test_a_beat_is_sensible_or_none_at_all", "none")
    silence.check(error)


def sensible(beat: Beat) -> None:
    """What a successor's wait is reckoned from, the inherited beat's included."""
    for one in (beat, beat.inherits or beat):
        assert 0.5 <= one.gone_within_s <= 60
        assert type(one.gone_within_s) is float
        assert type(one.phase) is Phase
        assert all(type(n) is int and 0 <= n <= MAX_WHOLE for n in (one.term, one.sequence, one.height))
        f"{one.node}{one.cause}{one.handover_to}".encode()
    assert beat.inherits is None or beat.inherits.inherits is None
    assert parse_beat(beat.to_json()) == beat


@fuzz(250)
@given(raw(RECORD.model_dump()), st.sampled_from((SESSION, None)))
@example(json.dumps({**RECORD.model_dump(), "reason": "\ud800"}).encode(), SESSION)
@example(json.dumps({**RECORD.model_dump(), "lease_left_s": math.nan}).encode(), SESSION)
def test_a_hosts_record_never_hides_the_host(silence: Silence, data: bytes, session: str | None) -> None:
    entry = Entry("host1", session, 5, object_of(data) or {})
    record, member = parse_record(entry), member_of(entry)
    assert record.node == member.node == "host1"
    assert type(member.ready) is bool
    assert member.alive is (session is not None)
    # Only a record that says so itself makes a host one that may be handed the key.
    assert not member.ready or (session is not None and entry.data["ready"] is True)
    for number in (member.height, member.lag, member.priority):
        assert type(number) is int
    stored = stored_beat(BEAT.to_json().encode(), INDEX)
    view = overview("pool.near", LockView(session, "host1", 7), stored, [entry], [TERM])
    # What is shown can be printed, and read again by others.
    json.loads(json.dumps(view.to_plain(), allow_nan=False, ensure_ascii=False).encode())
    came_to("test_a_hosts_record_never_hides_the_host", "ready" if member.ready else record.role[:8])
    silence.check()


@fuzz(300)
@given(raw(TERM.model_dump()), raw(TERM.model_dump()))
def test_the_history_keeps_what_can_be_understood(first: bytes, second: bytes) -> None:
    entries = [entry for entry in (object_of(first), TERM.model_dump(), object_of(second)) if entry]
    records = parse_history(entries)
    assert TERM in records
    for record in records:
        json.dumps(record.model_dump(), allow_nan=False, ensure_ascii=False).encode()
    came_to("test_the_history_keeps_what_can_be_understood", f"{len(records)} of 3")


@fuzz(300)
@given(raw(WISH))
@example(b'{"id": "w1", "to": "host2", "term": true}')
@example(b'{"id": "w1", "to": "\\ud800", "term": 7}')
def test_a_wish_is_whole_or_none(data: bytes) -> None:
    wish = _request(object_of(data))
    came_to("test_a_wish_is_whole_or_none", "none" if wish is None else "a wish")
    if wish is None:
        return
    said = json.loads(data)
    assert wish == Request(said["id"], said["to"], said["term"])
    assert type(wish.term) is int
    assert 0 <= wish.term <= MAX_WHOLE
    f"{wish.id}{wish.to}".encode()


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path, "pool.near", "host1")


@fuzz(300)
@given(st.data())
def test_a_noted_session_is_the_one_of_this_boot(
    tmp_path: Path, state: StateFolder, silence: Silence, data: st.DataObject
) -> None:
    state.note(SESSION)
    assert state.session() == SESSION
    file = next(tmp_path.glob("session-*.json"))
    good: dict[str, Any] = json.loads(file.read_text())
    content = data.draw(raw(good))
    file.write_bytes(content)
    session = state.session()
    came_to("test_a_noted_session_is_the_one_of_this_boot", "noted" if session else "none")
    if session is not None:
        said = json.loads(content)
        assert said["boot"] == good["boot"]
        assert said["session"] == session
        # It becomes a part of a URL.
        assert session
        session.encode()
    silence.check()
    state.forget()
    assert state.session() is None


@fuzz(100)
@given(changed(json.loads(BEAT.to_json())))
def test_a_mutated_beat_is_never_taken_for_released_by_chance(document: Any) -> None:
    """``released`` lets a successor arm at once: only that very word may say it."""
    stored = stored_beat(json.dumps(document).encode(), INDEX)
    if stored is not None and stored.beat.phase is Phase.RELEASED:
        assert document["phase"] == "released"
