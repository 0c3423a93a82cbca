"""What counts as good, and for whom."""

import pytest

from hafailover.doctor import finding as f


@pytest.mark.parametrize(
    ("findings", "good", "strictly_good"),
    [
        ([], True, True),
        ([f.ok("a", "x"), f.info("b", "x"), f.skipped("c", "x")], True, True),
        ([f.ok("a", "x"), f.warning("b", "x", "y")], True, False),
        ([f.warning("a", "x", "y"), f.error("b", "x", "y")], False, False),
    ],
)
def test_errors_are_bad_and_warnings_only_to_the_strict(
    findings: list[f.Finding], good: bool, strictly_good: bool
) -> None:
    assert f.is_good(findings) is good
    assert f.is_good(findings, strict=True) is strictly_good


def test_counts_name_every_severity() -> None:
    assert f.counts([f.ok("a", "x"), f.ok("b", "x"), f.error("c", "x", "y")]) == {
        "ok": 2,
        "info": 0,
        "skipped": 0,
        "warning": 0,
        "error": 1,
    }
