"""``make real`` runs what it was told to, or fails; the stand-in only by its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafailover.lab import room
from tests.real import __main__ as command
from tests.real.settings import default_parts, parse


@pytest.fixture(autouse=True)
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "refusal", lambda: "this is a test")
    monkeypatch.delenv(command.MARK, raising=False)


def test_without_a_neard_it_does_not_fall_back_on_the_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([])
    assert end.value.code == 2
    assert "one of the arguments --neard --stand-in is required" in capsys.readouterr().err


def test_one_that_cannot_be_run_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--neard", str(tmp_path / "absent")]) == 1
    assert "absent cannot be run" in capsys.readouterr().err


def test_the_stand_in_under_another_name_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "neard"
    path.write_text("#!/bin/sh\necho 'localneard (release localneard-0.1.0) (commit unknown)'\n")
    path.chmod(0o755)
    assert command.main(["--neard", str(path)]) == 1
    assert f"{path} is not neard but the stand-in localneard" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--stand-in"], ["--neard", "localneard"]], ids=" ".join)
def test_the_stand_in_is_named_as_such_and_a_machine_that_cannot_do_it_fails(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(words) == 1
    said = capsys.readouterr()
    assert "to be measured: the stand-in localneard, which is no NEAR node" in said.out
    assert "real: FAILED: no host can have a network of its own here: this is a test" in said.err


def test_what_is_asked_for_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--stand-in"]).parts == default_parts("relayed")
    assert (parse(["--stand-in", "--handovers", "8"]).handovers, parse(["--neard", "n"]).handovers) == (8, 50)
    for words in (
        ["--only", "nothing"],
        ["--handovers", "0"],
        ["--hold", "20"],
        ["--arrangement", "direct", "--only", "now,demo"],
    ):
        with pytest.raises(SystemExit):
            parse(["--stand-in", *words])
    said = capsys.readouterr().err
    assert "--only: nothing is none of vanished, window, now" in said
    assert "--arrangement: demo has none; leave it out of --only" in said
