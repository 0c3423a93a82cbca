"""Agent and guard as they are started: every line of theirs in the form that was asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...unit.near.keys import ACCOUNT, write_key
from .test_systemd import Told


@pytest.fixture
def told() -> Iterator[Told]:
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hafailover-") as folder:
        told = Told(Path(folder), 'log_format = "json"\n')
        yield told
        told.close()


def test_every_line_of_the_agents_is_an_object(told: Told) -> None:
    told.next("STATUS=starting")
    told.agent.terminate(5)
    lines = [json.loads(line) for line in told.log.read_text().splitlines()]
    assert len(lines) > 5
    for line in lines:
        assert (line["component"], line["account"], line["node"]) == ("agent", "pool.poolv1.near", "a")
        assert {"time", "boottime", "level", "msg"} <= set(line)
    decided = [line for line in lines if line.get("event") in ("role", "reason")]
    assert decided
    assert all(line["role"] == "starting" and line["reason"] in line["msg"] for line in decided)
    assert any(line.get("event") == "trouble" and line["subject"] == "Consul" for line in lines)


def test_and_so_is_the_guards(tmp_path: Path) -> None:
    home = tmp_path / "neard"
    home.mkdir()
    (home / "config.json").write_text("{}")
    # A real file where only a link may be: the guard says so and ends.
    write_key(home / "validator_key.json", "pool")
    write_key(home / "node_key.json", "node", "node")
    config = tmp_path / "config.toml"
    config.write_text(
        f'account_id = "{ACCOUNT}"\nnode_name = "a"\nlog_format = "logfmt"\n'
        f'validator_key_file = "{write_key(tmp_path / "pool.json", "pool")}"\n'
        f'guard_socket = "{tmp_path}/guard.sock"\n[neard]\nhome = "{home}"\nbinary = "/bin/true"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", "guard", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert f" level=error component=guard account={ACCOUNT} node=a msg=" in line
    assert "a real file lies where only a link may be" in line
