"""Units as ``systemctl show`` prints them, held against those of this project."""

from __future__ import annotations

from pathlib import Path

import pytest

from hafailover.doctor.checks.units import judge, seconds_of
from hafailover.doctor.facts.units import UnitFacts, look_at_units, parse_properties
from hafailover.doctor.finding import Finding, Severity
from hafailover.timing import PROFILES

from .said import bad

AGENT = """\
Type=notify
Restart=always
TimeoutStopUSec=10s
WatchdogUSec=2s
LimitNOFILE=524288
OOMScoreAdjust=-950
KillMode=control-group
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=no
"""
GUARD = AGENT.replace("WatchdogUSec=2s", "WatchdogUSec=3s").replace("-950", "-900")


def judged(agent: str = AGENT, guard: str = GUARD) -> list[Finding]:
    units = {"hafailover": parse_properties(agent), "neard": parse_properties(guard)}
    return judge(UnitFacts(units=units), PROFILES["default"])


def test_units_as_they_are_shipped() -> None:
    assert [finding.severity for finding in judged()] == [Severity.OK, Severity.OK]


def test_the_guard_may_shorten_its_watchdog() -> None:
    assert bad(judged(guard=GUARD.replace("WatchdogUSec=3s", "WatchdogUSec=1s 500ms"))) == {}


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        ("LoadState=loaded", "LoadState=not-found", Severity.WARNING),
        ("WatchdogUSec=2s", "WatchdogUSec=0", Severity.ERROR),
        ("WatchdogUSec=2s", "WatchdogUSec=infinity", Severity.ERROR),
        ("WatchdogUSec=2s", "WatchdogUSec=1min", Severity.ERROR),
        ("ActiveState=active", "ActiveState=failed", Severity.ERROR),
        ("UnitFileState=enabled", "UnitFileState=disabled", Severity.WARNING),
        ("Restart=always", "Restart=no", Severity.WARNING),
        ("KillMode=control-group", "KillMode=mixed", Severity.WARNING),
        ("OOMScoreAdjust=-950", "OOMScoreAdjust=0", Severity.WARNING),
        ("Type=notify", "Type=notify\nWatchdogSignal=6", Severity.WARNING),
        ("NeedDaemonReload=no", "NeedDaemonReload=yes", None),
    ],
)
def test_a_unit_that_is_not(before: str, after: str, severity: Severity | None) -> None:
    assert before in AGENT
    expected = {"units.hafailover": severity} if severity else {}
    assert bad(judged(agent=AGENT.replace(before, after))) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("2s", 2.0),
        ("1s 500ms", 1.5),
        ("4min 30s", 270.0),
        ("infinity", None),
        ("", None),
        ("2 x", None),
    ],
)
def test_time_spans(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_without_systemd(tmp_path: Path) -> None:
    (found,) = judge(look_at_units(tmp_path / "nothing"), PROFILES["default"])
    assert (found.severity, found.text) == (Severity.SKIPPED, "systemd does not run here")


def test_without_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look_at_units(tmp_path).absent == "there is no systemctl in $PATH"


def test_a_systemctl_that_answers_or_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    systemctl.write_text('#!/bin/sh\necho LoadState=loaded\necho "WatchdogUSec=2s"\n')
    systemctl.chmod(0o755)
    shown = {"LoadState": "loaded", "WatchdogUSec": "2s"}
    assert look_at_units(tmp_path).units == {"hafailover": shown, "neard": shown}
    systemctl.write_text("#!/bin/sh\necho 'no bus' >&2\nexit 1\n")
    assert look_at_units(tmp_path).absent == "systemctl failed: no bus"
