"""Each gate is a sentence when it is shut, and nothing when it is open."""

from typing import Any

import pytest

from hafailover.core import events as ev
from hafailover.core import gates
from hafailover.core.beat import Phase
from hafailover.core.views import Member, NeardPhase

from .bench import KEY, Core, beat, guard, member, neard, stored


def problems(*news: ev.Event, after: float = 0.0, **config: Any) -> list[str]:
    core = Core(**config).stand_by()
    core.feeds(*news)
    return gates.standby_problems(core.state, core.now + after)


def test_a_host_that_is_fit_has_none() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("news", "said"),
    [
        (ev.SessionGone("session-a"), "no session with Consul"),
        (ev.GuardLost(), "the guard is not connected"),
        (ev.GuardSeen(guard(neard=NeardPhase.DOWN)), "neard is down"),
        (ev.GuardSeen(guard(neard=NeardPhase.BOOTING)), "neard is booting"),
        (ev.NeardSeen(neard(syncing=True)), "neard is syncing"),
        (ev.NeardSeen(neard(peers=0)), "neard has 0 peers, fewer than 1"),
        (ev.MembersSeen((member("b", height=106),), KEY), "neard is 6 blocks behind, more than 5"),
        (ev.BeatSeen(stored(beat(height=106))), "neard is 6 blocks behind, more than 5"),
        (ev.GuardSeen(guard(problem="the credential is gone")), "the credential is gone"),
        (
            ev.MembersSeen((), "ed25519:other"),
            "the credential's public key is not the one on record for the pool",
        ),
        (
            ev.NeardSeen(neard(shadow=False)),
            "neard does not track the pool's shards: set tracked_shards_config to "
            '{"ShadowValidator": "pool.near"} in config.json',
        ),
    ],
)
def test_each_has_its_sentence(news: ev.Event, said: str) -> None:
    assert problems(news) == [said]


def test_a_host_that_is_not_in_the_pools_roster() -> None:
    core = Core().stand_by()
    missing = "this host's record is missing from the pool's in Consul"
    core.in_roster = False
    core.feed(ev.MembersSeen((member("b"),), KEY))
    assert gates.standby_problems(core.state, core.now) == [missing]
    assert gates.checklist(core.state, core.now)["in the pool's roster"] == missing
    core.feed(ev.MembersSeen((member("b"), member("a", alive=False)), KEY))
    assert gates.standby_problems(core.state, core.now) == [missing], "a record of an agent that is gone"
    core.in_roster = True
    core.feed(ev.MembersSeen((member("b"),), KEY))
    assert gates.standby_problems(core.state, core.now) == []


def test_the_key_of_another_account() -> None:
    other = guard().__class__(NeardPhase.UP, guard().key, public_key=KEY, account_id="other.near")
    assert problems(ev.GuardSeen(other)) == ["the guard's key is of account other.near, not pool.near"]


def test_a_guard_that_says_nothing() -> None:
    assert problems(after=3.0) == []
    assert problems(after=3.1) == ["the guard has been silent for 3 s"]


def test_an_rpc_that_never_answered_and_why() -> None:
    core = Core()
    core.feeds(ev.GuardSeen(guard()), ev.NeardFailed("connection refused"))
    assert gates.neard_problems(core.state, core.now) == ["neard's RPC does not answer (connection refused)"]


def test_an_rpc_that_no_longer_answers() -> None:
    core = Core().stand_by()
    core.feed(ev.NeardFailed("no answer"))
    for _ in range(6):
        core.feed(ev.GuardSeen(guard()), after=0.9)
    assert gates.neard_problems(core.state, core.now) == ["neard's RPC has not answered for 5 s (no answer)"]


class TestHead:
    """A head that stands still counts only where others have moved on."""

    def still(self, *others: Member) -> list[str]:
        core = Core().stand_by()
        for _ in range(32):
            core.feeds(ev.GuardSeen(guard()), ev.NeardSeen(neard(100)))
            core.tick(1.0)
        core.feed(ev.MembersSeen(others, KEY))
        return gates.neard_problems(core.state, core.now)

    def test_for_everybody_is_no_fault_of_this_host(self) -> None:
        assert self.still(member("b", height=100)) == []

    def test_behind_the_others_is(self) -> None:
        assert self.still(member("b", height=101)) == ["neard's head has not moved for 32 s"]

    def test_the_dead_say_nothing_of_the_chain(self) -> None:
        assert self.still(member("b", height=999, alive=False)) == []


class TestVersions:
    """A neard older than the active's may be kicked out for its protocol version."""

    def with_active(
        self, mine: str, theirs: str, alive: bool = True, phase: Phase = Phase.ACTIVE
    ) -> list[str]:
        return problems(
            ev.NeardSeen(neard(version=mine)),
            ev.BeatSeen(stored(beat(phase=phase))),
            ev.MembersSeen((member("b", neard_version=theirs, alive=alive),), KEY),
        )

    def test_older(self) -> None:
        assert self.with_active("2.9.1", "2.10.0") == ["neard 2.9.1 is older than the active's 2.10.0"]

    @pytest.mark.parametrize(
        ("mine", "theirs"), [("2.10.0", "2.9.1"), ("2.10.0", "2.10.0"), ("trunk", "2.10.0"), ("2.9", "")]
    )
    def test_newer_equal_or_unknown(self, mine: str, theirs: str) -> None:
        assert self.with_active(mine, theirs) == []

    def test_the_version_of_one_that_is_gone_or_does_not_sign_is_no_measure(self) -> None:
        assert self.with_active("2.9.1", "2.10.0", alive=False) == []
        assert self.with_active("2.9.1", "2.10.0", phase=Phase.RELEASED) == []


class TestRank:
    def better(self, *others: Member, **config: Any) -> bool:
        core = Core(**config).stand_by()
        core.feed(ev.MembersSeen(others, KEY))
        return gates.better_standby(core.state)

    def test_priority_counts_first(self) -> None:
        assert self.better(member("b", priority=1, lag=3))
        assert not self.better(member("b", priority=1), priority=1)
        assert not self.better(member("b", priority=1), priority=2)

    def test_a_block_or_two_of_lag_is_no_difference(self) -> None:
        assert not self.better(member("b", height=102))

    def test_more_is(self) -> None:
        assert self.better(member("b", height=104))

    def test_of_the_ready_ones_the_best_comes_first(self) -> None:
        core = Core().stand_by()
        others = (
            member("e", lag=1),
            member("d"),
            member("c", priority=2),
            member("b", ready=False),
            member("f", alive=False),
            member("a", priority=9),
        )
        core.feed(ev.MembersSeen(others, KEY))
        assert [m.node for m in gates.ready_standbys(core.state)] == ["c", "d", "e"]


@pytest.mark.parametrize(
    ("tainted", "steady", "lacking", "restarts", "fit"),
    [
        (False, True, 0, True, True),
        (False, False, 0, True, False),
        (False, True, 1, True, False),
        (True, True, 0, True, False),
        (True, True, 0, False, True),
    ],
)
def test_a_planned_handover_to_it_costs_nothing(
    tainted: bool, steady: bool, lacking: int, restarts: bool, fit: bool
) -> None:
    core = Core(restart_after_drop=restarts).stand_by()
    seen = neard(steady=steady, blocks_lacking=lacking)
    core.feeds(ev.GuardSeen(guard(tainted=tainted)), ev.NeardSeen(seen))
    assert gates.is_steady(core.state) is fit


def test_where_promotion_restarts_neard_it_need_not_track_the_pools_shards() -> None:
    assert problems(ev.NeardSeen(neard(shadow=False)), hot_swap=False) == []
    assert problems(ev.NeardSeen(neard(shadow=False)), require_shadow=False) == []
    assert problems(ev.NeardSeen(neard(shadow=None))) == []


def checklist(*news: ev.Event) -> dict[str, str | None]:
    core = Core().stand_by()
    core.feeds(*news)
    found = gates.checklist(core.state, core.now)
    # The list that is shown and the one that decides are one: a sentence in either stands in both.
    assert [shut for shut in found.values() if shut] == gates.standby_problems(core.state, core.now)
    return found


def test_the_list_that_is_shown_names_every_gate() -> None:
    assert set(checklist().values()) == {""}
    shut = checklist(ev.NeardSeen(neard(syncing=True, peers=0)))
    assert [name for name, text in shut.items() if text] == ["neard in sync", "neard has peers"]
    assert list(shut) == list(checklist())


def test_what_cannot_be_known_is_not_shown_as_met() -> None:
    unknown = [name for name, text in checklist(ev.GuardLost()).items() if text is None]
    assert unknown == [
        "guard answers",
        "neard runs",
        "neard's RPC has answered",
        "neard's RPC answers",
        "neard in sync",
        "neard not behind",
        "neard's head moves",
        "neard has peers",
        "key good",
        "neard tracks the pool's shards",
        "neard not older than the active's",
    ]


class TestHeightsThatOthersClaim:
    """One host's record is one claim. It must not disqualify those that other hosts' claims support."""

    def heights(self, beat_height: int | None = None, own_age_s: float = 1.0, **records: int) -> int:
        core = Core().stand_by()
        core.feed(ev.NeardSeen(neard(head_age_s=own_age_s)))
        core.feed(ev.MembersSeen(tuple(member(n, height=h) for n, h in records.items()), KEY))
        if beat_height is not None:
            core.feed(ev.BeatSeen(stored(beat(node="b", height=beat_height))))
        return gates.lag(core.state)

    @pytest.mark.parametrize("lie", [106, 10**15, (1 << 63) - 1])
    def test_three_hosts_and_a_forged_record(self, lie: int) -> None:
        assert self.heights(beat_height=101, a=100, b=100, c=99, zz=lie) == 1

    @pytest.mark.parametrize("lie", [106, 10**15])
    def test_two_hosts_and_a_forged_record(self, lie: int) -> None:
        assert self.heights(beat_height=101, a=100, b=101, zz=lie) == 1

    @pytest.mark.parametrize("lie", [10**6, 10**15])
    def test_nobody_else_is_there_to_ask_but_no_chain_is_so_fast(self, lie: int) -> None:
        assert self.heights(zz=lie) == 0

    def test_an_active_that_claims_what_no_chain_can_reach(self) -> None:
        assert self.heights(beat_height=10**15, a=100, c=100) == 0

    def test_two_others_that_agree_are_believed(self) -> None:
        assert self.heights(a=100, b=160, c=150) == 50

    def test_the_active_is_believed_beside_a_standby_that_is_as_far_behind(self) -> None:
        assert self.heights(beat_height=200, a=100, b=200, c=100) == 100

    def test_the_only_other_host_is_believed(self) -> None:
        assert self.heights(a=100, b=140) == 40

    def test_a_head_that_is_old_may_be_far_behind(self) -> None:
        assert self.heights(own_age_s=3600.0, b=6000) == 5900

    def test_whose_own_head_is_old_believes_the_one_that_is_ahead(self) -> None:
        """The third one has just started, and tells nothing of the chain."""
        assert self.heights(own_age_s=60.0, a=100, b=200, c=0) == 100

    def test_an_old_head_is_no_reason_to_believe_what_cannot_be(self) -> None:
        assert self.heights(own_age_s=60.0, a=100, b=100, zz=10**15) == 0

    def test_before_the_age_is_known_everybody_is_believed(self) -> None:
        assert self.heights(own_age_s=float("inf"), b=10**9) == 10**9 - 100

    def test_its_own_record_of_some_seconds_ago_supports_nothing(self) -> None:
        assert self.heights(a=98, zz=140) == 40

    def test_a_lying_standby_is_no_reason_to_pass_the_lock_on(self) -> None:
        core = Core().stand_by()
        others = (member("b", height=100), member("c", height=99), member("zz", height=10**15))
        core.feed(ev.MembersSeen(others, KEY))
        assert not gates.is_behind_a_ready_standby(core.state)
        core.feed(ev.MembersSeen((*others, member("d", height=120)), KEY))
        assert gates.is_behind_a_ready_standby(core.state)
