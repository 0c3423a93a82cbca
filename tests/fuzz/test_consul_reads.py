"""What is read from Consul, which may answer anything: values of the right kind or a CallError."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.clock import boottime
from hafailover.core.beat import StoredBeat
from hafailover.core.views import LockView, Request
from hafailover.core.words import Claim
from hafailover.lock.client import Address
from hafailover.lock.consul import ConsulWatch
from hafailover.lock.errors import CallError
from hafailover.lock.roster import Entry, RequestWatch, Roster
from hafailover.observe.records import member_of

from . import consul_words as words
from .answering import Answering
from .http_answers import http_answers
from .running import came_to, fuzz
from .secret import PLAIN_TOKEN, Silence
from .strategies import one_of

DEADLINE_S = 2.0
SLACK_S = 1.5
MAX_WHOLE = (1 << 63) - 1


class Readers:
    def __init__(self, address: Address) -> None:
        self.watch = ConsulWatch(address, words.ACCOUNT, 0.0)
        self.roster = Roster(address, words.ACCOUNT, DEADLINE_S)
        self.wishes = RequestWatch(address, words.ACCOUNT, 0.0)


CALLS: dict[str, tuple[Callable[[Readers], Any], Any]] = {
    "lock": (lambda r: r.watch.lock(None, 0.0), [words.LOCK]),
    "heartbeat": (lambda r: r.watch.heartbeat(3, 0.0), [words.HEARTBEAT]),
    "dropped": (lambda r: r.watch.dropped(3, 0.0), [words.DROPPED, words.DROPPED]),
    "history id": (lambda r: r.watch.history(3, 0.0), [words.HISTORY_ID]),
    "wish": (lambda r: r.wishes.request(None, 0.0), [words.WISH]),
    "host": (lambda r: r.roster.entry("host1"), [words.RECORD]),
    "hosts": (lambda r: r.roster.entries(), [words.RECORD, words.RECORD]),
    "history": (lambda r: r.roster.history(), [words.HISTORY, words.HISTORY]),
    "key": (lambda r: r.roster.pool_public_key(), [words.POOL]),
    "answer": (lambda r: r.roster.answer_to("w1"), [words.ANSWER]),
    "session": (lambda r: r.roster.open_wish_session(), {"ID": "s"}),
    "claim": (lambda r: r.roster.publish("host1", "s", {}), True),
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, bytes]:
    name = one_of(draw, tuple(CALLS))
    return name, draw(http_answers(CALLS[name][1], words.INDEX))


def plain(document: Any, index: bytes = words.INDEX) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + index + b"\r\n\r\n" + json.dumps(document).encode()


@pytest.fixture(scope="module")
def readers(answering: Answering) -> Readers:
    return Readers(Address(answering.host, answering.port, token=PLAIN_TOKEN))


@fuzz(550)
@given(calls())
@example(("lock", plain([{**words.LOCK, "ModifyIndex": float("inf")}])))
@example(("lock", plain([{**words.LOCK, "Session": ["x"]}])))
@example(("lock", plain([words.LOCK], b"X-Consul-Index: 0")))
@example(("hosts", plain([{"Value": "e30="}])))
@example(("hosts", plain([{**words.RECORD, "ModifyIndex": "x"}])))
@example(("host", plain([{**words.RECORD, "ModifyIndex": None}])))
@example(("history", plain([{"CreateIndex": []}])))
@example(("key", plain([{}])))
def test_what_is_read_is_of_its_kind(
    answering: Answering, readers: Readers, silence: Silence, call: tuple[str, bytes]
) -> None:
    name, data = call
    answering.says(data)
    began = boottime()
    error = None
    try:
        sound(name, CALLS[name][0](readers))
        outcome = "read"
    except CallError as failure:
        error, outcome = failure, failure.kind.name
        str(failure).encode()
    assert boottime() - began < DEADLINE_S + SLACK_S
    came_to("test_what_is_read_is_of_its_kind", f"{name}: {outcome}" if outcome == "read" else outcome)
    silence.check(error)


def sound(name: str, got: Any) -> None:
    match name:
        case "lock" | "heartbeat" | "dropped" | "history id" | "wish":
            index, value = got
            # One of 0 would make a watch ask again without a pause, for ever.
            whole(index, 1)
            watched(value)
        case "host" | "hosts":
            for entry in got if isinstance(got, list) else [got] if got else []:
                assert isinstance(entry, Entry)
                assert entry.session is None or type(entry.session) is str
                whole(entry.index, 0)
                assert type(entry.data) is dict
                entry.node.encode()
                member_of(entry)
        case "history":
            assert all(type(one) is dict for one in got)
        case "key" | "session":
            assert got is None or type(got) is str
        case "answer":
            assert got is None or (type(got[0]) is bool and type(got[1]) is str)
        case "claim":
            assert type(got) is bool


def watched(value: Any) -> None:
    match value:
        case LockView():
            assert value.session is None or (type(value.session) is str and value.session)
            assert value.node is None or type(value.node) is str
            whole(value.index, 0)
        case StoredBeat():
            whole(value.index, 1)
            assert 0.5 <= value.beat.gone_within_s <= 60
        case Request():
            whole(value.term, 0)
        case frozenset():
            for claim in value:
                assert isinstance(claim, Claim)
                whole(claim.term, 1)
                whole(claim.height, 0)
                claim.node.encode()
                assert len(claim.word) == 64
        case str():
            assert value == "" or len(value) == 32
        case _:
            assert value is None


def whole(number: int, least: int) -> None:
    assert type(number) is int
    assert least <= number <= MAX_WHOLE
