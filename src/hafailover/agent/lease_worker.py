"""Carries out what the core wants of the lease, one call after the other, in a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime
from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.beat import Phase
from hafailover.lock.base import LeaseStore
from hafailover.lock.errors import CallError, Kind
from hafailover.log import fields

log = logging.getLogger(__name__)

LeaseEffect = ef.Acquire | ef.SendBeat | ef.Release | ef.RenewHistory


class LeaseWorker:
    """Acquires, beats and releases.

    :param observe_beat: takes the seconds that each good beat took, for the metrics.
    """

    def __init__(
        self, store: LeaseStore, emit: Callable[[ev.Event], None], observe_beat: Callable[[float], None]
    ) -> None:
        self._store = store
        self._emit = emit
        self._observe_beat = observe_beat
        self._jobs: queue.Queue[LeaseEffect] = queue.Queue()
        self._complaints = Complaints("the lease in Consul")

    def start(self) -> None:
        threading.Thread(target=self._run, name="lease", daemon=True).start()

    def do(self, effect: LeaseEffect) -> None:
        self._jobs.put(effect)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            match job:
                case ef.Acquire(session):
                    self._acquire(session)
                case ef.SendBeat():
                    self._beat(job)
                case ef.Release():
                    self._release(job)
                case ef.RenewHistory(history):
                    self._renew_history(history)

    def _acquire(self, session: str) -> None:
        sent_at = boottime()
        try:
            got = self._store.acquire(session)
        except CallError as error:
            self._failed(error, session)
            self._emit(ev.AcquireAnswered(sent_at, _outcome(error), detail=str(error)))
            return
        self._emit(
            ev.AcquireAnswered(
                sent_at, ev.Outcome.OK, got.term, got.predecessor, got.dropped, history=got.history
            )
        )

    def _beat(self, job: ef.SendBeat) -> None:
        beat = job.beat
        # Before the call: whatever delays it, the lease must not seem younger than it is.
        sent_at = boottime()
        try:
            self._store.beat(job.session, beat)
        except CallError as error:
            outcome = _outcome(error)
            self._complain(error, outcome)
            self._emit(ev.BeatAnswered(beat.term, beat.sequence, sent_at, outcome, str(error)))
            self._failed(error, job.session)
            return
        self._observe_beat(boottime() - sent_at)
        self._complaints.fine()
        self._emit(ev.BeatAnswered(beat.term, beat.sequence, sent_at, ev.Outcome.OK))
        try:
            self._store.renew(job.session)
        except CallError as error:
            self._failed(error, job.session)

    def _release(self, job: ef.Release) -> None:
        try:
            self._store.release(job.session, job.beat)
        except CallError as error:
            self._complain(error, _outcome(error))
            self._emit(ev.ReleaseAnswered(job.beat.term, _outcome(error), str(error)))
            self._failed(error, job.session)
            return
        self._complaints.fine()
        what = "released" if job.beat.phase is Phase.RELEASED else "passed on"
        log.info("term %d: the lock is %s", job.beat.term, what, extra=fields(event=what.replace(" ", "_")))
        self._emit(ev.ReleaseAnswered(job.beat.term, ev.Outcome.OK))

    def _renew_history(self, history: str) -> None:
        """Once: what still stands in the way then is found by the next acquisition."""
        try:
            self._store.renew_history(history)
            self._emit(ev.HistorySeen(self._store.history_id(), certain=True))
        except CallError as error:
            self._complaints.trouble(str(error))
            return
        self._complaints.fine()
        log.warning(
            "Consul's index has gone back, so its history has a new id: all hosts wait longest once",
            extra=fields(event="history"),
        )

    def _complain(self, error: CallError, outcome: ev.Outcome) -> None:
        """Five tries a second fail where nobody listens, and say the same; a refusal comes once."""
        if outcome is ev.Outcome.REFUSED:
            log.warning("%s", error)
        else:
            self._complaints.trouble(str(error))

    def _failed(self, error: CallError, session: str) -> None:
        if error.kind is Kind.SESSION_GONE:
            self._emit(ev.SessionGone(session))


def _outcome(error: CallError) -> ev.Outcome:
    """Only Consul's own, final word is a refusal; everything else says nothing."""
    final = error.kind in (Kind.REFUSED, Kind.SESSION_GONE)
    return ev.Outcome.REFUSED if final else ev.Outcome.NO_PROOF
