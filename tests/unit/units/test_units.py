"""The units: what stands in them, and what systemd itself says of them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hafailover.units
from hafailover.timing import PROFILES

FOLDER = Path(hafailover.units.__file__).parent
NAMES = ("hafailover", "neard")
PLACEHOLDERS = {
    "hafailover": "/bin/true",
    "kill": "/bin/kill",
    "config": "/etc/hafailover/config.toml",
    "neard_home": "/var/lib/neard",
    "agent_watchdog_s": f"{PROFILES['default'].agent_watchdog_s:g}",
    "guard_watchdog_s": f"{PROFILES['default'].guard_watchdog_s:g}",
    "guard_stop_s": "270",
}
PULLING = ("Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts", "PropagatesStopTo")
EXPOSURE = {"hafailover": 1.5, "neard": 3.0}
"""At most, as `systemd-analyze security` counts it."""


def unit(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def rendered(name: str) -> str:
    """The unit as systemd reads it."""
    lines = []
    for section, values in unit(name).items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            for one in value if isinstance(value, list) else [value]:
                text = str(one).lower() if isinstance(one, bool) else str(one)
                filled = re.sub(r"@(\w+)@", lambda found: PLACEHOLDERS[found[1]], text)
                lines.append(f"{key}={filled}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.service" for name in NAMES}
    for name, path in paths.items():
        path.write_text(rendered(name))
    return paths


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT TESTED: the units, since there is no systemd-analyze here (package systemd)")
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_systemd_has_no_remark(name: str, files: dict[str, Path], systemd_analyze: str) -> None:
    done = run(systemd_analyze, "verify", "--man=no", *files.values())
    remarks = [line for line in done.stderr.splitlines() if f"{name}.service" in line]
    assert remarks == []
    assert done.returncode == 0, done.stderr


def test_systemd_does_remark_on_a_directive_that_there_is_not(tmp_path: Path, systemd_analyze: str) -> None:
    path = tmp_path / "hafailover.service"
    path.write_text(rendered("hafailover").replace("WatchdogSec=", "WatchdogSecs="))
    assert "hafailover.service:" in run(systemd_analyze, "verify", "--man=no", path).stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_services_are_shut_in(name: str, files: dict[str, Path], systemd_analyze: str) -> None:
    done = run(systemd_analyze, "security", "--offline=true", "--no-pager", files[name])
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE[name], done.stdout


def test_every_placeholder_is_used_and_told_of() -> None:
    used = {name for unit in NAMES for name in re.findall(r"@(\w+)@", (FOLDER / f"{unit}.toml").read_text())}
    assert used == PLACEHOLDERS.keys()
    assert used == set(re.findall(r"``@(\w+)@``", hafailover.units.__doc__ or ""))


@pytest.mark.parametrize("name", NAMES)
def test_the_files_hold_what_their_readers_take(name: str) -> None:
    """Three sections; text, whole numbers, true and false, and lists of text."""
    assert list(unit(name)) == ["Unit", "Service", "Install"]
    for values in unit(name).values():
        for value in values.values():
            items = value if isinstance(value, list) else [value]
            assert all(isinstance(item, str) for item in items) or isinstance(value, int)


@pytest.mark.parametrize("name", NAMES)
def test_neither_unit_pulls_anything_along(name: str) -> None:
    assert not set(unit(name)["Unit"]) & set(PULLING)
    assert unit(name)["Unit"]["Wants"] == ["network-online.target"]


def test_at_shutdown_neard_goes_before_the_agent_and_both_before_consul() -> None:
    assert "consul.service" in unit("hafailover")["Unit"]["After"]
    assert {"hafailover.service", "consul.service"} <= set(unit("neard")["Unit"]["After"])


@pytest.mark.parametrize("name", NAMES)
def test_a_service_comes_back_for_ever_unless_its_settings_are_wrong(name: str) -> None:
    one = unit(name)
    assert one["Service"]["Restart"] == "always"
    assert one["Service"]["RestartPreventExitStatus"] == 2
    assert one["Unit"]["StartLimitIntervalSec"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_service_is_killed_at_once(name: str) -> None:
    """SIGABRT, systemd's default, would wait for a stopped process to go on."""
    service = unit(name)["Service"]
    assert service["WatchdogSec"] == {"hafailover": "@agent_watchdog_s@", "neard": "@guard_watchdog_s@"}[name]
    assert service["WatchdogSignal"] == "SIGKILL"
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")


@pytest.mark.parametrize(("name", "keeps_its_session"), [("default", True), ("fast", False), ("wide", True)])
def test_a_frozen_agent_is_back_in_time(name: str, keeps_its_session: bool) -> None:
    """Its last beat was sent up to a beat before it froze; systemd may be late, and Python takes its time."""
    profile = PROFILES[name]
    restart = float(unit("hafailover")["Service"]["RestartSec"].removesuffix("ms")) / 1000
    back = profile.beat_s + profile.agent_watchdog_s + 0.25 + restart + 0.7
    assert back < profile.fence_after_s
    assert (back < profile.check_ttl_s) is keeps_its_session


def test_when_memory_runs_out_the_agent_is_the_last_to_go() -> None:
    agent, guard = unit("hafailover")["Service"], unit("neard")["Service"]
    assert agent["OOMScoreAdjust"] < guard["OOMScoreAdjust"] < 0
    assert guard["OOMPolicy"] == "continue"


def test_neard_gets_what_it_needs() -> None:
    service = unit("neard")["Service"]
    assert service["LimitNOFILE"] >= 65535
    assert "MemoryDenyWriteExecute" not in service, "neard compiles contracts"
    assert service["UMask"] == "0077"


@pytest.mark.parametrize("name", NAMES)
def test_what_the_processes_read_below_proc_is_there(name: str) -> None:
    """The boot id, without which a session from before a restart is void, and neard's sysctls."""
    assert "ProcSubset" not in unit(name)["Service"]


def test_the_agent_can_reach_the_guards_socket_and_nothing_else_of_it() -> None:
    agent, guard = unit("hafailover")["Service"], unit("neard")["Service"]
    assert agent["SupplementaryGroups"] == guard["Group"] == "neard"
    assert guard["RuntimeDirectoryMode"] == "0750"
    assert agent["User"] != guard["User"]
    assert agent["RuntimeDirectoryPreserve"] == "restart"


def test_the_agent_sees_who_other_users_are() -> None:
    """Its token goes to Consul's user alone, and a user namespace would make everybody nobody."""
    text = (FOLDER / "hafailover.toml").read_text()
    assert "PrivateUsers" not in tomllib.loads(text)["Service"]
