"""Where mail for a validator goes when its key has moved: what the real neard showed, on the stand-in.

Each run is a process of its own, since network namespaces are of a whole process.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .vanishing import ROOM, refusal

RUN_S = 180

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", autouse=True)
def room() -> None:
    """Network namespaces can be made here."""
    if (reason := refusal()) is not None:
        pytest.skip(f"no links can be cut here: {reason}")


def run(what: str, folder: Path) -> dict[str, Any]:
    command = [*ROOM, sys.executable, "-m", "tests.process.localneard.vanishing", what, str(folder / "net")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["double"] == []
    return found


def test_peers_go_on_sending_to_a_vanished_host_over_tier1_and_the_new_holder_produces_nothing(
    tmp_path: Path,
) -> None:
    found = run("vanish-tier1-on", tmp_path)
    assert found["before"]["blocks"] == found["before"]["blocks_due"] > 0
    after = found["after"]
    assert after["blocks"] == 0 < 3 < after["blocks_due"]
    # What it endorses are its own chunks: their witness needs no way.
    assert 0 < after["endorsements"] < after["endorsements_due"] / 2
    assert min(found["refused"]) > 0


def test_without_tier1_the_new_holder_of_a_vanished_hosts_key_does_every_duty(tmp_path: Path) -> None:
    found = run("vanish-tier1-off", tmp_path)
    after = found["after"]
    assert after["blocks"] == after["blocks_due"] > 3
    assert after["endorsements"] >= after["endorsements_due"] * 0.95 > 10
    assert found["refused"] == [0, 0, 0]


def test_a_host_that_gave_the_key_up_swallows_its_mail_until_it_is_started_anew(tmp_path: Path) -> None:
    found = run("handover-tier1-on", tmp_path)
    assert found["alive"]["blocks"] == 0 < 3 < found["alive"]["blocks_due"]
    assert found["restarted"]["blocks"] == found["restarted"]["blocks_due"] > 3
    assert found["at_new_holder"]


def test_two_nodes_contradict_each_other_until_the_old_one_is_started_anew(tmp_path: Path) -> None:
    found = run("handover-tier1-off", tmp_path)
    assert found["versions_while_alive"] >= 4
    assert found["versions_after_restart"] == 0
    assert found["restarted"]["blocks"] == found["restarted"]["blocks_due"] > 3
    assert found["at_new_holder"]
