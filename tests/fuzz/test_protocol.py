"""The lines between agent and guard: nothing but a whole command arms, nothing but a whole report counts."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.protocol import GuardReport, ProtocolError
from hafailover.timing import LONGEST_GONE_WITHIN_S

from ..unit.guard.bench import T0, Bench
from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence
from .strategies import odd_values, raw

TERM = 7
DEADLINE = T0 + 7.0
HISTORY = "0123456789abcdef" * 2
CLAIM = {
    "term": TERM,
    "history": HISTORY,
    "node": "host2",
    "height": 120,
    "handover_to": None,
    "word": "a" * 64,
}
COMMANDS: tuple[dict[str, Any], ...] = (
    {"op": "arm", "term": TERM, "deadline": DEADLINE, "history": "", "claims": []},
    {"op": "grant", "term": TERM, "deadline": DEADLINE, "note": SECRET_KEY},
    {"op": "drop", "term": TERM, "urgent": False, "reason": "switchover"},
    {"op": "vouch", "term": TERM, "history": HISTORY, "height": 120, "handover_to": "host2"},
    {"op": "check", "claim": CLAIM},
    {"op": "restart", "reason": "it held the key", "note": SECRET_KEY},
    {"op": "ping"},
)
REPORT = {
    **protocol.describe(Bench().loaded(5).guard, "the key is loaded", 4711),
    "note": SECRET_KEY,
    "history": HISTORY,
    "word": CLAIM,
    "checked": {"claim": CLAIM, "scope": "node"},
}
MAX_WHOLE = (1 << 63) - 1


@fuzz(450)
@given(st.sampled_from(COMMANDS).flatmap(raw))
@example(b'{"op": "arm", "term": 7, "deadline": 1e999}')
@example(b'{"op": "arm", "term": 7, "deadline": NaN}')
@example(b'{"op": "arm", "term": 7, "deadline": true}')
@example(b'{"op": "arm", "term": true, "deadline": 1007.0}')
@example(b'{"op": "drop", "term": 7, "urgent": true, "reason": "\\ud800"}')
def test_a_line_is_a_command_or_refused(silence: Silence, line: bytes) -> None:
    error = None
    try:
        event = protocol.parse_command(protocol.decode(line))
        came_to("test_a_line_is_a_command_or_refused", type(event).__name__)
        asked(event, json.loads(line))
        arms_only_in_bounds(event)
    except ProtocolError as refusal:
        error = refusal
        came_to("test_a_line_is_a_command_or_refused", "refused")
    silence.check(error)


@fuzz(250)
@given(st.sampled_from(("arm", "grant")), odd_values(), odd_values())
def test_odd_terms_and_deadlines_never_arm(op: str, term: Any, deadline: Any) -> None:
    for message in ({"term": term, "deadline": DEADLINE}, {"term": TERM, "deadline": deadline}):
        try:
            event = protocol.parse_command(protocol.decode(protocol.encode({"op": op, **message})))
        except ProtocolError:
            continue
        asked(event, message)
        arms_only_in_bounds(event)


def asked(event: m.GuardEvent | None, said: dict[str, Any]) -> None:
    """The event is what the line says, in values of the very kind."""
    match event:
        case m.ArmAsked(term, deadline) | m.GrantGiven(term, deadline):
            whole(term, 1)
            assert term == said["term"]
            assert type(said["deadline"]) in (int, float)
            assert type(deadline) is float
            assert math.isfinite(deadline)
            assert deadline == float(said["deadline"])
        case m.DropAsked(term, urgent, reason):
            whole(term, 1)
            assert urgent is (said.get("urgent") is not False)
            reason.encode()
        case m.VouchAsked(term, history, height, to):
            whole(term, 1)
            whole(height, 0)
            assert history == said.get("history", "")
            assert to is None or to == said["handover_to"]
        case m.CheckAsked(claim):
            whole(claim.term, 1)
            whole(claim.height, 0)
            claim.node.encode()
            assert claim.word == said["claim"]["word"]
            assert claim.history == said["claim"].get("history", "")
        case m.RestartAsked(reason):
            reason.encode()
        case _:
            assert event is None
            assert said["op"] == "ping"


def arms_only_in_bounds(event: m.GuardEvent | None) -> None:
    """A guard without a key loads it only for a new term, until a time that is near."""
    bench = Bench().up()
    bench.do(event or m.Tick())
    armed = bench.key() is not KeyState.ABSENT
    if not armed:
        return
    assert isinstance(event, m.ArmAsked)
    assert bench.now < event.deadline <= bench.now + LONGEST_GONE_WITHIN_S
    assert bench.guard.deadline == event.deadline
    came_to("test_a_line_is_a_command_or_refused", "armed")
    # However long it goes on, nothing but another grant keeps the key beyond that.
    bench.run(LONGEST_GONE_WITHIN_S + 1)
    assert bench.key() in (KeyState.DROPPING, KeyState.ABSENT)


@fuzz(450)
@given(raw(REPORT))
@example(json.dumps({**REPORT, "problem": "\ud800"}).encode())
@example(json.dumps({**REPORT, "key": ["loaded"]}).encode())
@example(json.dumps({**REPORT, "neard": SECRET_KEY}).encode())
def test_a_line_is_a_report_or_refused(silence: Silence, line: bytes) -> None:
    error = None
    try:
        report = protocol.parse_report(protocol.decode(line))
        sound(report, json.loads(line))
        came_to("test_a_line_is_a_report_or_refused", str(report.view.key))
    except ProtocolError as refusal:
        error = refusal
        came_to("test_a_line_is_a_report_or_refused", "refused")
    silence.check(error)


def sound(report: GuardReport, said: dict[str, Any]) -> None:
    """Loaded, absent and the proof of a drop are never made of anything but their own words and numbers."""
    view = report.view
    assert said["v"] == protocol.VERSION
    assert type(view.key) is KeyState
    assert type(view.neard) is NeardPhase
    assert (said["key"], said["neard"]) == (view.key.value, view.neard.value)
    for number, name in ((view.term, "term"), (view.retired, "retired"), (view.refused_term, "refused_term")):
        whole(number, 0)
        assert number == said[name]
        assert type(said[name]) is int
    whole(view.height, 0)
    whole(report.restarts, 0)
    assert type(view.tainted) is bool
    assert math.isfinite(view.drop_budget_s)
    assert view.drop_budget_s >= 0
    for seconds in (report.load_s, report.drop_s):
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
    assert report.neard_pid is None or (type(report.neard_pid) is int and report.neard_pid > 1)
    for text in (view.public_key, view.account_id, view.problem, report.event):
        text.encode()


def whole(number: int, least: int) -> None:
    assert type(number) is int
    assert least <= number <= MAX_WHOLE
