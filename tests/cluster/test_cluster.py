"""The cluster in short: a handful of kinds of faults and five random ones, on real hosts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hafailover.lab.process import ManagedProcess
from hafailover.lab.procfs import ProcessId
from tests.cluster import fitness
from tests.cluster.machine import processes_marked

pytestmark = [pytest.mark.consul, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
KINDS = "agent-killed,neard-killed,mute,leader-suspended,consul-killed&agent-frozen"
RANDOM = 5
SEED = 11
WITHIN_S = 200.0
STOP_S = 30.0


@pytest.fixture(scope="module")
def here() -> None:
    try:
        fitness.check()
    except fitness.Unfit as reason:
        pytest.skip(f"NO CLUSTER, so this was NOT TESTED: {reason}")


def start(consul_binary: Path, folder: Path, *arguments: str) -> ManagedProcess:
    return ManagedProcess.start(
        "cluster",
        [sys.executable, "-m", "tests.cluster", *arguments],
        log_path=folder / "cluster.log",
        extra_env={"HAFAILOVER_CONSUL_BINARY": str(consul_binary)},
        cwd=ROOT,
    )


def left_over(log: Path) -> list[ProcessId]:
    """What still runs of the run that wrote this log."""
    folder = next(line.split()[-1] for line in log.read_text().splitlines() if " in /" in line)
    assert not Path(folder).exists()
    return processes_marked(fitness.MARK, folder)


@pytest.mark.timeout(300)
def test_one_signs_at_most_and_one_signs_again(here: None, consul_binary: Path, tmp_path: Path) -> None:
    report = tmp_path / "cluster.json"
    words = ["run", "--kinds", KINDS, "--random", str(RANDOM), "--seed", str(SEED), "--out", str(report)]
    with start(consul_binary, tmp_path, *words) as cluster:
        code = cluster.wait(WITHIN_S)

    log = (tmp_path / "cluster.log").read_text()
    assert code == 0, log
    found: dict[str, Any] = json.loads(report.read_text())
    assert found["ok"] is True
    assert found["failures"] == []
    assert found["totals"]["faults"] == 6 + RANDOM
    assert found["totals"]["failovers"] >= 3
    assert {row["name"] for row in found["rows"]} >= {"agent-killed", "neard-killed", "mute", "2 at once"}
    assert left_over(tmp_path / "cluster.log") == []


@pytest.mark.timeout(120)
def test_two_holders_are_found_and_named(here: None, consul_binary: Path, tmp_path: Path) -> None:
    report = tmp_path / "cluster.json"
    words = ["run", "--kinds", "sabotage", "--out", str(report)]
    with start(consul_binary, tmp_path, *words) as cluster:
        code = cluster.wait(100)

    assert code == 1
    found = json.loads(report.read_text())
    assert found["ok"] is False
    assert any(
        "both had the key loaded" in one and "after sabotage on" in one for one in found["failures"]
    ), found["failures"]


@pytest.mark.timeout(120)
def test_a_run_that_is_interrupted_leaves_nothing(here: None, consul_binary: Path, tmp_path: Path) -> None:
    report = tmp_path / "cluster.json"
    with start(consul_binary, tmp_path, "run", "--kinds", "host-crashed", "--out", str(report)) as cluster:
        while "starting guards" not in cluster.log_tail():
            assert cluster.is_alive(), cluster.log_tail()
        code = cluster.terminate(STOP_S)

    assert code == 130
    assert left_over(tmp_path / "cluster.log") == []
