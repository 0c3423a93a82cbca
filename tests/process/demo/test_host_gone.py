"""``hafailover demo`` as a process: a host that is gone is a link that is cut, and the neard is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hafailover.lab.room import refusal

pytestmark = [pytest.mark.consul, pytest.mark.slow]

WITHIN_S = 280.0


@pytest.fixture(scope="module")
def no_room() -> str:
    """Why links cannot be cut here; empty where they can."""
    return refusal()


def run_demo(consul_binary: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "hafailover", "demo", *words],
        env={**os.environ, "HAFAILOVER_CONSUL_BINARY": str(consul_binary)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


@pytest.mark.timeout(300)
def test_the_link_of_a_host_that_is_gone_is_cut(consul_binary: Path, no_room: str) -> None:
    if no_room:
        pytest.skip(f"NO LINK CAN BE CUT, so this was NOT TESTED: {no_room}")
    scenarios = ("first-promotion", "host-gone", "cut-off")
    done = run_demo(consul_binary, "--json", *(word for name in scenarios for word in ("--scenario", name)))

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["scenarios"]] == list(scenarios)
    assert "link was cut and all of it killed, unheard by anybody" in found["scenarios"][1]["done"]
    assert found["double_signed_heights"] == []
    assert found["neard"]["stand_in"] is True
    assert found["neard"]["version"].startswith("localneard (release localneard-")
    assert "the hosts run the stand-in localneard, which is no NEAR node" in done.stderr


@pytest.mark.timeout(60)
def test_a_neard_that_cannot_be_run_ends_it_before_anything_starts(
    consul_binary: Path, tmp_path: Path
) -> None:
    done = run_demo(consul_binary, "--scenario", "first-promotion", "--neard", str(tmp_path / "absent"))

    assert done.returncode == 1
    assert "absent cannot be run; give --neard the path of a neard binary" in done.stderr
    assert "starting three Consul servers" not in done.stdout
