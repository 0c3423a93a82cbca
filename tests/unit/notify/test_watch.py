"""Which steps of the core are news, and what is said of them, from whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hafailover.core import events as ev
from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.forced import FORCE_AFTER_S
from hafailover.core.state import Stage
from hafailover.core.views import KeyState, LockView, NeardPhase, Request, Role
from hafailover.core.work import Counts, Work
from hafailover.notify.notice import Notice, Severity, What, message
from hafailover.notify.watch import RoleWatch, drill_failed

from ..core.bench import KEY, SESSION, Core, beat, dropped, guard, member, neard, stored


class Told(Core):
    """A core whose every step is shown to the watch, as the agent does it."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.watch = RoleWatch("a", "relayed")
        self.news: list[Notice] = []

    def step(self, event: ev.Event) -> list[Any]:
        before = self.state
        effects = super().step(event)
        self.news += self.watch.step(before, self.state, effects)
        return effects

    def take_over(self, predecessor: StoredBeat | None, **more: Any) -> Notice:
        """From a ready standby to the loaded key, on a chain that goes on; what was told."""
        self.stand_by().wait_on(predecessor, **more)
        for height in range(101, 500):
            self.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard(height)))
            self.feed(ev.WorkSeen(Work(self.now, 1, validator=False)))
            self.wait(0.2)
            if self.hold.stage is Stage.ARMING:
                break
        self.answer_beats(self.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)), after=0.1))
        assert self.role is Role.ACTIVE, self.reason
        (one,) = self.news
        return one


def test_a_successor_tells_of_a_planned_handover() -> None:
    core = Told().arm(cause="switchover asked for")
    assert isinstance(core, Told)
    (one,) = core.news
    assert (one.what, one.severity, one.term) == (What.BECAME_ACTIVE, Severity.INFO, 20)
    assert (one.from_node, one.to_node, one.planned) == ("b", "a", True)
    assert one.cause == "switchover asked for"
    assert one.text == "a signs now, in term 20, in place of b, which handed over: switchover asked for."


def test_who_signs_without_a_lease_says_so_loudly() -> None:
    core = Told().stand_by()
    assert isinstance(core, Told)
    core.outage = True
    core.wait(FORCE_AFTER_S + 1)
    core.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard(looked_at=core.now)))
    core.feed(ev.TakeoverOrdered("o1", "root@a", core.now))
    core.say_guard(key=KeyState.LOADED, term=core.state.forced.term if core.state.forced else 0)
    core.feed(ev.ConsulAnswered())
    core.say_guard(key=KeyState.ABSENT, retired=99)
    began, over = core.news
    assert (began.severity, began.summary) == (Severity.CRITICAL, "a signs WITHOUT A LEASE")
    assert "forced by root@a" in began.text
    assert (over.what, over.cause) == (What.CEASED, "Consul answers again")


def test_a_successor_tells_of_the_death_that_nobody_else_can() -> None:
    one = Told().take_over(stored(beat()))
    assert (one.what, one.severity, one.planned) == (What.BECAME_ACTIVE, Severity.WARNING, False)
    assert "in place of b, which has gone silent: its agent, its host or its network is down" in one.text
    assert "b cannot report this itself, so its successor does" in one.text
    assert one.waited_s is not None
    assert one.waited_s > 8


def test_a_successor_tells_what_the_one_before_gave_as_its_reason() -> None:
    one = Told().take_over(stored(beat(phase=Phase.RELEASED, cause="neard is down")))
    assert one.severity is Severity.WARNING
    assert (one.cause, one.planned) == ("neard is down", False)
    assert "in place of b, which gave up: neard is down" in one.text


def test_a_successor_tells_of_a_confirmed_drop() -> None:
    one = Told().take_over(stored(beat()), dropped=dropped(10))
    assert "which lost the lock and has confirmed that its key is gone" in one.text
    assert one.severity is Severity.WARNING


def test_the_first_of_all_says_that_it_knows_of_none() -> None:
    one = Told(watched_s=None).take_over(None)
    assert one.from_node is None
    assert "Nothing is known of who signed before" in one.text


def hand_over(core: Told) -> None:
    core.feed(ev.MembersSeen((member("b", prepared_for="r1"),), KEY))
    core.feed(ev.RequestSeen(Request("r1", "b", 20)))
    core.feed(ev.MembersSeen((member("b", prepared_for="r1"),), KEY), after=0.1)
    core.feed(ev.GuardSeen(guard(KeyState.ABSENT, term=20, retired=20)), after=0.1)
    core.tick(0.1)
    core.feed(ev.ReleaseAnswered(20, ev.Outcome.OK), after=0.1)


def test_the_one_before_tells_that_it_has_ceased_and_to_whom_it_hands_over() -> None:
    core = Told()
    core.arm()
    core.news.clear()
    hand_over(core)
    assert core.state.hold is None
    (one,) = core.news
    assert (one.what, one.severity, one.planned) == (What.CEASED, Severity.INFO, True)
    assert (one.from_node, one.to_node, one.cause) == ("a", "b", "switchover asked for")
    assert "hands over to b: switchover asked for" in one.text


def test_an_active_whose_neard_dies_says_so() -> None:
    core = Told()
    core.arm()
    core.news.clear()
    core.say_guard(neard=NeardPhase.DOWN, key=KeyState.ABSENT, retired=20)
    core.tick(0.1)
    core.feed(ev.ReleaseAnswered(20, ev.Outcome.OK), after=0.1)
    (one,) = core.news
    assert (one.what, one.severity, one.to_node) == (What.CEASED, Severity.WARNING, None)
    assert one.cause == "neard is down"


def fenced() -> Told:
    core = Told()
    core.arm()
    core.news.clear()
    core.wait(7.0, beats=ev.Outcome.NO_PROOF)
    core.say_guard(key=KeyState.DROPPING)
    core.say_guard(key=KeyState.ABSENT)
    assert core.hold.stage is Stage.FENCED
    return core


def test_a_fence_is_critical_and_its_end_is_told() -> None:
    core = fenced()
    (one,) = core.news
    assert (one.what, one.severity, one.term, one.from_node) == (What.FENCED, Severity.CRITICAL, 20, "a")
    assert "the lease could not be proved to Consul in time" in one.text
    core.wait(1.0)
    core.feed(ev.NeardSeen(neard(101)), after=0.01)
    core.wait(1.0)
    core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)), after=0.1)
    assert core.role is Role.ACTIVE, core.reason
    _, two = core.news
    assert (two.what, two.severity, two.term, two.to_node) == (What.RESUMED, Severity.INFO, 20, "a")


def test_a_lost_lock_is_a_fence_and_then_an_end() -> None:
    core = Told()
    core.arm()
    core.news.clear()
    core.wait(1.5, beats=ev.Outcome.REFUSED)
    assert [one.what for one in core.news] == [What.FENCED]
    assert core.news[0].cause.startswith("lock lost: ")
    core.say_guard(key=KeyState.ABSENT, retired=20)
    core.tick(0.1)
    assert [one.what for one in core.news] == [What.FENCED, What.CEASED]


def test_an_agent_that_goes_on_with_its_term_after_a_restart_has_no_news() -> None:
    core = Told()
    core.feeds(
        ev.GuardSeen(guard(KeyState.LOADED, term=20)),
        ev.NeardSeen(neard(public_key=KEY)),
        ev.MembersSeen((), KEY),
        ev.SessionReady(SESSION),
        ev.LockSeen(LockView(SESSION, "a", 20)),
    )
    core.feed(ev.AcquireAnswered(core.now, ev.Outcome.OK, 20, stored(beat(20, 99, "a"))), after=0.005)
    assert core.role is Role.ACTIVE
    assert core.news == []


def test_a_standby_that_stands_by_has_no_news() -> None:
    core = Told()
    core.stand_by()
    core.wait(20)
    core.feed(ev.NeardFailed("no answer"))
    core.wait(5)
    assert core.news == []


def test_a_drill_is_told_apart_by_its_end() -> None:
    one = drill_failed("agent", "its agent was not back within 20 s", "2026-11-23T15:00:00+00:00", 7)
    two = drill_failed("agent", "its agent was not back within 20 s", "2026-11-23T16:00:00+00:00", 7)
    assert one.key != two.key
    assert "its agent was not back within 20 s" in one.text


def test_what_others_wrote_forges_no_line() -> None:
    one = Told().take_over(stored(beat(phase=Phase.RELEASED, cause="neard\r\nis\x1b[2J down")))
    told = message(one, "pool.near", "a")
    assert told.title.isprintable()
    assert told.text.isprintable()
    assert told.document["cause"] == "neard\\r\\nis\\x1b[2J down"


class Producer:
    """An active whose neard tells each second what is due and what of it was done."""

    def __init__(self) -> None:
        self.core = Told().arm()
        self.core.no_validator = False
        self.expected, self.produced, self.height = 100, 90, 101

    def work(self, seconds: int, done: bool, moves: bool = True, seat: bool = True) -> list[What]:
        """What was told in that time. ``moves``: blocks come in. ``seat``: the account is a validator."""
        told = self.core
        assert isinstance(told, Told)
        told.news.clear()
        for _ in range(seconds):
            counts = Counts(endorsements=self.produced), Counts(endorsements=self.expected)
            told.wait(1.0)
            self.height += moves
            told.feed(ev.NeardSeen(neard(self.height, public_key=KEY)))
            told.answer_beats(told.feed(ev.WorkSeen(Work(told.now, 1, seat, *counts))))
            self.expected, self.produced = self.expected + moves, self.produced + (done and moves)
        return [one.what for one in told.news if one.what in (What.NOT_PRODUCING, What.PRODUCING)]


def test_an_active_whose_work_does_not_arrive_tells_so_once_and_when_it_arrives_again() -> None:
    one = Producer()
    assert one.work(30, done=True) == []
    # Seven of eight missed make it deaf, and nobody is woken before it has been so for ten seconds.
    assert one.work(16, done=False) == []
    assert one.work(9, done=False) == [What.NOT_PRODUCING]
    (notice,) = (found for found in one.core.news if found.what is What.NOT_PRODUCING)  # type: ignore[attr-defined]
    assert (notice.severity, notice.term, notice.planned) == (Severity.CRITICAL, 20, False)
    assert "a holds the key, and nothing of it arrives: 0 of the last 8 endorsements (30 of" in notice.text
    assert "Likely cause: look at its neard's peers, port and load" in notice.text
    assert one.work(60, done=False) == []
    assert one.work(25, done=True) == []
    assert one.work(60, done=True) == [What.PRODUCING]
    assert one.work(60, done=True) == []


def test_a_chain_that_stands_still_is_told_once_and_when_it_goes_on() -> None:
    one = Producer()
    assert one.work(30, done=True) == []
    # 15 s until its head is old, and 10 s more until somebody is woken.
    assert one.work(24, done=True, moves=False) == []
    assert one.work(3, done=True, moves=False) == [What.NOT_PRODUCING]
    (notice,) = (found for found in one.core.news if found.what is What.NOT_PRODUCING)  # type: ignore[attr-defined]
    assert "the chain stands still, or this site is cut off from it: last block 2" in notice.text
    assert "uplink" in notice.text
    assert one.work(60, done=True, moves=False) == []
    assert one.work(25, done=True) == []
    assert one.work(10, done=True) == [What.PRODUCING]


def test_a_silence_begins_the_half_minute_of_good_work_anew() -> None:
    """Its neard may have missed any number of duties meanwhile, or its guard may have been away."""
    one = Producer()
    assert one.work(30, done=True) == []
    assert one.work(40, done=False) == [What.NOT_PRODUCING]
    # Good again after some ten seconds, so for twenty by now.
    assert one.work(30, done=True) == []
    one.core.feed(ev.GuardLost())
    one.core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=20)), after=0.1)
    assert one.work(25, done=True) == []
    assert one.work(10, done=True) == [What.PRODUCING]


def test_a_silence_wakes_nobody() -> None:
    """Bad for less than ten seconds when neard fell silent: for how long it was so is not known."""
    one = Producer()
    assert one.work(30, done=True) == []
    assert one.work(18, done=False) == []
    one.core.feed(ev.GuardLost())
    one.core.now += 25.0
    one.core.feed(ev.WorkFailed("no answer within 1 s"))
    assert not [news for news in one.core.news if news.what is What.NOT_PRODUCING]  # type: ignore[attr-defined]


def test_a_seat_that_is_lost_is_told_once_and_one_that_never_was_is_not() -> None:
    one = Producer()
    assert one.work(60, done=True, seat=False) == []
    assert one.work(30, done=True) == []
    assert one.work(3, done=True, seat=False) == [What.NOT_PRODUCING]
    (notice,) = (found for found in one.core.news if found.what is What.NOT_PRODUCING)  # type: ignore[attr-defined]
    assert "the account is no validator of this epoch" in notice.text
    assert "compare its stake with the price of a seat" in notice.text
    assert one.work(60, done=True, seat=False) == []
    assert one.work(40, done=True) == [What.PRODUCING]


def test_a_second_signing_is_told_of_like_the_first() -> None:
    one = Producer()
    assert one.work(30, done=True) == []
    assert one.work(40, done=False) == [What.NOT_PRODUCING]
    assert one.core.state.hold is not None
    hold = replace(one.core.state.hold, stage_since=one.core.now)
    one.core.state = replace(one.core.state, hold=hold)
    assert one.work(40, done=False) == [What.NOT_PRODUCING]


def test_a_short_cure_is_no_news_and_a_look_that_fails_is_none() -> None:
    one = Producer()
    assert one.work(30, done=True) == []
    assert one.work(40, done=False) == [What.NOT_PRODUCING]
    assert one.work(20, done=True) == []
    assert one.work(40, done=False) == []
    one.core.answer_beats(one.core.feed(ev.WorkFailed("no answer within 1 s")))
    assert one.work(5, done=False) == []
    assert one.work(80, done=True) == [What.PRODUCING]
