"""The contract of the lease: what the agent relies on, held against Consul and against the test double."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace

import pytest

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.views import LockView
from hafailover.lock.base import Acquisition, LeaseStore
from hafailover.lock.errors import CallError, Kind

from .pools import Pool, active, claim, eventually, heartbeat, refused


class TestAcquire:
    def test_the_first_finds_nothing_before_it(self, a: LeaseStore) -> None:
        got = a.acquire(a.open_session())
        assert (got.predecessor, got.dropped) == (None, frozenset())
        assert got.term > 0

    def test_while_it_is_held_others_are_refused(self, a: LeaseStore, b: LeaseStore) -> None:
        a.acquire(a.open_session())
        with pytest.raises(CallError) as error:
            b.acquire(b.open_session())
        assert refused(error)

    def test_a_session_that_is_gone_cannot_acquire(self, a: LeaseStore) -> None:
        session = a.open_session()
        a.destroy(session)
        with pytest.raises(CallError) as error:
            a.acquire(session)
        assert refused(error, Kind.SESSION_GONE)

    def test_the_holder_may_ask_again_and_nothing_changes(self, pool: Pool, a: LeaseStore) -> None:
        session = a.open_session()
        first = a.acquire(session)
        a.beat(session, active(first.term))
        again = a.acquire(session)
        assert again.term == first.term
        assert again.predecessor is not None
        assert again.predecessor.beat == active(first.term)
        a.beat(session, active(first.term, 2))

    def test_the_term_is_the_locks_index_while_it_is_held(self, pool: Pool, a: LeaseStore) -> None:
        session = a.open_session()
        got = a.acquire(session)
        a.beat(session, active(got.term))
        view = LockView(session, "a", got.term)
        assert eventually(lambda: pool.watch().lock(None, 0.0)[1] == view)

    def test_terms_only_grow(self, pool: Pool, a: LeaseStore, b: LeaseStore) -> None:
        sessions = {store: store.open_session() for store in (a, b)}
        terms = []
        for store in (a, b, a, a):
            terms.append(store.acquire(sessions[store]).term)
            store.release(sessions[store], active(terms[-1]))
        pool.delete_lock()
        terms.append(b.acquire(sessions[b]).term)
        assert terms == sorted(set(terms))

    def test_the_predecessor_is_read_with_the_lock(self, a: LeaseStore, b: LeaseStore) -> None:
        session = a.open_session()
        first = a.acquire(session)
        last = active(first.term, 7)
        a.beat(session, last)
        a.destroy(session)
        got = b.acquire(b.open_session())
        assert got.predecessor is not None
        assert got.predecessor.beat == last
        assert first.term < got.predecessor.index < got.term

    def test_the_drop_of_the_predecessor_is_read_with_the_lock(self, a: LeaseStore, b: LeaseStore) -> None:
        session = a.open_session()
        first = a.acquire(session).term
        a.beat(session, active(first))
        a.destroy(session)
        for term in (first, 3, 4):
            a.record_dropped(claim(term))
        assert b.acquire(b.open_session()).dropped == {claim(first)}

    def test_so_is_that_of_the_one_before_which_was_passed_on(self, a: LeaseStore, b: LeaseStore) -> None:
        session = a.open_session()
        first = a.acquire(session).term
        passed = replace(active(first, phase=Phase.PASSED), inherits=active(3, node="b"))
        a.release(session, passed)
        b.record_dropped(claim(3, "b"))
        b.record_dropped(claim(first))
        assert b.acquire(b.open_session()).dropped == {claim(3, "b"), claim(first)}

    def test_a_term_that_nobody_can_have_had_is_no_heartbeat(self, pool: Pool, a: LeaseStore) -> None:
        """A term is the index of an earlier write; nobody could ever exceed one that is made up."""
        for beat in (active(1 << 62), replace(active(5, phase=Phase.PASSED), inherits=active(6, node="b"))):
            pool.put_heartbeat(beat.to_json().encode())
            session = a.open_session()
            assert a.acquire(session).predecessor is None
            assert heartbeat(pool) is None
            a.destroy(session)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{}",
            b"garbage",
            b"\xff\xfe\x00",
            b"[" * 3000,
            b'{"v":1,"term":1,"sequence":1,"node":"a","phase":"active","gone_within":' + b"9" * 400 + b"}",
        ],
        ids=["empty", "object", "text", "bytes", "deep", "huge"],
    )
    def test_an_unreadable_predecessor_is_none(self, pool: Pool, a: LeaseStore, raw: bytes) -> None:
        pool.put_heartbeat(raw)
        got = a.acquire(a.open_session())
        assert isinstance(got, Acquisition)
        assert got.predecessor is None
        assert heartbeat(pool) is None

    def test_of_many_at_once_one_gets_it(self, pool: Pool) -> None:
        stores = [pool.lease(f"n{number}") for number in range(6)]
        sessions = [store.open_session() for store in stores]
        outcomes: list[str] = []

        def try_it(store: LeaseStore, session: str) -> None:
            try:
                store.acquire(session)
                outcomes.append("got it")
            except CallError as error:
                outcomes.append(str(error.kind))

        threads = [threading.Thread(target=try_it, args=pair) for pair in zip(stores, sessions, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert sorted(outcomes) == ["got it", *["refused"] * 5]


class TestBeat:
    """It succeeds only while the lock is the session's, in one order with all acquisitions."""

    @pytest.fixture
    def held(self, a: LeaseStore) -> tuple[str, int]:
        session = a.open_session()
        return session, a.acquire(session).term

    def test_it_can_be_read_as_it_was_written(self, pool: Pool, a: LeaseStore, held: tuple[str, int]) -> None:
        session, term = held
        beat = Beat(
            term, 3, "a", Phase.WAITING, 15.0, 99, "b", "a cause – ünïcode", inherits=active(term - 1, 9, "b")
        )
        a.beat(session, beat)
        assert eventually(lambda: heartbeat(pool) == beat)

    def test_each_write_has_an_index_of_its_own(
        self, pool: Pool, a: LeaseStore, held: tuple[str, int]
    ) -> None:
        session, term = held
        indices = []
        for sequence in (1, 2, 1):
            a.beat(session, active(term, sequence))
            indices.append(a.acquire(session).predecessor)
        assert len({stored.index for stored in indices if isinstance(stored, StoredBeat)}) == 3

    def test_but_the_same_content_again_is_no_write(self, a: LeaseStore, held: tuple[str, int]) -> None:
        """So no two beats of a term may be equal: the second would look as old as the first."""
        session, term = held
        a.beat(session, active(term))
        first = a.acquire(session).predecessor
        with pytest.raises(CallError) as error:
            a.beat(session, active(term))
        assert error.value.kind is Kind.GARBAGE
        assert a.acquire(session).predecessor == first

    def test_not_without_the_lock(self, b: LeaseStore) -> None:
        with pytest.raises(CallError) as error:
            b.beat(b.open_session(), active(1))
        assert refused(error)

    def test_not_after_a_release(self, a: LeaseStore, held: tuple[str, int]) -> None:
        session, term = held
        a.release(session, active(term))
        with pytest.raises(CallError) as error:
            a.beat(session, active(term, 2))
        assert refused(error)

    def test_not_after_the_session_has_ended(self, pool: Pool, a: LeaseStore, held: tuple[str, int]) -> None:
        session, term = held
        pool.expire(session)
        with pytest.raises(CallError) as error:
            a.beat(session, active(term))
        assert refused(error)

    def test_not_after_the_lock_was_taken_away_by_hand(
        self, pool: Pool, a: LeaseStore, held: tuple[str, int]
    ) -> None:
        session, term = held
        pool.free_lock()
        a.renew(session)
        with pytest.raises(CallError) as error:
            a.beat(session, active(term))
        assert refused(error)

    def test_not_after_the_key_was_deleted(self, pool: Pool, a: LeaseStore, held: tuple[str, int]) -> None:
        session, term = held
        pool.delete_lock()
        with pytest.raises(CallError) as error:
            a.beat(session, active(term))
        assert refused(error)

    def test_not_after_somebody_else_has_it(
        self, pool: Pool, a: LeaseStore, b: LeaseStore, held: tuple[str, int]
    ) -> None:
        session, term = held
        pool.free_lock()
        b.acquire(b.open_session())
        with pytest.raises(CallError) as error:
            a.beat(session, active(term))
        assert refused(error)

    def test_a_refused_beat_writes_nothing(self, pool: Pool, a: LeaseStore, held: tuple[str, int]) -> None:
        session, term = held
        a.beat(session, active(term, 1))
        pool.free_lock()
        for write in (a.beat, a.release):
            with pytest.raises(CallError):
                write(session, active(term, 2))
        assert heartbeat(pool) == active(term, 1)

    def test_not_in_a_later_term_of_the_same_session(self, a: LeaseStore, held: tuple[str, int]) -> None:
        """A call that Consul had held up for seconds must not pass for one of the term that came since."""
        session, term = held
        a.release(session, active(term))
        later = a.acquire(session).term
        a.beat(session, active(later))
        with pytest.raises(CallError) as error:
            a.beat(session, active(term, 9))
        assert refused(error)


class TestRelease:
    def test_it_marks_and_frees_in_one_step(self, pool: Pool, a: LeaseStore, b: LeaseStore) -> None:
        session = a.open_session()
        term = a.acquire(session).term
        last = active(term, 5, phase=Phase.RELEASED)
        a.release(session, last)
        got = b.acquire(b.open_session())
        assert got.predecessor is not None
        assert got.predecessor.beat == last

    def test_nobody_ever_sees_the_lock_free_without_the_mark(
        self, pool: Pool, a: LeaseStore, b: LeaseStore
    ) -> None:
        session, other = a.open_session(), b.open_session()
        for number in range(5):
            term = a.acquire(session).term
            got: list[Acquisition] = []
            taker = threading.Thread(target=_take, args=(b, other, got))
            taker.start()
            a.release(session, active(term, number, phase=Phase.RELEASED))
            taker.join(10)
            assert got[0].predecessor is not None
            assert got[0].predecessor.beat == active(term, number, phase=Phase.RELEASED)
            b.release(other, active(got[0].term, node="b"))

    def test_a_second_one_is_refused(self, a: LeaseStore) -> None:
        session = a.open_session()
        term = a.acquire(session).term
        a.release(session, active(term))
        with pytest.raises(CallError) as error:
            a.release(session, active(term, 2))
        assert refused(error)

    def test_one_of_an_earlier_term_does_not_free_a_later_one(
        self, pool: Pool, a: LeaseStore, b: LeaseStore
    ) -> None:
        """Its first try was held up in Consul, the second got through, and the lock came back to us."""
        session = a.open_session()
        term = a.acquire(session).term
        a.release(session, active(term, 2, phase=Phase.RELEASED))
        later = a.acquire(session).term
        with pytest.raises(CallError) as error:
            a.release(session, active(term, 1, phase=Phase.RELEASED))
        assert refused(error)
        a.beat(session, active(later))

    def test_the_session_lives_on(self, a: LeaseStore) -> None:
        session = a.open_session()
        a.release(session, active(a.acquire(session).term))
        a.renew(session)
        a.acquire(session)


class TestSession:
    def test_renewing_one_that_is_not_known(self, a: LeaseStore) -> None:
        session = a.open_session()
        a.renew(session)
        a.destroy(session)
        with pytest.raises(CallError) as error:
            a.renew(session)
        assert refused(error, Kind.SESSION_GONE)

    def test_its_end_frees_the_lock_at_once(self, pool: Pool, a: LeaseStore, b: LeaseStore) -> None:
        session, other = a.open_session(), b.open_session()
        for end in (a.destroy, pool.expire):
            session = a.open_session()
            a.acquire(session)
            end(session)
            got = b.acquire(other)
            b.release(other, active(got.term, node="b"))

    def test_destroying_one_that_is_gone_does_no_harm(self, a: LeaseStore) -> None:
        session = a.open_session()
        a.destroy(session)
        a.destroy(session)

    def test_feeding(self, a: LeaseStore) -> None:
        a.open_session()
        a.feed()
        a.feed()

    def test_opening_another_one_beside_it(self, a: LeaseStore) -> None:
        first, second = a.open_session(), a.open_session()
        assert first != second
        a.renew(first)
        a.renew(second)


class TestHistory:
    """The id of Consul's history: one for all, made once, and lost with everything else."""

    def test_it_is_made_once(self, a: LeaseStore, b: LeaseStore) -> None:
        made = a.history_id()
        assert re.fullmatch("[0-9a-f]{32}", made)
        assert a.history_id() == b.history_id() == made
        assert b.acquire(b.open_session()).history == made

    def test_whoever_comes_first_makes_it(self, pool: Pool) -> None:
        found: list[str] = []
        stores = [pool.lease(f"n{number}") for number in range(6)]
        threads = [threading.Thread(target=lambda s=s: found.append(s.history_id())) for s in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(found) == 6
        assert len(set(found)) == 1

    def test_one_that_is_lost_is_made_anew_and_never_the_same(self, pool: Pool, a: LeaseStore) -> None:
        before = a.history_id()
        pool.lose_history()
        assert eventually(lambda: pool.watch().history(None, 0.0)[1] == "")
        got = a.acquire(a.open_session()).history
        assert got != before
        assert eventually(lambda: pool.watch().history(None, 0.0)[1] == got)

    def test_it_is_renewed_once_however_many_want_it(self, a: LeaseStore, b: LeaseStore) -> None:
        before = a.history_id()
        a.renew_history(before)
        renewed = a.history_id()
        assert renewed != before
        b.renew_history(before)
        assert b.history_id() == renewed

    def test_a_new_one_wakes_the_watch(self, pool: Pool, a: LeaseStore) -> None:
        before = a.history_id()
        assert eventually(lambda: pool.watch().history(None, 0.0)[1] == before)
        watch = pool.watch()
        at, _ = watch.history(None, 0.0)
        a.renew_history(before)
        assert watch.history(at, 2.0)[1] == a.history_id()


class TestDropped:
    def test_records_come_and_go(self, pool: Pool, a: LeaseStore) -> None:
        for term in (3, 4, 5):
            a.record_dropped(claim(term))
        a.record_dropped(claim(4, height=104))
        kept = {claim(3), claim(4, height=104), claim(5)}
        assert eventually(lambda: pool.watch().dropped(None, 0.0)[1] == kept)
        a.forget_dropped(5)
        assert eventually(lambda: pool.watch().dropped(None, 0.0)[1] == {claim(5)})
        a.forget_dropped(0)
        assert pool.watch().dropped(None, 0.0)[1] == {claim(5)}

    def test_there_may_be_none(self, pool: Pool, a: LeaseStore) -> None:
        a.forget_dropped(100)
        assert pool.watch().dropped(None, 0.0)[1] == frozenset()


def _take(store: LeaseStore, session: str, got: list[Acquisition]) -> None:
    end = time.monotonic() + 5
    while not got and time.monotonic() < end:
        try:
            got.append(store.acquire(session))
        except CallError as error:
            assert error.kind is Kind.REFUSED
