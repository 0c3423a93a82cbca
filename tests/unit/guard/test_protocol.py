"""The lines between agent and guard: what is sent is read, and nothing else is."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.protocol import ProtocolError

from .bench import ACCOUNT, POOL_KEY, Bench

TERMS = st.integers(min_value=1, max_value=(1 << 53) - 1)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
COMMAND_NAMES = ("op", "term", "deadline", "urgent", "reason")
REPORT = protocol.describe(Bench().loaded(5).guard, "the key is loaded", 4711)
HUGE = 10**400


def over_the_wire(message: dict[str, Any]) -> dict[str, Any]:
    line = protocol.encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return protocol.decode(line)


# --- commands


@given(TERMS, TIMES)
def test_arm_and_grant_arrive_as_they_were_sent(term: int, deadline: float) -> None:
    for op, kind in (("arm", m.ArmAsked), ("grant", m.GrantGiven)):
        event = protocol.parse_command(over_the_wire({"op": op, "term": term, "deadline": deadline}))
        assert event == kind(term, deadline)


@given(TERMS, st.booleans(), st.text(max_size=600))
def test_drop_arrives_as_it_was_sent(term: int, urgent: bool, reason: str) -> None:
    event = protocol.parse_command(
        over_the_wire({"op": "drop", "term": term, "urgent": urgent, "reason": reason})
    )
    assert event == m.DropAsked(term, urgent, reason[:500])


def test_restart_and_ping() -> None:
    assert protocol.parse_command({"op": "restart", "reason": "why"}) == m.RestartAsked("why")
    assert protocol.parse_command(over_the_wire(protocol.PING)) is None


@pytest.mark.parametrize("urgent", [None, 0, "no", [], True])
def test_a_drop_is_urgent_unless_it_says_no(urgent: Any) -> None:
    event = protocol.parse_command({"op": "drop", "term": 1, "urgent": urgent, "reason": ""})
    assert event == m.DropAsked(1, True, "")
    assert protocol.parse_command({"op": "drop", "term": 1, "reason": ""}) == event


@pytest.mark.parametrize("term", [0, -1, 1 << 53, (1 << 63) - 1, 1 << 63, True, 1.0, "1", None, [1]])
@pytest.mark.parametrize("op", ["arm", "grant", "drop"])
def test_a_term_is_a_whole_number_above_0(op: str, term: Any) -> None:
    with pytest.raises(ProtocolError, match="term"):
        protocol.parse_command({"op": op, "term": term, "deadline": 1.0, "reason": ""})


@pytest.mark.parametrize(
    "deadline",
    [None, True, "1", [1.0], math.nan, math.inf, -math.inf, HUGE, -HUGE],
    ids=lambda value: repr(value)[:8],
)
@pytest.mark.parametrize("op", ["arm", "grant"])
def test_a_deadline_is_a_finite_number(op: str, deadline: Any) -> None:
    with pytest.raises(ProtocolError):
        protocol.parse_command({"op": op, "term": 1, "deadline": deadline})


@pytest.mark.parametrize("op", [None, "", "load", "ARM", 7, [], {}])
def test_an_unknown_command_is_refused(op: Any) -> None:
    with pytest.raises(ProtocolError, match="unknown command"):
        protocol.parse_command({"op": op})


@settings(max_examples=300)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(COMMAND_NAMES, JSON))
    | st.fixed_dictionaries(
        {"op": st.sampled_from(["arm", "grant", "drop", "restart"])},
        optional=dict.fromkeys(COMMAND_NAMES[1:], JSON),
    )
)
@example({"op": "arm", "term": 1, "deadline": HUGE})
def test_no_command_raises_anything_else(data: dict[str, Any]) -> None:
    try:
        event = protocol.parse_command(data)
    except ProtocolError:
        return
    if isinstance(event, m.ArmAsked | m.GrantGiven):
        assert event.term >= 1
        assert math.isfinite(event.deadline)


# --- lines


@given(st.binary(max_size=200))
@example(b"[]")
@example(b"1" * 5000)
@example(b"[" * 60000)
@example(b'{"a":' * 10000)
@example(b"\xff\xfe{\x00}\x00")
def test_no_line_raises_anything_else(line: bytes) -> None:
    try:
        data = protocol.decode(line)
    except ProtocolError:
        return
    assert isinstance(data, dict)


def test_a_line_has_a_largest_size() -> None:
    padding = "x" * (protocol.MAX_LINE_BYTES - len('{"a":""}'))
    assert protocol.decode(json.dumps({"a": padding}, separators=(",", ":")).encode())
    with pytest.raises(ProtocolError, match="65537 bytes"):
        protocol.decode(json.dumps({"a": padding + "x"}, separators=(",", ":")).encode())


# --- reports


@given(
    phase=st.sampled_from(NeardPhase),
    key=st.sampled_from(KeyState),
    numbers=st.tuples(*[st.integers(min_value=0, max_value=(1 << 63) - 1)] * 4),
    pid=st.none() | st.integers(min_value=2, max_value=1 << 22),
    problem=st.text(max_size=100),
    seconds=st.tuples(*[st.none() | TIMES.filter(lambda value: value >= 0)] * 2),
    tainted=st.booleans(),
)
def test_a_report_arrives_as_it_was_sent(
    phase: NeardPhase,
    key: KeyState,
    numbers: tuple[int, ...],
    pid: int | None,
    problem: str,
    seconds: tuple[float | None, ...],
    tainted: bool,
) -> None:
    term, retired, refused, height = numbers
    guard = m.Guard(
        m.GuardConfig(POOL_KEY, ACCOUNT, drop_budget_s=1.25),
        phase=phase,
        key=key,
        pid=pid,
        term=term,
        retired=retired,
        refused_term=refused,
        height=height,
        problem=problem,
        load_s=seconds[0],
        drop_s=seconds[1],
        tainted=tainted,
        restarts=3,
    )

    report = protocol.parse_report(over_the_wire(protocol.describe(guard, "what happened", 4711)))

    view = report.view
    assert (view.neard, view.key, view.tainted, view.problem) == (phase, key, tainted, problem)
    assert (view.term, view.retired, view.refused_term, view.height) == (term, retired, refused, height)
    assert (view.public_key, view.account_id, view.drop_budget_s) == (POOL_KEY, ACCOUNT, 1.25)
    assert (report.event, report.guard_pid, report.neard_pid) == ("what happened", 4711, pid)
    assert (report.restarts, report.load_s, report.drop_s) == (3, *seconds)


def test_that_neard_was_started_with_tier1_on_is_told() -> None:
    on = protocol.describe(Bench().guard, "", 1, tier1=True)
    assert protocol.parse_report(over_the_wire(on)).view.tier1
    assert not protocol.parse_report(REPORT).view.tier1
    older = {name: value for name, value in REPORT.items() if name != "tier1"}
    assert not protocol.parse_report(older).view.tier1


def test_a_guard_before_its_first_start_reports_no_restarts() -> None:
    assert protocol.parse_report(protocol.describe(Bench().guard, "", 1)).restarts == 0


def test_another_version_is_named_as_such() -> None:
    with pytest.raises(ProtocolError, match="another version; restart it"):
        protocol.parse_report({**REPORT, "v": protocol.VERSION - 1})


@pytest.mark.parametrize(
    "name",
    [
        *("v", "event", "guard_pid", "neard", "key", "term", "retired", "refused_term", "height", "problem"),
        *("public_key", "account_id", "restarts"),
    ],
)
def test_a_report_without_one_of_its_parts_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        protocol.parse_report({key: value for key, value in REPORT.items() if key != name})


@settings(max_examples=300)
@given(st.sampled_from(sorted(REPORT)), JSON)
@example("load_s", HUGE)
@example("drop_s", -HUGE)
@example("drop_budget_s", HUGE)
@example("key", "loaded ")
def test_no_report_raises_anything_else(name: str, value: Any) -> None:
    try:
        report = protocol.parse_report({**REPORT, name: value})
    except ProtocolError:
        return
    assert report.view.key in KeyState
    assert report.neard_pid is None or report.neard_pid > 1
