"""Pid files mean the process that was started, or nothing."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hafailover.lab import ProcessId
from hafailover.localnet.pidfiles import remove_pid_file, running_nodes, running_process, write_pid_file

SELF = ProcessId.of(os.getpid())


def test_a_running_process_is_found_until_its_file_is_gone(tmp_path: Path) -> None:
    write_pid_file(tmp_path, "node0", SELF)
    assert running_process(tmp_path, "node0") == SELF
    assert running_nodes(tmp_path) == {"node0": SELF}
    remove_pid_file(tmp_path, "node0")
    remove_pid_file(tmp_path, "node0")
    assert running_process(tmp_path, "node0") is None
    assert running_nodes(tmp_path) == {}


@pytest.mark.parametrize(
    "change", [{"start_ticks": SELF.start_ticks + 1}, {"boot_id": "another"}, {"pid": "x"}, {"more": 1}]
)
def test_another_process_with_the_pid_is_not_taken_for_it(change: dict[str, Any], tmp_path: Path) -> None:
    write_pid_file(tmp_path, "node0", SELF)
    path = tmp_path / "run" / "node0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert running_process(tmp_path, "node0") is None


def test_a_torn_file_counts_as_none(tmp_path: Path) -> None:
    write_pid_file(tmp_path, "node0", SELF)
    (tmp_path / "run" / "node0.json").write_text('{"pid": 1')
    assert running_nodes(tmp_path) == {}
