"""The observer finds what it is there to find: two holders, and a height that was signed twice."""

from __future__ import annotations

import pytest

from tests.cluster.holdings import WAKE_LIMIT_S, Holding, Life, Sightings, awake, clashes, clipped, noted
from tests.cluster.timeline import Timeline

KEY = "ed25519:pool"


def seen(host: str, *answers: tuple[float, bool | None]) -> Sightings:
    """Answers that took 10 ms each."""
    found = Sightings(host)
    for asked, shows in answers:
        found.answer(asked, asked + 0.01, shows)
    return found


def note(event: str, at: float, pid: int) -> dict[str, object]:
    return {"event": event, "boottime": at, "pid": pid, "public_key": KEY}


def test_two_hosts_with_the_key_at_once_are_found() -> None:
    one = seen("host1", (1.0, True), (2.0, True), (3.0, False))
    other = seen("host2", (1.9, False), (1.95, True), (2.5, True))

    (clash,) = clashes([*one.holdings(4.0), *other.holdings(4.0)])

    assert (clash.start, clash.end) == (1.96, 2.0)
    assert str(clash) == "host1 and host2 both had the key loaded from 1.960 to 2.000, for 40 ms"
    assert not clash.tolerated


def test_a_key_that_was_handed_over_is_no_clash() -> None:
    one = seen("host1", (1.0, True), (2.0, True), (2.05, False))
    other = seen("host2", (2.0, False), (2.02, True))

    assert clashes([*one.holdings(3.0), *other.holdings(3.0)]) == []


@pytest.mark.parametrize(("died_at", "found"), [(None, 1), (4.0, 1), (2.5, 0)])
def test_what_a_silent_neard_last_said_counts_until_it_is_dead(died_at: float | None, found: int) -> None:
    hung = seen("host1", (1.0, True), (1.5, None), (2.0, None))
    if died_at is not None:
        hung.died(died_at)
    other = seen("host2", (3.0, True), (5.0, True))

    assert len(clashes([*hung.holdings(6.0), *other.holdings(6.0)])) == found


def test_an_answer_of_a_process_that_is_gone_proves_nothing() -> None:
    one = seen("host1", (1.0, True))
    one.died(2.0)
    one.answer(1.99, 2.01, True)

    assert not one.holds
    assert one.holdings(9.0) == [Holding("host1", 1.01, 2.0)]


def test_a_silent_neard_that_turns_out_keyless_had_it_while_it_was_silent() -> None:
    one = seen("host1", (1.0, True), (1.5, None), (2.0, None), (2.6, False))

    assert one.holdings(9.0) == [Holding("host1", 1.01, 2.0)]


def test_notes_are_exact_and_a_killed_process_ends_them() -> None:
    lines = [note("load", 1.0, 7), note("drop", 2.0, 7), note("load", 3.0, 7), note("load", 5.0, 8)]
    lives = [Life(7, 0.5, 3.5), Life(8, 4.0)]

    found = noted("host1", lines, KEY, lives, Sightings("host1"), now=6.0)

    assert [(one.start, one.end) for one in found] == [(1.0, 2.0), (3.0, 3.5), (5.0, 6.0)]


def test_where_the_note_of_a_drop_is_missing_the_status_fills_in() -> None:
    status = seen("host1", (1.1, True), (1.9, True), (2.0, False), (3.0, False))

    (found,) = noted("host1", [note("load", 1.0, 7)], KEY, [Life(7, 0.5)], status, now=9.0)

    assert found.end == 1.9


def test_a_noted_drop_ends_what_was_only_presumed() -> None:
    silent = seen("host1", (1.0, True), (1.5, None))

    assert clipped(silent.holdings(9.0), [0.5, 1.2, 4.0]) == [Holding("host1", 1.01, 1.2)]


def test_a_suspended_machine_signs_nothing_and_has_a_moment_when_it_wakes() -> None:
    parts = awake(Holding("host1", 1.0, 20.2), [(5.0, 20.0)])
    other = Holding("host2", 14.0, 30.0)

    (clash,) = clashes([*parts, other])

    assert [(one.start, one.end) for one in parts] == [(1.0, 5.0), (20.0, 20.2)]
    assert clash.tolerated
    late = awake(Holding("host1", 1.0, 20.0 + WAKE_LIMIT_S + 0.1), [(5.0, 20.0)])
    assert not clashes([*late, other])[0].tolerated


def test_recovery_is_counted_from_the_strike_to_the_last_time_that_nobody_signed() -> None:
    timeline = Timeline()
    for at, who in ((0.0, "a"), (10.5, None), (11.0, "b"), (12.0, None), (19.0, "b")):
        timeline.note(at, who)

    assert timeline.recovered_s(10.0, 30.0) == 9.0
    assert timeline.silent_s(10.0, 30.0) == 7.5
    assert timeline.failovers(10.0, 30.0) == 1
    assert timeline.recovered_s(20.0, 30.0) == 0.0
    assert timeline.failovers(20.0, 30.0) == 0


def test_back_to_the_same_host_is_no_failover_and_there_and_back_are_two() -> None:
    timeline = Timeline()
    for at, who in ((0.0, "a"), (1.0, None), (2.0, "a"), (3.0, "b"), (4.0, None), (5.0, "a")):
        timeline.note(at, who)

    assert timeline.failovers(0.5, 2.5) == 0
    assert timeline.failovers(0.5, 9.0) == 2


def test_who_has_not_come_back_has_taken_until_now() -> None:
    timeline = Timeline()
    timeline.note(0.0, "a")
    timeline.note(5.0, None)

    assert timeline.recovered_s(4.0, 60.0) == 56.0
