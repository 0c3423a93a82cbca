"""How demo and bench get hosts whose links can be cut: once anew in a room, and once only."""

from __future__ import annotations

import os
import sys

import pytest

from hafailover.cli.room import MARK, take_room
from hafailover.lab import room


class Entered(Exception):
    """The command would go on as this program now."""


@pytest.fixture(autouse=True)
def no_room(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []

    def enter(program: list[str]) -> None:
        raise Entered(program, os.environ.get(MARK))

    monkeypatch.setattr(room, "enter", enter)
    monkeypatch.setattr(room, "furnish", lambda: done.append("furnished"))
    monkeypatch.setattr(room, "refusal", lambda: "")
    monkeypatch.setenv(MARK, "")
    monkeypatch.delenv(MARK)
    return done


def test_it_goes_on_as_the_same_command_in_a_room(no_room: list[str]) -> None:
    with pytest.raises(Entered) as entered:
        take_room(["demo", "--json"])
    assert entered.value.args == ([sys.executable, "-P", "-m", "hafailover", "demo", "--json"], "1")
    assert no_room == []


def test_inside_it_is_furnished_and_nothing_of_it_is_handed_down(
    no_room: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "1")
    assert take_room(["demo"]) == ""
    assert no_room == ["furnished"]
    assert MARK not in os.environ


def test_where_there_can_be_none_it_says_why_and_goes_on(
    no_room: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "refusal", lambda: "not root")
    assert take_room(["demo"]) == "not root"
    assert (no_room, MARK in os.environ) == ([], False)


def test_a_user_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert room.refusal() == "it makes network namespaces and mounts, so it has to be run as root"


def test_tools_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("shutil.which", lambda name: None if name in ("ip", "nft") else f"/bin/{name}")
    assert room.refusal() == "tools are missing: apt-get install iproute2 nftables"
