"""Work of the account that no host of the pool did: before a first term, and while no host signs."""

from __future__ import annotations

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import foreign
from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.views import KeyState, LockView, NeardPhase, Orders, Role
from hafailover.core.work import Counts, Pass, Work

from .bench import DEFAULT, OTHER, SESSION, Core, beat, drops, guard, member, neard, of, stored

LONGEST = DEFAULT.longest_wait_s


class Watched(Core):
    """A core whose neard tells each second what the chain counts; ``signer``: somebody does the work."""

    def __init__(self, *, due_every_s: float = 1.0, signer: bool = False, **config: object) -> None:
        super().__init__(**config)  # type: ignore[arg-type]
        self.no_validator = False
        self.due_every_s = due_every_s
        self.signer = signer
        self.epoch = 1
        self.answers = True
        self.took_s = 0.0
        self.expected = 100.0
        self.produced = 90
        self._due = 100

    def look(self) -> list[ef.Effect]:
        if not self.answers:
            return self.feed(ev.WorkFailed("no answer within 1 s"))
        due = int(self.expected)
        if self.signer:
            self.produced += due - self._due
        self._due = due
        counts = Counts(0, 0, self.produced), Counts(0, 0, due)
        return self.feed(ev.WorkSeen(Work(self.now, self.epoch, True, *counts, took_s=self.took_s)))

    def watch(self, seconds: float) -> list[ef.Effect]:
        found: list[ef.Effect] = []
        for _ in range(round(seconds)):
            found += self.wait(1.0)
            self.expected += 1.0 / self.due_every_s
            found += self.answer_beats(effects := self.look()) + effects
        return found

    def new_epoch(self, produced: int = 0) -> None:
        self.epoch += 1
        self.expected, self._due, self.produced = float(produced), produced, produced


def first(predecessor: StoredBeat | None = None, **given: object) -> Watched:
    core = Watched(**given)  # type: ignore[arg-type]
    core.stand_by().wait_on(predecessor)
    return core


# --- a first term


def test_nobody_works_so_a_first_term_arms_after_the_longest_wait() -> None:
    core = first()
    assert of(ef.ArmGuard, core.watch(LONGEST - 1)) == []
    assert of(ef.ArmGuard, core.watch(3))


def test_somebody_works_so_it_does_not_arm_and_says_who_to_look_for() -> None:
    core = first(signer=True)
    assert of(ef.ArmGuard, core.watch(200)) == []
    assert core.role is Role.PROMOTING
    assert "somebody else signs for pool.near: 0 blocks, 0 chunks, 1" in core.reason
    for words in (
        "look for another neard with this key",
        "old validator",
        "second Consul",
        "allow-first-term",
    ):
        assert words in core.reason
    assert foreign.is_alarm(core.state)


def test_it_is_said_during_the_wait_already() -> None:
    core = first(signer=True)
    core.watch(8)
    assert "somebody else signs for pool.near" in core.reason
    assert not foreign.is_alarm(core.state), "a host of the pool may have the key still"


def test_it_arms_by_itself_once_the_other_has_ended() -> None:
    core = first(signer=True)
    core.watch(60)
    core.signer = False
    assert of(ef.ArmGuard, core.watch(foreign.QUIET_S - 1)) == []
    assert of(ef.ArmGuard, core.watch(3))
    assert not foreign.is_alarm(core.state)
    assert foreign.text(core.state, core.now) == ""


def test_the_time_that_neard_takes_to_answer_is_no_time_without_work() -> None:
    core = first(signer=True)
    core.took_s = 4.0
    core.watch(60)
    core.signer = False
    assert of(ef.ArmGuard, core.watch(foreign.QUIET_S + core.took_s - 1)) == [], "counted up to 4 s later"
    assert of(ef.ArmGuard, core.watch(3))


def test_what_was_under_way_at_the_acquisition_is_not_held_against_it() -> None:
    core = first(signer=True)
    core.watch(3)
    core.signer = False
    assert of(ef.ArmGuard, core.watch(LONGEST - 1))


def test_one_that_misses_some_duties_is_seen_all_the_same() -> None:
    core = first()
    for _ in range(20):
        core.signer = True
        assert of(ef.ArmGuard, core.watch(1)) == []
        core.signer = False
        assert of(ef.ArmGuard, core.watch(6)) == []


def test_a_small_validator_is_watched_for_as_long_as_a_duty_may_take() -> None:
    core = first(due_every_s=70.0)
    assert of(ef.ArmGuard, core.watch(foreign.IDLE_S - 1)) == []
    assert "watching the chain for proof that nobody else signs for pool.near" in core.reason
    assert of(ef.ArmGuard, core.watch(8))


def test_an_own_block_begins_the_time_without_work_anew() -> None:
    core = first()
    core.watch(LONGEST - 2)
    core.feed(ev.OwnBlockSeen(101))
    assert of(ef.ArmGuard, core.watch(foreign.QUIET_S - 1)) == []
    assert of(ef.ArmGuard, core.watch(3))


def test_an_account_that_is_no_validator_has_nothing_to_show() -> None:
    core = Core().stand_by().wait_on(None)
    assert of(ef.ArmGuard, core.wait(LONGEST + 1))


def test_no_data_is_no_proof_and_another_host_may_know_more() -> None:
    core = first()
    core.watch(4)
    core.answers = False
    effects = core.watch(LONGEST - 4 + 2)
    assert of(ef.ArmGuard, effects) == []
    assert "neard does not tell what pool.near does on the chain (no answer within 1 s)" in core.reason
    effects = core.watch(3)
    assert of(ef.ArmGuard, effects) == []
    [given_up] = drops(effects)
    assert "neard does not tell" in given_up.reason


def test_an_epoch_ends_while_it_watches() -> None:
    core = first()
    core.watch(10)
    core.new_epoch()
    assert of(ef.ArmGuard, core.watch(foreign.QUIET_S - 1)) == []
    assert of(ef.ArmGuard, core.watch(3))


def test_work_of_the_new_epoch_counts_though_its_counts_are_lower() -> None:
    core = first()
    core.watch(10)
    core.new_epoch(produced=2)
    core.watch(1)
    assert "somebody else signs for pool.near: 0 blocks, 0 chunks, 2 endorsements" in core.reason


def test_counts_that_go_back_are_another_branch_and_show_nothing() -> None:
    core = first()
    core.watch(10)
    core.produced -= 5
    core.watch(1)
    assert "somebody else" not in core.reason
    assert of(ef.ArmGuard, core.watch(foreign.QUIET_S - 1)) == []
    assert of(ef.ArmGuard, core.watch(3))


# --- who is on record


ACTIVE = beat(term=10)


@pytest.mark.parametrize(
    ("found", "first_term"),
    [
        (None, True),
        (ACTIVE, False),
        (beat(phase=Phase.RELEASED), False),
        (beat(phase=Phase.PASSED), True),
        (beat(phase=Phase.WAITING), True),
        (beat(phase=Phase.PASSED, inherits=beat(phase=Phase.WAITING)), True),
        (beat(phase=Phase.PASSED, inherits=ACTIVE), False),
        (beat(phase=Phase.WAITING, inherits=ACTIVE), False),
    ],
)
def test_who_may_have_signed_before(found: object, first_term: bool) -> None:
    assert foreign.nobody_on_record(stored(found) if found is not None else None) is first_term  # type: ignore[arg-type]


def test_a_pool_whose_consul_kept_its_data_goes_on_as_ever() -> None:
    core = first(stored(ACTIVE), signer=True, watched_s=None)
    assert not core.hold.first
    assert of(ef.ArmGuard, core.watch(LONGEST + 1))


# --- the order


def test_an_order_overrides_it_once() -> None:
    core = first(signer=True)
    core.watch(60)
    effects = core.feed(ev.FirstTermAllowed(Pass("o1", "root@a", core.now + 600)))
    assert of(ef.ArmGuard, effects)
    assert of(ef.EndFirstTermOrder, effects) == [ef.EndFirstTermOrder("o1", "root@a", 20)]
    assert core.state.chain.order is None


def test_an_order_does_not_shorten_the_wait_for_the_pools_own_keys() -> None:
    core = first(signer=True)
    core.feed(ev.FirstTermAllowed(Pass("o1", "root@a", core.now + 600)))
    assert of(ef.ArmGuard, core.watch(LONGEST - 1)) == []
    assert of(ef.ArmGuard, core.watch(2))


def test_an_order_that_is_old_or_taken_back_counts_for_nothing() -> None:
    core = first(signer=True)
    core.feed(ev.FirstTermAllowed(Pass("o1", "root@a", core.now + 10)))
    assert of(ef.ArmGuard, core.watch(40)) == []
    core.feed(ev.FirstTermAllowed(None))
    assert of(ef.ArmGuard, core.watch(40)) == []


# --- an alarm while the pool lives


def free(**given: object) -> Watched:
    """A host that is not ready to take the free lock, and watches the chain."""
    core = Watched(**given)  # type: ignore[arg-type]
    core.feed(ev.OrdersSeen(Orders(paused_until=core.now + 10_000)))
    return core.stand_by(holder=None)  # type: ignore[return-value]


def test_work_while_the_lock_is_free_is_an_alarm() -> None:
    core = free(signer=True)
    core.watch(40)
    assert foreign.is_alarm(core.state)
    assert "somebody else signs for pool.near" in foreign.text(core.state, core.now)


def test_work_of_a_holder_that_is_gone_may_be_counted_late() -> None:
    core = free()
    core.feed(ev.BeatSeen(stored(ACTIVE)))
    core.signer = True
    core.watch(DEFAULT.gone_within_s + 3)
    core.signer = False
    core.watch(60)
    assert not foreign.is_alarm(core.state)
    assert core.state.chain.evidence.finding is None


def test_news_of_a_signer_that_come_late_end_the_suspicion() -> None:
    core = free()
    core.watch(30)
    core.signer = True
    core.watch(2)
    assert core.state.chain.evidence.finding is not None
    core.feed(ev.LockSeen(LockView(OTHER, "b", 30)))
    core.feed(ev.BeatSeen(stored(beat(term=30), 2000)))
    core.watch(30)
    assert not foreign.is_alarm(core.state)


@pytest.mark.parametrize("what", ["held", "outage", "unsteady", "own key", "no watch", "syncing"])
def test_no_alarm_where_this_host_cannot_know(what: str) -> None:
    core = free(signer=True, watched_s=None if what == "no watch" else 60.0)
    if what == "held":
        core.feed(ev.LockSeen(LockView(OTHER, "b", 30)))
    elif what == "outage":
        core.outage = True
        core.silence(12)
    elif what == "unsteady":
        core.feed(ev.NeardSeen(neard(steady=False)))
    elif what == "own key":
        core.feed(ev.GuardSeen(guard(KeyState.LOADED, term=7)))
    elif what == "syncing":
        core.feed(ev.NeardSeen(neard(syncing=True)))
    core.watch(60)
    assert not foreign.is_alarm(core.state)


def test_an_active_is_no_alarm_to_itself() -> None:
    core = Watched(signer=True)
    core.arm()
    core.watch(60)
    assert not foreign.is_alarm(core.state)
    assert core.role is Role.ACTIVE


def test_an_alarm_stands_for_a_while_after_the_pool_signs_again() -> None:
    core = free(signer=True)
    core.watch(40)
    core.feed(ev.LockSeen(LockView(OTHER, "b", 30)))
    core.watch(foreign.REMEMBERED_S - 60)
    assert foreign.is_alarm(core.state)
    core.watch(70)
    assert not foreign.is_alarm(core.state)


# --- the active's own duties


def test_an_active_that_does_nothing_knows_since_when() -> None:
    core = Watched()
    core.arm()
    core.watch(1)
    assert foreign.undone(core.state, core.now) == (Counts(), 0.0)
    core.watch(9)
    undone = foreign.undone(core.state, core.now)
    assert undone is not None
    assert undone[0] == Counts(0, 0, 9)
    assert undone[1] == pytest.approx(8.0, abs=0.5)
    core.signer = True
    core.watch(2)
    assert foreign.undone(core.state, core.now) == (Counts(), 0.0)
    core.answers = False
    core.watch(foreign.STALE_S + 1)
    assert foreign.undone(core.state, core.now) is None, "nobody knows"


def test_a_host_that_does_not_sign_has_no_duties() -> None:
    core = free()
    core.watch(30)
    assert foreign.undone(core.state, core.now) is None


def test_a_host_without_its_neard_knows_nothing() -> None:
    core = free(signer=True)
    core.feed(ev.GuardSeen(guard(neard=NeardPhase.DOWN)))
    core.watch(60)
    assert not foreign.is_alarm(core.state)


def test_a_session_of_its_own_does_not_count_as_another_holder() -> None:
    core = first(signer=True)
    core.feed(ev.LockSeen(LockView(SESSION, "a", 20)))
    core.feed(ev.MembersSeen((member("b"),), core.state.pool_public_key))
    core.watch(60)
    assert foreign.is_alarm(core.state)
