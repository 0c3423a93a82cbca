"""The neard whose key goes to another host is restarted with the release, not some seconds later.

As long as it lives it signs newer records of where the validator is, and its connections for the key swallow
what is sent to the account.
"""

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core.effects import Effect
from hafailover.core.views import KeyState, NeardPhase, Orders, Request, Role

from .bench import KEY, Core, member, of

RESTART = [ef.RestartNeard("it held the key until now, and b takes over")]
RESTART_FOR_ANY = [ef.RestartNeard("it held the key until now, and another host takes over")]


def active(*others: str, **config: bool) -> Core:
    """This host signs, and its neard has had the key."""
    core = Core(**config).arm()
    core.say_guard(tainted=True)
    core.feed(ev.MembersSeen(tuple(member(node) for node in others), KEY))
    return core


def dropped(core: Core, **more: object) -> list[Effect]:
    """The guard confirms that the key is gone; beats that are under way are answered."""
    return core.answered(core.say_guard(key=KeyState.ABSENT, retired=20, **more) + core.wait(0.1))


def switched_over(core: Core) -> None:
    core.feed(ev.RequestSeen(Request("wish", "b", 20)))
    core.feed(ev.MembersSeen((member("b", prepared_for="wish"),), KEY))


def test_a_switchover_releases_and_restarts_in_one_step() -> None:
    core = active("b")
    switched_over(core)
    core.answered(core.wait(0.3))
    steps = [core.say_guard(key=KeyState.ABSENT, retired=20), core.tick(0.01), core.tick(0.01)]
    both = [step for step in steps if of(ef.Release, step)]
    assert len(both) == 1
    assert of(ef.RestartNeard, both[0]) == RESTART


def test_not_before_the_drop_is_confirmed() -> None:
    core = active("b")
    switched_over(core)
    assert of(ef.RestartNeard, core.wait(1.0)) == []
    assert of(ef.RestartNeard, core.say_guard(key=KeyState.DROPPING) + core.wait(0.3)) == []
    assert of(ef.RestartNeard, dropped(core)) == RESTART


def test_once_however_often_the_release_is_tried() -> None:
    core = active("b")
    switched_over(core)
    effects = dropped(core)
    released = len(of(ef.Release, effects))
    effects += core.feed(ev.ReleaseAnswered(20, ev.Outcome.NO_PROOF)) + core.wait(1.0)
    assert len(of(ef.Release, effects)) == released + 1
    assert of(ef.RestartNeard, effects) == RESTART


def test_a_drained_host_restarts_its_neard() -> None:
    core = active("b")
    core.feed(ev.OrdersSeen(Orders(drained=frozenset({"a"}))))
    assert of(ef.RestartNeard, dropped(core)) == RESTART


def test_one_that_gives_way_to_whoever_comes_does_so_too() -> None:
    core = active("b", "c")
    core.silence(0.2)
    effects = core.feed(ev.GuardSeen(core.state.guard)) if core.state.guard else []
    for _ in range(12):
        effects += core.answered(core.feed(ev.GuardSeen(core.state.guard), after=0.5))  # type: ignore[arg-type]
        if of(ef.DropGuard, effects):
            break
    assert of(ef.DropGuard, effects), "neard's RPC was silent"
    assert of(ef.RestartNeard, dropped(core)) == RESTART_FOR_ANY


def lost(core: Core) -> list[Effect]:
    core.feed(ev.SessionGone("session-a"))
    return dropped(core)


def test_a_lost_lease_restarts_it_where_another_is_ready() -> None:
    assert of(ef.RestartNeard, lost(active("b"))) == RESTART_FOR_ANY


def test_the_only_host_that_is_ready_keeps_its_neard() -> None:
    core = active()
    assert of(ef.RestartNeard, lost(core) + core.wait(3.0)) == []


def test_while_failover_is_paused_it_is_the_one_that_takes_over_from_itself() -> None:
    core = active("b")
    core.feed(ev.OrdersSeen(Orders(paused_until=core.now + 600)))
    assert of(ef.RestartNeard, lost(core)) == []


def test_a_switchover_goes_by_its_name_amid_a_pause() -> None:
    core = active("b")
    core.feed(ev.OrdersSeen(Orders(paused_until=core.now + 600)))
    switched_over(core)
    assert of(ef.RestartNeard, dropped(core)) == RESTART


def test_not_where_the_operator_does_not_want_it() -> None:
    core = active("b", restart_after_drop=False)
    switched_over(core)
    assert of(ef.RestartNeard, dropped(core)) == []


@pytest.mark.parametrize("phase", [NeardPhase.DOWN, NeardPhase.BOOTING, NeardPhase.STOPPING])
def test_one_that_has_ended_or_ends_already_is_left_alone(phase: NeardPhase) -> None:
    core = active("b")
    switched_over(core)
    effects = dropped(core, neard=phase, tainted=False) + core.wait(0.5)
    assert of(ef.Release, effects)
    assert of(ef.RestartNeard, effects) == []


# --- cut off from Consul: nobody tells this host who takes over


def fenced(*others: str) -> Core:
    """Its beats have failed for so long that its guard has dropped the key."""
    core = active(*others)
    core.wait(7.2, beats=ev.Outcome.NO_PROOF)
    core.answer_beats(core.say_guard(key=KeyState.ABSENT), ev.Outcome.NO_PROOF)
    assert core.role is Role.FENCED, core.reason
    return core


def test_a_fenced_host_keeps_its_neard_since_it_may_be_the_last_one() -> None:
    core = fenced("b")
    assert of(ef.RestartNeard, core.wait(20.0, beats=ev.Outcome.NO_PROOF)) == []


def test_it_restarts_it_when_it_learns_that_its_lease_is_lost() -> None:
    core = fenced("b")
    core.wait(20.0, beats=ev.Outcome.NO_PROOF)
    assert of(ef.RestartNeard, lost(core)) == RESTART_FOR_ANY
