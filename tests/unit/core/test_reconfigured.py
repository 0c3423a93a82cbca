"""Settings that the operator changes while the agent runs: they count from the next decision on."""

import pytest

from hafailover.core import effects as ef
from hafailover.core import events as ev
from hafailover.core import gates
from hafailover.core.views import LockView, Role

from .bench import KEY, Core, member, neard, of


def reconfigured(**changes: object) -> ev.Reconfigured:
    config = Core().state.config
    names = ev.Reconfigured.__dataclass_fields__
    given = {name: changes.get(name, getattr(config, name)) for name in names}
    return ev.Reconfigured(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("news", "changes"),
    [
        (ev.NeardSeen(neard(peers=4)), {"min_peers": 5}),
        (ev.MembersSeen((member("b", height=104),), KEY), {"max_lag_blocks": 3}),
    ],
)
def test_a_standby_is_measured_by_the_new_limits(news: ev.Event, changes: dict[str, object]) -> None:
    core = Core().stand_by()
    core.feed(news)
    assert core.reason == "ready"
    core.feed(reconfigured(**changes))
    assert core.reason.startswith("not ready: neard ")
    core.feed(reconfigured())
    assert core.reason == "ready"


def test_a_shadow_may_be_asked_for_or_not() -> None:
    core = Core().stand_by()
    core.feed(ev.NeardSeen(neard(shadow=False)))
    assert core.reason.startswith("not ready")
    core.feed(reconfigured(require_shadow=False))
    assert core.reason == "ready"


def test_a_higher_priority_takes_the_lock_without_a_pause() -> None:
    core = Core().stand_by()
    core.feed(ev.MembersSeen((member("b", priority=5),), KEY))
    assert gates.better_standby(core.state)
    core.feed(reconfigured(priority=10))
    assert not gates.better_standby(core.state)
    assert of(ef.Acquire, core.feed(ev.LockSeen(LockView(None, None, 15))))


def test_whoever_signs_goes_on_signing() -> None:
    core = Core().arm()
    before = core.hold
    effects = core.feed(reconfigured(priority=-100, min_peers=2, max_lag_blocks=0, restart_after_drop=False))
    assert effects == []
    assert core.role is Role.ACTIVE
    assert core.hold == before
