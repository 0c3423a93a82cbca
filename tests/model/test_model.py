"""The exhaustive check of docs/model in its short form, and that it takes for a proof only what is one."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "check-model"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("check_model", str(SCRIPT))
    spec = importlib.util.spec_from_loader("check_model", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_model"] = module
    loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("cc") is None,
    reason="Spin or a C compiler is missing: apt-get install spin gcc libc6-dev",
)
def test_the_rules_hold_and_each_is_needed(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(SCRIPT), "--short", "--json", str(tmp_path / "model.json")],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


GOOD = "State-vector 140 byte, depth reached 752, errors: 0\n   333004 states, stored\n"


def test_a_whole_search_without_errors_is_a_proof(script: ModuleType) -> None:
    found = script.outcome(GOOD)
    assert (found.complete, found.errors, found.states) == (True, 0, 333004)


@pytest.mark.parametrize(
    "trouble",
    [
        "error: max search depth too small",
        "pan: out of memory",
        "Warning: Search not completed",
        "aborted after 900 s",
    ],
)
def test_anything_less_is_none(script: ModuleType, trouble: str) -> None:
    assert not script.outcome(f"{trouble}\n{GOOD}").complete


def test_silence_is_none(script: ModuleType) -> None:
    assert not script.outcome("").complete
    assert not script.outcome("aborted after 900 s").complete


def test_a_broken_assertion_counts_although_the_search_ends_there(script: ModuleType) -> None:
    text = "Warning: Search not completed\ndepth reached 78, errors: 1\n 705516 states, stored\n"
    found = script.outcome(f"pan:1: assertion violated (keys<=1) (at depth 78)\n{text}")
    assert (found.complete, found.errors) == (True, 1)
    assert not script.outcome(f"pan:1: invalid end state (at depth 78)\n{text}").complete
