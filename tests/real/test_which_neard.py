"""``make real`` runs what it was told to, or fails; the stand-in only by its own name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hafailover.lab import room
from tests.real import __main__ as command
from tests.real.settings import PARTS, parse
from tests.real.stages import with_tier1


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
    assert parse(["--stand-in"]).parts == PARTS
    assert (parse(["--stand-in", "--handovers", "8"]).handovers, parse(["--neard", "n"]).handovers) == (8, 50)
    for words in (["--only", "nothing"], ["--handovers", "0"], ["--hold", "5"]):
        with pytest.raises(SystemExit):
            parse(["--stand-in", *words])
    assert "--only: nothing is none of vanished, window, now" in capsys.readouterr().err


def test_tier1_is_put_back_as_neard_has_it(tmp_path: Path) -> None:
    (tmp_path / "node_key.json").write_text('{"public_key": "ed25519:KEY"}')
    path = tmp_path / "config.json"
    network = {"addr": "1.2.3.4:5", "public_addrs": [], "tier1": {"enable_inbound": False, "x": 1}}
    path.write_text(json.dumps({"network": network, "other": 1}))

    with_tier1(path, "1.2.3.4:5")

    found = json.loads(path.read_text())
    assert found["network"]["public_addrs"] == ["ed25519:KEY@1.2.3.4:5"]
    assert found["network"]["tier1"] == {
        "enable_inbound": True,
        "enable_outbound": True,
        "connect_interval": {"secs": 5, "nanos": 0},
        "x": 1,
    }
    assert found["other"] == 1
