"""Disks that are full, read-only or too small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hafailover.doctor.checks.disk import GIB, judge
from hafailover.doctor.facts.disk import DiskFacts, look_at_disk
from hafailover.doctor.finding import Severity

from .said import bad

TB = 10**12
GOOD = DiskFacts("neard", Path("/home/data"), total=2 * TB, free=TB, inodes=10**6, inodes_free=9 * 10**5)


@pytest.mark.parametrize(
    ("facts", "chain", "severity"),
    [
        (GOOD, "mainnet", None),
        (replace(GOOD, inodes=0, inodes_free=0), "mainnet", None),
        (replace(GOOD, read_only=True), "mainnet", Severity.ERROR),
        (replace(GOOD, free=TB // 10), "mainnet", Severity.WARNING),
        (replace(GOOD, free=TB // 50), "mainnet", Severity.ERROR),
        (replace(GOOD, inodes_free=50_000), "mainnet", Severity.WARNING),
        (replace(GOOD, inodes_free=10_000), "mainnet", Severity.ERROR),
        (replace(GOOD, total=TB // 2, free=TB // 4), "mainnet", Severity.WARNING),
        (replace(GOOD, total=TB // 2, free=TB // 4), "private", None),
        (replace(GOOD, what="agent", total=GIB, free=GIB), "mainnet", None),
    ],
)
def test_room(facts: DiskFacts, chain: str, severity: Severity | None) -> None:
    found = bad(judge(facts, chain))
    assert found == ({f"disk.{facts.what}": severity} if severity else {})


def test_a_real_file_system_and_a_place_that_is_not_there(tmp_path: Path) -> None:
    facts = look_at_disk("agent", tmp_path)
    assert 0 < facts.free <= facts.total
    assert not facts.read_only
    (found,) = judge(look_at_disk("agent", tmp_path / "nothing"), "")
    assert (found.severity, "no such file" in found.text) == (Severity.SKIPPED, True)


def test_a_mount_that_is_read_only() -> None:
    """/sys is, in most containers; elsewhere this says nothing."""
    facts = look_at_disk("agent", Path("/sys"))
    mounted = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    options = next((fields[3].split(",") for fields in mounted if fields[1] == "/sys"), [])
    assert facts.read_only == ("ro" in options)
