"""Which version is newer."""

import pytest

from hafailover.upgrade.versions import key, newest, reaches

IN_ORDER = [
    "unknown",
    "2.9.1",
    "2.10.0-rc.1",
    "2.10.0-rc.2",
    "2.10.0",
    "2.10.1",
    "2.11",
    "localneard-3.0.0",
]


def test_the_order() -> None:
    shuffled = IN_ORDER[3:] + IN_ORDER[:3]
    assert sorted(shuffled, key=key) == IN_ORDER
    assert newest(IN_ORDER) == "localneard-3.0.0"
    assert newest([]) == newest([""]) == ""


@pytest.mark.parametrize(
    ("version", "target", "does"),
    [
        ("2.10.0", "2.10.0", True),
        ("2.10.1", "2.10.0", True),
        ("2.10.0-rc.3", "2.10.0", False),
        ("2.9.9", "2.10.0", False),
        ("", "2.10.0", False),
        ("2.10.0", "", False),
    ],
)
def test_what_reaches_a_target(version: str, target: str, does: bool) -> None:
    assert reaches(version, target) is does
