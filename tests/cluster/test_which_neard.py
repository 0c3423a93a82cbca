"""A cluster that is told to use a neard uses it or fails: never the stand-in without a word."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.cluster import __main__ as command
from tests.cluster import fitness
from tests.cluster.settings import parse

NEARD = "HAFAILOVER_NEARD_BINARY"


class Room(Exception):
    """The command would start itself anew now, with these arguments and this environment."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        super().__init__(arguments)
        self.arguments = arguments
        self.environment = environment


@pytest.fixture(autouse=True)
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def room(arguments: list[str]) -> None:
        raise Room(arguments, dict(os.environ))

    monkeypatch.setattr(fitness, "room", room)
    monkeypatch.setattr(fitness, "check", lambda: None)
    monkeypatch.setattr(fitness, "remove_leftovers", list)
    monkeypatch.setattr(fitness, "consul_binary", lambda _: Path("/bin/true"))
    # Given back at the end, whatever the command does to them.
    for name in (NEARD, command.CONSUL, fitness.MARK):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def entered(*arguments: str) -> Room:
    with pytest.raises(Room) as room:
        command.main(list(arguments))
    return room.value


def test_what_the_environment_names_comes_through_to_the_run_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "neard"
    path.write_text("#!/bin/sh\necho 'neard (release 2.10.0) (build x) (commit y)'\n")
    path.chmod(0o755)
    monkeypatch.setenv(NEARD, str(path))

    room = entered("run", "--kinds", "deaf")

    assert parse(room.arguments).neard == str(path)
    # The agents inherit the environment, and refuse a setting that they do not know.
    assert NEARD not in room.environment


def test_by_its_option_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = shutil.which("localneard", path=str(Path(sys.executable).parent))
    assert stand_in is not None
    assert parse(entered("run", "--neard", stand_in).arguments).neard == stand_in


def test_without_one_it_is_the_stand_in(capfd: pytest.CaptureFixture[str]) -> None:
    assert parse(entered("run").arguments).neard is None
    assert "the cluster runs the stand-in localneard, which is no NEAR node" in capfd.readouterr().out


def test_one_that_cannot_be_run_is_a_failure_and_nothing_else_is_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(NEARD, str(tmp_path / "absent"))

    assert command.main(["run", "--kinds", "deaf"]) == 1

    assert f"{tmp_path / 'absent'} cannot be run" in capfd.readouterr().err
