"""The state folder: full, gone or hung, it is told of, and nobody waits for it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from hafailover.agent import state_watch
from hafailover.agent.state_watch import StateWatch, attempt
from hafailover.observe.records import NodeRecord
from hafailover.observe.warnings import warnings

from ..observe.tiny_consul import until


def test_a_folder_that_takes_a_file_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "try-a").write_text("left by a crash")
    assert attempt(tmp_path / "try-a") == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_folder_is_told_of_and_nothing_is_left_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"hafailover.agent.state_watch.os.{call}", full)
    assert attempt(tmp_path / "try-a") == "cannot be written to (No space left on device)"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    assert attempt(tmp_path / "none" / "try-a") == "cannot be written to (No such file or directory)"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")
    (tmp_path / "try-a").symlink_to(victim)
    attempt(tmp_path / "try-a")
    assert victim.read_text() == "whole"


def test_it_is_logged_when_it_begins_and_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(state_watch, "EVERY_S", 0.01)
    caplog.set_level("INFO")
    folder = tmp_path / "state"
    watch = StateWatch(folder, "pool.near-a")
    watch.start()
    until(lambda: "No such file" in watch.problem(), "the trouble")
    until(lambda: f"state_dir: {folder}: cannot be written to" in caplog.text, "a line of it")
    folder.mkdir()
    until(lambda: watch.problem() == "", "the end of it")
    until(lambda: "state_dir: works again" in caplog.text, "a line of that")


def test_a_disk_that_hangs_holds_nobody_up_and_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(state_watch, "OLD_S", 0.2)
    monkeypatch.setattr("hafailover.agent.state_watch.os.fsync", lambda _: go_on.wait(30))
    watch = StateWatch(tmp_path, "pool.near-a")
    watch.start()
    until(lambda: watch.problem() == "its disk does not answer", "the trouble")
    go_on.set()


def test_status_warns_of_it() -> None:
    well, ill = NodeRecord(node="a"), NodeRecord(node="b", state_dir="cannot be written to (full)")
    told = warnings([well, ill], None)
    assert [one for one in told if "state_dir" in one] == [
        "b: state_dir cannot be written to (full): a restart of its agent loses its session"
    ]
