"""What the agent writes beside the lease: its record, the history, answers; and that it reads the others'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hafailover.agent import chores as module
from hafailover.agent.chores import Chores
from hafailover.core import events as ev
from hafailover.core.words import Claim
from hafailover.lock.consul import ConsulLease
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import Entry, Roster
from hafailover.observe.records import NodeRecord, TermRecord
from hafailover.timing import PROFILES

from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul, until
from .parts import Events, park

RECORD = KEYS.nodes + "a"
SESSION = "session-a"
TWO_BEATS_S = 2 * PROFILES["default"].beat_s
CLAIM = Claim(19, "0" * 32, "a", 103, None, "a" * 64)
RECORDED = {"node": "a", "height": 103, "history": "0" * 32, "word": "a" * 64}


@dataclass
class Bench:
    consul: TinyConsul
    events: Events
    chores: Chores
    record: list[NodeRecord]

    def role(self) -> str | None:
        record = self.consul.get(RECORD)
        return record["role"] if record else None


@pytest.fixture
def bench(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    events = Events()
    record = [NodeRecord(node="a", role="standby")]
    chores = Chores(
        ConsulLease(consul.address, ACCOUNT, "a", PROFILES["default"]),
        Roster(consul.address, ACCOUNT, 2.0),
        "a",
        lambda: record[0],
        events,
    )
    consul.sessions.add(SESSION)
    chores.start()
    yield Bench(consul, events, chores, record)
    # The thread runs as long as the agent does; here it stops with its test.
    chores.once("the end of the test", park)


def test_the_record_is_published_under_the_session(bench: Bench) -> None:
    bench.chores.use_session(SESSION)
    bench.chores.touch()
    until(lambda: bench.role() == "standby", "the record")
    assert bench.consul.items[RECORD].session == SESSION


def test_without_a_session_nothing_is_published_but_the_others_are_read(bench: Bench) -> None:
    bench.consul.publish("b", "session-b", role="standby", ready=True)
    bench.chores.touch()
    seen = bench.events.wait(ev.MembersSeen)
    assert [member.node for member in seen.members] == ["b"]
    assert bench.role() is None


def test_a_change_that_is_touched_is_published_at_once(bench: Bench) -> None:
    bench.chores.use_session(SESSION)
    bench.chores.touch()
    until(lambda: bench.role() == "standby", "the record")
    bench.record[0] = NodeRecord(node="a", role="active")
    bench.chores.touch()
    # Two seconds would be the usual pace.
    until(lambda: bench.role() == "active", "the new record", 1.5)


def test_what_is_unchanged_is_not_written_again(bench: Bench) -> None:
    """Every write is one for all of Consul's servers."""
    bench.chores.use_session(SESSION)
    bench.chores.touch()
    until(lambda: bench.role() == "standby", "the record")
    written = bench.consul.items[RECORD].modified
    looks = len(bench.events.of(ev.MembersSeen))
    bench.chores.touch()
    bench.events.wait(ev.MembersSeen, looks + 1)
    assert bench.consul.items[RECORD].modified == written


def test_a_record_that_consul_has_forgotten_is_written_again(bench: Bench) -> None:
    bench.chores.use_session(SESSION)
    bench.chores.touch()
    until(lambda: bench.role() == "standby", "the record")
    with bench.consul.changed:
        del bench.consul.items[RECORD]
    until(lambda: bench.role() == "standby", "the record again", TWO_BEATS_S + 1.0)
    assert bench.consul.items[RECORD].session == SESSION


def test_a_record_without_its_session_is_no_record(bench: Bench) -> None:
    bench.chores.use_session(SESSION)
    bench.chores.touch()
    until(lambda: bench.role() == "standby", "the record")
    bench.consul.publish("a", None, role="standby")
    until(lambda: bench.consul.items[RECORD].session == SESSION, "the session", TWO_BEATS_S + 1.0)


def test_a_record_that_cannot_be_written_since_the_session_has_ended_says_so(bench: Bench) -> None:
    """Nothing else may write for a long time."""
    bench.chores.use_session(SESSION)
    bench.consul.expire(SESSION)
    bench.chores.touch()
    assert bench.events.wait(ev.SessionGone).session == SESSION


def test_the_others_come_with_the_pools_key(bench: Bench) -> None:
    bench.consul.publish("b", "session-b", role="standby", ready=True, priority=3)
    bench.consul.put(KEYS.pool, {"public_key": "ed25519:pool"})
    bench.chores.look_at_members()
    seen = bench.events.wait(ev.MembersSeen)
    assert [(member.node, member.ready, member.priority) for member in seen.members] == [("b", True, 3)]
    assert seen.pool_public_key == "ed25519:pool"


def test_a_key_that_is_wanted_at_once_is_read_again_though_one_is_being_read() -> None:
    """The answer may be on its way already, and the next one would come ten seconds later."""
    keys = ["ed25519:before", "ed25519:after"]

    class Slow:
        def entries(self) -> list[Entry]:
            return []

        def pool_public_key(self) -> str:
            if len(keys) == 2:
                chores.look_at_members()
            return keys.pop(0)

    events = Events()
    chores = Chores(None, Slow(), "a", lambda: NodeRecord(node="a"), events)  # type: ignore[arg-type]
    for _ in range(2):
        chores._read_members(1000.0)
    assert [seen.pool_public_key for seen in events.of(ev.MembersSeen)] == ["ed25519:before", "ed25519:after"]


def test_a_key_that_could_not_be_read_is_read_with_the_next_records() -> None:
    answers: list[str | CallError] = [CallError(Kind.SERVER, "no leader"), "ed25519:pool"]

    class Failing:
        def entries(self) -> list[Entry]:
            return []

        def pool_public_key(self) -> str:
            answer = answers.pop(0)
            if isinstance(answer, CallError):
                raise answer
            return answer

    events = Events()
    chores = Chores(None, Failing(), "a", lambda: NodeRecord(node="a"), events)  # type: ignore[arg-type]
    with pytest.raises(CallError):
        chores._read_members(1000.0)
    chores._read_members(1002.0)
    assert [seen.pool_public_key for seen in events.of(ev.MembersSeen)] == ["ed25519:pool"]


def test_what_is_watched_is_laid_out_with_the_first_session(bench: Bench) -> None:
    bench.chores.use_session(SESSION)
    assert bench.consul.await_key(KEYS.request) == {}
    assert bench.consul.await_key(KEYS.dropped + ".keep") == {}


def test_a_term_that_begins_puts_the_key_on_record(bench: Bench) -> None:
    bench.chores.record_term(TermRecord(event="began", term=20, node="a", public_key="ed25519:pool"))
    entry = bench.consul.await_key(f"{KEYS.history}{20:020d}.began")
    assert (entry["term"], entry["node"]) == (20, "a")
    assert bench.consul.await_key(KEYS.pool) == {"public_key": "ed25519:pool"}


def test_a_term_that_ends_puts_no_key_on_record(bench: Bench) -> None:
    bench.chores.record_term(TermRecord(event="ended", term=20, node="a", public_key="ed25519:pool"))
    bench.consul.await_key(f"{KEYS.history}{20:020d}.ended")
    bench.chores.answer("wish-1", False, "later")
    bench.consul.await_key(KEYS.answer)
    assert bench.consul.get(KEYS.pool) is None


def test_whether_the_work_arrives_is_written_each_time_but_not_without_end(bench: Bench) -> None:
    written: list[str] = []
    roster = bench.chores._roster
    roster.append_history = lambda name, data: written.append(name)  # type: ignore[method-assign]

    def tell(term: int, times: int) -> None:
        for _ in range(times):
            bench.chores.record_production(
                TermRecord(event="not_producing", term=term, node="a", cause="0 of 9")
            )

    tell(20, 2 * module.MOST_OF_A_TERM)
    tell(21, 1)
    last = f"{21:020d}.not_producing."
    until(lambda: bool(written) and written[-1].startswith(last), "the next term's")
    assert len(written) == module.MOST_OF_A_TERM + 1
    assert len(set(written)) == len(written)


def test_drops_and_answers_are_written(bench: Bench) -> None:
    bench.chores.record_dropped(CLAIM)
    assert bench.consul.await_key(f"{KEYS.dropped}19") == RECORDED
    bench.chores.answer("wish-1", True, "handing over")
    answer = bench.consul.await_key(KEYS.answer)
    assert answer == {"id": "wish-1", "accepted": True, "reason": "handing over"}


def test_what_must_be_written_once_is_tried_until_consul_takes_it(bench: Bench) -> None:
    """A drop that nobody hears of keeps a successor waiting."""
    bench.consul.down = True
    tried: list[int] = []
    bench.chores.once("counting", lambda: tried.append(1))
    bench.chores.record_dropped(CLAIM)
    until(lambda: tried, "the first try")
    assert bench.consul.get(f"{KEYS.dropped}19") is None
    bench.consul.down = False
    assert bench.consul.await_key(f"{KEYS.dropped}19") == RECORDED


def test_one_that_fails_holds_up_no_other_and_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TRY_FOR_S", 0.3)
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise CallError(Kind.DENIED, "Consul denied it")

    bench.chores.once("writing the history", refuse)
    bench.chores.record_dropped(CLAIM)
    bench.consul.await_key(f"{KEYS.dropped}19")
    until(lambda: "writing the history: given up: Consul denied it" in caplog.messages, "the end of trying")
    assert len(tries) > 1


def test_a_trouble_is_not_over_while_nothing_is_asked(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench.chores.touch()
    bench.events.wait(ev.MembersSeen)
    bench.consul.down = True
    bench.chores.look_at_members()
    until(lambda: "this host's record in Consul" in caplog.text, "the complaint")
    turns: list[int] = []
    for _ in range(3):
        bench.chores.once("a turn that asks nothing", lambda: turns.append(1))
    until(lambda: len(turns) == 3, "three turns")
    assert "works again" not in caplog.text
    bench.consul.down = False
    bench.chores.look_at_members()
    until(lambda: "works again" in caplog.text, "the end of the trouble")
