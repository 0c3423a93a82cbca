"""Connections counted by machine: who has to make room for whom."""

from __future__ import annotations

import pytest

from hafailover.web.places import KEPT, LOOPBACK, MOST, MOST_OF_ONE, Places, machine_of


def filled(**taken: int) -> Places:
    places = Places()
    for machine, count in taken.items():
        for _ in range(count):
            places.take(machine)
    return places


def test_one_machine_makes_room_for_itself_alone() -> None:
    places = filled(greedy=MOST_OF_ONE)
    assert places.in_the_way("greedy") == {"greedy"}
    assert places.in_the_way("other") is None
    places.leave("greedy")
    assert places.in_the_way("greedy") is None
    assert places.taken_by("greedy") == MOST_OF_ONE - 1


def test_the_network_leaves_places_to_loopback() -> None:
    many = {f"machine{number}": 1 for number in range(MOST - MOST // KEPT)}
    places = filled(**many)
    assert places.in_the_way("one more") == set(many)
    assert places.in_the_way(LOOPBACK) is None


def test_loopback_leaves_places_to_the_network() -> None:
    places = filled(**{LOOPBACK: MOST - MOST // KEPT})
    assert places.in_the_way(LOOPBACK) == {LOOPBACK}
    assert places.in_the_way("machine") is None


def test_there_are_never_more_than_there_are() -> None:
    places = filled(**{LOOPBACK: MOST // 2}, **{f"machine{number}": 1 for number in range(MOST // 2)})
    assert LOOPBACK in (places.in_the_way("one more") or ())


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("127.0.0.1", LOOPBACK),
        ("127.3.2.1", LOOPBACK),
        ("::1", LOOPBACK),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.2", "10.0.0.2"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::5", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_machine_is_known_by_its_address_or_its_prefix(address: str, machine: str) -> None:
    assert machine_of(address) == machine
