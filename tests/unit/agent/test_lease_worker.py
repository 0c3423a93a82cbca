"""What becomes of the core's wishes for the lease: done, refused for certain, or no proof of anything."""

from __future__ import annotations

import threading

import pytest

from hafailover.agent.lease_worker import LeaseWorker
from hafailover.clock import boottime
from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.core.words import Claim
from hafailover.lock.errors import Kind
from hafailover.lock.memory import MemoryConsul

from ..observe.pool import beat
from ..observe.tiny_consul import until
from .parts import Events

FINAL = (Kind.REFUSED, Kind.SESSION_GONE)


class Bench:
    def __init__(self) -> None:
        self.memory = MemoryConsul()
        self.events = Events()
        self.took: list[float] = []
        lease = self.memory.lease("a")
        self.session = lease.open_session()
        self.worker = LeaseWorker(lease, self.events, self.took.append)
        self.worker.start()

    def acquire(self) -> ev.AcquireAnswered:
        self.worker.do(ef.Acquire(self.session))
        return self.events.wait(ev.AcquireAnswered)

    def beat(self, term: int) -> ev.BeatAnswered:
        self.worker.do(ef.SendBeat(self.session, beat("a", term)))
        return self.events.wait(ev.BeatAnswered)

    def release(self, term: int) -> ev.ReleaseAnswered:
        self.worker.do(ef.Release(self.session, beat("a", term, Phase.RELEASED)))
        return self.events.wait(ev.ReleaseAnswered)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_lease_from_its_begin_to_its_end(bench: Bench) -> None:
    acquired = bench.acquire()
    assert acquired.outcome is ev.Outcome.OK
    beaten = bench.beat(acquired.term)
    assert (beaten.outcome, beaten.term, beaten.sequence) == (ev.Outcome.OK, acquired.term, 5)
    assert len(bench.took) == 1
    assert bench.release(acquired.term).outcome is ev.Outcome.OK
    assert bench.memory.holder is None


def test_an_acquisition_brings_what_was_there(bench: Bench) -> None:
    claim = Claim(7, "0" * 32, "b", 103, None, "a" * 64)
    bench.memory.put_heartbeat(beat("b", 7).to_json().encode())
    bench.memory.lease("b").record_dropped(claim)
    acquired = bench.acquire()
    assert acquired.predecessor is not None
    assert acquired.predecessor.beat == beat("b", 7)
    assert acquired.dropped == {claim}
    assert acquired.history == bench.memory.history


def test_a_history_whose_index_went_back_is_renewed_once(bench: Bench) -> None:
    before = bench.memory.lease("b").history_id()
    bench.worker.do(ef.RenewHistory(before))
    seen = bench.events.wait(ev.HistorySeen)
    assert seen.certain
    assert seen.history == bench.memory.history != before
    # Another host has found the same, and is later.
    bench.worker.do(ef.RenewHistory(before))
    assert bench.events.wait(ev.HistorySeen, 2) == seen


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("what", ["acquire", "beat", "release"])
def test_only_consuls_final_word_is_a_refusal(bench: Bench, what: str, kind: Kind) -> None:
    """A refusal makes an active give up at once; what is no proof lets its deadline go on."""
    term = 20 if what == "acquire" else bench.acquire().term
    bench.memory.fail("a", kind)
    answered: ev.AcquireAnswered | ev.BeatAnswered | ev.ReleaseAnswered
    if what == "acquire":
        answered = bench.acquire()
    else:
        answered = bench.beat(term) if what == "beat" else bench.release(term)
    assert answered.outcome is (ev.Outcome.REFUSED if kind in FINAL else ev.Outcome.NO_PROOF)
    assert answered.detail
    if kind is Kind.SESSION_GONE:
        assert bench.events.wait(ev.SessionGone).session == bench.session
    else:
        assert bench.events.of(ev.SessionGone) == []
    assert bench.took == [], "a failed beat's time is no figure"


def test_a_beat_whose_answer_is_lost_proves_nothing(bench: Bench) -> None:
    term = bench.acquire().term
    bench.memory.lose_replies("a")
    assert bench.beat(term).outcome is ev.Outcome.NO_PROOF


def test_a_beat_after_the_sessions_end_is_refused(bench: Bench) -> None:
    term = bench.acquire().term
    bench.memory.expire(bench.session)
    assert bench.beat(term).outcome is ev.Outcome.REFUSED


def test_a_beat_is_as_old_as_its_sending(bench: Bench) -> None:
    """However long the call takes, the lease must not seem younger than it is."""
    term = bench.acquire().term
    with bench.memory.changed:
        bench.worker.do(ef.SendBeat(bench.session, beat("a", term)))
        threading.Event().wait(0.3)
        held_until = boottime()
    answered = bench.events.wait(ev.BeatAnswered)
    assert answered.sent_at < held_until - 0.1
    assert bench.took[0] > 0.1


def test_beats_that_fail_again_and_again_are_one_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    term = bench.acquire().term
    bench.memory.fail("a", Kind.UNREACHABLE, calls=20)
    for number in range(1, 21):
        bench.worker.do(ef.SendBeat(bench.session, beat("a", term)))
        bench.events.wait(ev.BeatAnswered, number)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("the lease in Consul: ")
    bench.worker.do(ef.SendBeat(bench.session, beat("a", term)))
    bench.events.wait(ev.BeatAnswered, 21)
    until(lambda: len(caplog.messages) == 2, "the end of the trouble")
    assert "works again" in caplog.messages[1]


def test_a_refusal_is_told_each_time(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    term = bench.acquire().term
    bench.memory.fail("a", Kind.REFUSED, calls=2)
    for number in (1, 2):
        bench.worker.do(ef.SendBeat(bench.session, beat("a", term)))
        bench.events.wait(ev.BeatAnswered, number)
    assert len(caplog.messages) == 2
