"""The services, held against the units that this project ships."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from hafailover.doctor.facts.units import UNITS, UnitFacts
from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning
from hafailover.timing import Profile

UNITS_OF_TIME = {"y": 31557600, "month": 2629800, "w": 604800, "d": 86400, "h": 3600, "min": 60, "s": 1}
SMALL_UNITS = {"ms": 1e-3, "us": 1e-6}
SPAN = re.compile(r"([\d.]+)(y|month|w|d|h|min|ms|us|s)")
SIGKILL = "9"


def shipped(name: str) -> dict[str, Any]:
    """The section ``[Service]`` of a unit as this project ships it."""
    text = (files("hafailover.units") / f"{name}.toml").read_text()
    service: dict[str, Any] = tomllib.loads(text)["Service"]
    return service


def seconds_of(text: str) -> float | None:
    """A time span as ``systemctl show`` prints it, ``4min 30s`` say; ``None`` for ``infinity`` and others."""
    if text == "0":
        return 0.0
    parts = SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        return None
    return float(sum(float(number) * {**UNITS_OF_TIME, **SMALL_UNITS}[unit] for number, unit in parts))


def judge(facts: UnitFacts, profile: Profile) -> list[Finding]:
    if facts.absent:
        return [skipped("units.systemd", facts.absent)]
    watchdogs = {"hafailover": profile.agent_watchdog_s, "neard": profile.guard_watchdog_s}
    return [finding for name in UNITS for finding in _unit(name, facts.units.get(name, {}), watchdogs[name])]


def _unit(name: str, found: Mapping[str, str], watchdog_s: float) -> list[Finding]:
    id_ = f"units.{name}"
    if found.get("LoadState") != "loaded":
        return [
            warning(
                id_,
                f"{name}.service is not there ({found.get('LoadState') or 'unknown'})",
                "install it; without a service manager's watchdog only others notice a frozen process",
            )
        ]
    result = [*_state(id_, name, found), *_watchdog(id_, name, found, watchdog_s), *_values(id_, name, found)]
    return result or [ok(id_, f"{name}.service is as it is to be, watchdog {found.get('WatchdogUSec')}")]


def _state(id_: str, name: str, found: Mapping[str, str]) -> list[Finding]:
    result = []
    if found.get("ActiveState") not in ("active", "reloading"):
        state = f"{found.get('ActiveState')}/{found.get('SubState')}"
        result.append(error(id_, f"{name}.service is {state}", f"look at: journalctl -u {name} -n 50"))
    if found.get("UnitFileState") == "disabled":
        result.append(warning(id_, f"{name}.service does not start at boot", f"run: systemctl enable {name}"))
    if found.get("NeedDaemonReload") == "yes":
        result.append(info(id_, f"{name}.service has changed on disk", "run: systemctl daemon-reload"))
    return result


def _watchdog(id_: str, name: str, found: Mapping[str, str], watchdog_s: float) -> list[Finding]:
    """The guard makes its own shorter while it holds a key, so less than planned is as good."""
    value = found.get("WatchdogUSec", "")
    seconds = seconds_of(value)
    if not seconds or seconds > watchdog_s + 0.001:
        return [
            error(
                id_,
                f"{name}.service has {'no watchdog' if not seconds else f'a watchdog of {value}'}, and this "
                f"profile needs {watchdog_s:g} s: a frozen process would be noticed too late",
                f"set WatchdogSec={watchdog_s:g} in {name}.service",
            )
        ]
    if found.get("WatchdogSignal") not in (None, "", SIGKILL):
        return [
            warning(
                id_,
                f"{name}.service's watchdog does not kill (signal {found['WatchdogSignal']}): a stopped "
                "process would wait for its continuation",
                f"set WatchdogSignal=SIGKILL in {name}.service",
            )
        ]
    return []


def _values(id_: str, name: str, found: Mapping[str, str]) -> list[Finding]:
    service = shipped(name)
    result = []
    for key in ("Type", "Restart", "KillMode", "OOMScoreAdjust"):
        wanted = str(service[key])
        if found.get(key) not in (None, "", wanted):
            result.append(
                warning(
                    id_, f"{name}.service has {key}={found[key]}", f"set {key}={wanted} in {name}.service"
                )
            )
    return result
