"""One agent for one name on a machine, and the session that outlives its process but not a reboot."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hafailover.agent import identity
from hafailover.agent.identity import SessionNote, StateError, StateFolder
from hafailover.lab.waiting import wait_until

ACCOUNT = "pool.near"
HOLD = """
import sys
from pathlib import Path
from hafailover.agent.identity import StateFolder
state = StateFolder(Path(sys.argv[1]), "pool.near", "a")
state.note("session-1")
print("held", flush=True)
sys.stdin.read()
"""


def state(folder: Path, node: str = "a", account: str = ACCOUNT) -> StateFolder:
    return StateFolder(folder, account, node)


def note_of(folder: Path) -> Path:
    (note,) = folder.glob("session-*")
    return note


def test_a_second_agent_of_that_name_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StateError) as caught:
            state(tmp_path)
        other.kill()
    assert str(caught.value) == (
        f"state_dir: {tmp_path}: another agent for pool.near named a runs on this machine; stop it first"
    )
    assert state(tmp_path).session() == "session-1", "what the killed one noted is there"


def test_other_names_and_other_pools_are_no_trouble(tmp_path: Path) -> None:
    held = [state(tmp_path), state(tmp_path, "b"), state(tmp_path, account="other.near")]
    for number, one in enumerate(held):
        one.note(f"session-{number}")
    assert [one.session() for one in held] == ["session-0", "session-1", "session-2"]


def test_a_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    one = state(tmp_path / "a" / "b")
    one.note("session-1")
    assert one.session() == "session-1"


def test_a_folder_that_cannot_be_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        state(tmp_path / "file" / "x")
    assert str(caught.value) == (
        f"state_dir: {tmp_path}/file/x: Not a directory; set state_dir to a folder of the agent's"
    )


def test_the_last_note_counts_until_it_is_forgotten(tmp_path: Path) -> None:
    one = state(tmp_path)
    assert one.session() is None
    one.note("session-1")
    one.note("session-2")
    assert one.session() == "session-2"
    one.forget()
    assert one.session() is None
    one.forget()


def test_nobody_else_may_read_a_session(tmp_path: Path) -> None:
    """Whoever has it can take the lock with it."""
    state(tmp_path).note("session-1")
    assert stat.S_IMODE(note_of(tmp_path).stat().st_mode) == 0o600


def test_a_reboot_voids_it(tmp_path: Path) -> None:
    """The old session may have lapsed and its term be another's; and neard holds no key any more."""
    one = state(tmp_path)
    one.note("session-1")
    path = note_of(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    assert one.session() is None


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff", b"[]", b"null", b"{}", b'{"session": 7}', b'{"boot": "x"}', b"[" * 100_000]
)
def test_a_note_that_makes_no_sense_is_none(tmp_path: Path, raw: bytes) -> None:
    one = state(tmp_path)
    one.note("session-1")
    note_of(tmp_path).write_bytes(raw)
    assert one.session() is None
    one.note("session-2")
    assert one.session() == "session-2"


def test_a_session_that_is_no_text_is_none(tmp_path: Path) -> None:
    one = state(tmp_path)
    one.note("session-1")
    path = note_of(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "session": ["session-1"]}))
    assert one.session() is None


def test_a_write_that_was_cut_off_leaves_the_old_note(tmp_path: Path) -> None:
    one = state(tmp_path)
    one.note("session-1")
    note_of(tmp_path).with_suffix(".new").write_text('{"session": "sess')
    assert one.session() == "session-1"
    one.note("session-2")
    assert one.session() == "session-2"


def test_a_disk_that_takes_nothing_does_not_end_the_agent(tmp_path: Path) -> None:
    one = state(tmp_path)
    note = tmp_path / "session-pool.near-a.new"
    note.mkdir()
    one.note("session-1")
    assert one.session() is None


# --- a disk that hangs


class HungFolder(StateFolder):
    """Its disk hangs until it goes on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ACCOUNT, "a")
        self.go_on = threading.Event()

    def session(self) -> str | None:
        self.go_on.wait(60)
        return super().session()

    def note(self, session: str) -> None:
        self.go_on.wait(60)
        super().note(session)

    def forget(self) -> None:
        self.go_on.wait(60)
        super().forget()


def test_a_folder_that_hangs_holds_no_session_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "READ_S", 0.1)
    folder = HungFolder(tmp_path)
    note = SessionNote(folder)
    began = time.monotonic()

    assert note.session() is None
    note.note("session-1")
    assert note.session() == "session-1"
    note.forget()
    assert note.session() is None
    note.note("session-2")
    assert time.monotonic() - began < 5

    folder.go_on.set()
    wait_until(lambda: StateFolder.session(folder) == "session-2", timeout_s=5, what="the note")


def test_a_folder_that_hangs_from_the_start_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(identity, "StateFolder", lambda *_: go_on.wait(60))
    try:
        note = SessionNote.open(tmp_path, ACCOUNT, "a", wait_s=0.1)
        assert note.session() is None
        note.note("session-1")
        assert note.session() == "session-1"
        assert f"state_dir: {tmp_path} does not answer within 0.1 s: check its disk" in caplog.text
    finally:
        go_on.set()


def test_the_note_outlives_the_process(tmp_path: Path) -> None:
    SessionNote.open(tmp_path, ACCOUNT, "a").note("session-1")
    wait_until(lambda: bool(list(tmp_path.glob("session-*"))), timeout_s=5, what="the note")
    with pytest.raises(StateError, match="named a runs on this machine"):
        SessionNote.open(tmp_path, ACCOUNT, "a")
    assert SessionNote(state(tmp_path, "b")).session() is None
