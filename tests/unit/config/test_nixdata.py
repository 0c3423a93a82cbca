"""What the NixOS module knows of timing is what the program goes by."""

import json
from pathlib import Path

import pytest

from hafailover.config.nixdata import files, timing_cases, timing_table, write
from hafailover.timing import LONGEST_GONE_WITHIN_S, PROFILES, violations, with_changes

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", sorted(files()))
def test_the_files_are_the_programs_own(name: str) -> None:
    assert (ROOT / "nix" / name).read_text() == files()[name], "run: make docs"


def test_it_writes_them(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files()


def test_the_table_has_every_profile_with_what_follows_from_it() -> None:
    table = json.loads(files()["timing.json"])
    assert table["profiles"].keys() == PROFILES.keys()
    default = table["profiles"]["default"]
    assert (default["fence_after_s"], default["gone_within_s"]) == (7.0, 8.5)
    assert (default["agent_watchdog_s"], default["guard_watchdog_s"]) == (2.0, 3.0)
    assert table["bounds"]["longest_gone_within_s"] == LONGEST_GONE_WITHIN_S
    assert all(isinstance(value, int | float) for value in table["bounds"].values())


def test_the_cases_break_every_rule_and_leave_sound_ones() -> None:
    cases = timing_cases()
    broken = {name for case in cases for name in case["broken"]}
    changed = {name for case in cases for name in case["changes"]}
    derived = {"agent_watchdog_s", "guard_watchdog_s", "gone_within_s"}
    assert broken == set(timing_table()["profiles"]["default"]) - derived
    assert broken <= changed
    assert sum(not case["broken"] for case in cases) >= 8


def test_each_case_names_the_settings_that_the_rules_name() -> None:
    for case in timing_cases():
        found = violations(with_changes(PROFILES[case["profile"]], case["changes"]))
        assert len(found) == len(case["broken"])
        for text, name in zip(found, case["broken"], strict=True):
            assert text.startswith(f"timing.{name} ")
