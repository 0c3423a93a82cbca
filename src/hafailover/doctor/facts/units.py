"""The services as systemd has them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

UNITS = ("hafailover", "neard")
BOOTED = Path("/run/systemd/system")
"""There exactly where systemd is the init system (sd_booted(3))."""
DEADLINE_S = 5.0
PROPERTIES = (
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "SubState",
    "NeedDaemonReload",
    "Type",
    "WatchdogUSec",
    "WatchdogSignal",
    "Restart",
    "KillMode",
    "OOMScoreAdjust",
    "LimitNOFILE",
    "TimeoutStopUSec",
)


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """``absent``: why there is nothing to see. ``units``: properties by the unit's name."""

    absent: str = ""
    units: dict[str, dict[str, str]] = field(default_factory=dict)


def look_at_units(booted: Path = BOOTED) -> UnitFacts:
    if not booted.is_dir():
        return UnitFacts(absent="systemd does not run here")
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        return UnitFacts(absent="there is no systemctl in $PATH")
    units = {}
    for name in UNITS:
        try:
            done = subprocess.run(
                [systemctl, "show", f"{name}.service", f"--property={','.join(PROPERTIES)}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return UnitFacts(absent="systemctl does not answer")
        if done.returncode != 0:
            return UnitFacts(absent=f"systemctl failed: {done.stderr.strip()[:200]}")
        units[name] = parse_properties(done.stdout)
    return UnitFacts(units=units)


def parse_properties(text: str) -> dict[str, str]:
    """``NAME=value`` lines, as ``systemctl show`` prints them."""
    return {name: value for name, _, value in (line.partition("=") for line in text.splitlines()) if name}
