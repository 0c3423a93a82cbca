"""A real guard with a fake neard and real faults: whatever fails, the key is gone in time."""

import os
import signal
import time

import pytest

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until

from .host import BUDGET_S, KILL_SLACK_S, POOL_KEY, SECRETS, GuardHost, running

HALF_S = BUDGET_S / 2


RPC_FAULTS = {
    "hang": "neard's RPC: no answer within 0.5 s",
    "garbage": "neard's RPC: an answer that is not neard's status",
    "noise": "neard's RPC: an answer that is not HTTP",
}
"""What may be wrong with neard's RPC, and what the guard says of it."""


@pytest.mark.parametrize(
    "fault", [{"reload": "refuse"}, {"reload": "ignore"}, *({"rpc": kind} for kind in RPC_FAULTS)], ids=str
)
def test_a_drop_that_cannot_be_confirmed_kills_within_the_budget(
    host: GuardHost, fault: dict[str, str]
) -> None:
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]
    host.faults(**fault)

    asked = agent.drop(5)

    died = host.wait_dead(neard, asked + BUDGET_S)
    assert asked + HALF_S - 0.1 < died < asked + HALF_S + KILL_SLACK_S
    report = agent.until_key("absent")
    assert report["retired"] == 5
    assert not host.link.is_symlink()
    assert "neard has not confirmed in time that the key is gone, so it is killed" in host.text()
    host.faults()
    agent.until(lambda report: report["neard"] == "up" and report["restarts"] == 1)
    assert host.started_with() == [None, None]


def test_the_same_when_the_grant_runs_out(host: GuardHost) -> None:
    agent, deadline = host.loaded(5, grant_s=1.0)
    neard = host.neards()[-1]
    host.faults(rpc="hang", reload="refuse")
    agent.close()

    died = host.wait_dead(neard, deadline + BUDGET_S)

    assert deadline < died < deadline + HALF_S + KILL_SLACK_S
    assert not host.link.is_symlink()


@pytest.mark.parametrize(("kind", "told"), RPC_FAULTS.items(), ids=RPC_FAULTS)
def test_a_load_that_the_rpc_does_not_confirm_is_taken_back(host: GuardHost, kind: str, told: str) -> None:
    """neard has the key by then; what it does not show cannot be relied on."""
    agent = host.up()
    neard = host.neards()[-1]
    host.faults(rpc=kind)

    asked = boottime()
    agent.arm(5, 8.0)

    assert host.wait_dead(neard, asked + 4.0) < asked + 3.3
    assert host.events("reload")[-1]["key"] == POOL_KEY
    assert host.text().count(told) == 1
    report = agent.until_key("absent")
    assert report["refused_term"] == 5
    assert report["problem"] == "neard did not load the key within 3 s"
    assert not host.link.is_symlink()
    host.faults()
    agent.until_up()
    assert host.started_with() == [None, None]


def test_a_frozen_neard_is_killed_within_the_budget(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]
    os.kill(neard, signal.SIGSTOP)

    asked = agent.drop(5)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + HALF_S + KILL_SLACK_S
    assert agent.until_key("absent")["retired"] == 5


def test_another_neard_on_the_address_confirms_nothing(host: GuardHost) -> None:
    """It says "no key" of itself; ours may have it all the same."""
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]
    host.faults(rpc="foreign", reload="ignore")

    asked = agent.drop(5)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + HALF_S + KILL_SLACK_S


def test_a_slow_reload_is_waited_for(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    host.faults(reload={"slow": 0.2})

    agent.drop(5)

    report = agent.until_key("absent")
    assert report["drop_s"] > 0.15
    assert host.neards() == [report["neard_pid"]]


@pytest.mark.parametrize("name", ["config.json", "log_config.json"])
def test_a_config_that_is_broken_since_makes_a_drop_kill_at_once(host: GuardHost, name: str) -> None:
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]
    (host.home / name).write_text('{"rpc": ')

    asked = agent.drop(5)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + KILL_SLACK_S
    agent.until_key("absent")
    assert f"{name}: not valid JSON" in host.text()
    assert "so neard is killed" in host.text()


@pytest.mark.parametrize("name", ["config.json", "log_config.json"])
def test_a_broken_config_refuses_arming_and_leaves_neard_running(host: GuardHost, name: str) -> None:
    """It never had the key; killed, it could not even start again."""
    agent = host.up()
    neard = host.neards()[-1]
    (host.home / name).write_text('{"rpc": ')

    agent.arm(5)

    report = agent.until(lambda report: report["refused_term"] == 5)
    assert report["key"] == "absent"
    assert name in report["problem"]
    time.sleep(0.3)
    assert running(neard)
    assert not host.link.is_symlink()


def test_a_home_that_cannot_be_looked_at_does_not_stop_the_clock(host: GuardHost) -> None:
    """A link whose target's name is too long stands for every error that a disk may give."""
    agent, deadline = host.loaded(5, grant_s=1.0)
    neard = host.neards()[-1]
    (host.home / "log_config.json").symlink_to("x" * 300)

    agent.close()

    died = host.wait_dead(neard, deadline + BUDGET_S)
    assert died < deadline + BUDGET_S


BROKEN_GUARD = """
import sys
from hafailover.guard.keylink import KeyLink
from hafailover.guard.main import main

def broken(self):
    raise RuntimeError("a defect")

KeyLink.reload_obstacles = broken
sys.exit(main())
"""


def test_a_defect_in_the_guard_itself_does_not_keep_the_key(host: GuardHost) -> None:
    """Whatever goes wrong in a step, the guard must not go on without its clock: neard dies with it."""
    host.start(wrapper=BROKEN_GUARD)
    agent = host.agent()
    agent.until_up()
    deadline = agent.arm(5, 1.0)
    agent.until_key("loaded")
    neard = host.neards()[-1]
    agent.close()

    assert host.wait_dead(neard, deadline + BUDGET_S) < deadline + BUDGET_S
    assert host.guard is not None
    assert host.guard.wait(5) == 70
    assert not host.link.is_symlink()
    written = host.text()
    assert "a defect in the guard: it ends, and neard with it" in written
    assert "RuntimeError: a defect" in written
    assert not any(secret in written for secret in SECRETS)
    # Only here is a traceback in the log what is wanted.
    host.log.write_text("")


def test_a_load_that_is_not_confirmed_is_taken_back(host: GuardHost) -> None:
    agent = host.up()
    neard = host.neards()[-1]
    host.faults(reload="ignore")

    asked = boottime()
    agent.arm(5, 8.0)

    died = host.wait_dead(neard, asked + 6.0)
    assert died - asked > 2.9
    report = agent.until_key("absent")
    assert report["refused_term"] == 5
    assert "did not load the key" in report["problem"]
    # The thread for files removes it; neard is dead by then, whatever the disk does.
    wait_until(lambda: not host.link.is_symlink(), timeout_s=10, what="the link's end")
    assert len(host.events("hup ignored")) >= 8


def test_a_drop_during_an_unconfirmed_load_kills_at_once(host: GuardHost) -> None:
    agent = host.up()
    neard = host.neards()[-1]
    host.faults(reload={"slow": 0.5})
    agent.arm(5)
    time.sleep(0.1)

    asked = agent.drop(5)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + KILL_SLACK_S
    assert agent.until_key("absent")["retired"] == 5


def test_another_key_under_the_name_is_not_left_loaded(host: GuardHost) -> None:
    agent = host.up()
    neard = host.neards()[-1]
    # neard reads the path anew at each reload.
    other = host.folder / "other.json"
    other.write_bytes(host.key.read_bytes().replace(POOL_KEY.encode(), b"ed25519:Other"))
    host.write_config(validator_key_file=str(other))

    agent.arm(5)

    host.wait_dead(neard, boottime() + 4)
    report = agent.until_key("absent")
    assert report["refused_term"] == 5


def test_a_real_key_that_config_names_since_is_never_started_with(host: GuardHost) -> None:
    """config.json may name another key file by the next start than it did when the guard began."""
    agent = host.up()
    neard = host.neards()[-1]
    own = host.home / "own_key.json"
    own.write_bytes(host.key.read_bytes())
    host.write_config(validator_key_file="own_key.json")

    os.kill(neard, signal.SIGKILL)

    agent.until(lambda report: "own_key.json" in report["problem"] or report["restarts"] > 0, 4.0)
    time.sleep(0.3)
    assert host.started_with() == [None]
    assert own.exists()


def test_a_real_key_that_has_come_into_the_home_is_never_started_with(host: GuardHost) -> None:
    agent = host.up()
    neard = host.neards()[-1]
    host.link.write_bytes(host.key.read_bytes())

    os.kill(neard, signal.SIGKILL)

    agent.until(lambda report: "a real file lies where only a link may be" in report["problem"], 4.0)
    assert host.started_with() == [None]
    assert host.link.read_bytes() == host.key.read_bytes()
    assert not host.link.is_symlink()


def test_a_real_key_that_has_come_into_the_home_is_not_overwritten_by_arming(host: GuardHost) -> None:
    agent = host.up()
    host.link.write_bytes(b"the only copy of another key")

    agent.arm(5)
    agent.until(lambda report: report["refused_term"] == 5 or report["key"] == "loaded")

    assert not host.link.is_symlink()
    assert host.link.read_bytes() == b"the only copy of another key"


# --- deaths


def test_a_crashed_neard_is_started_again_without_the_key(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]

    os.kill(neard, signal.SIGSEGV)

    report = agent.until_key("absent")
    assert report["neard_pid"] != neard
    assert not host.link.is_symlink()
    up = agent.until(lambda report: report["neard"] == "up" and report["restarts"] == 1)
    assert not up["tainted"]
    assert host.started_with() == [None, None]
    first, second = host.events("start")
    assert second["at"] - first["at"] >= 1.0
    assert "neard killed by signal 11" in host.text()


def test_a_neard_that_does_not_start_is_tried_with_a_pause(host: GuardHost) -> None:
    host.faults(exit=3)
    host.start()
    agent = host.agent()

    agent.until(lambda report: report["restarts"] == 1 and len(host.events("start")) == 2, 6.0)

    first, second = host.events("start")
    assert 1.0 <= second["at"] - first["at"] < 1.6
    assert "neard exited with code 3" in host.text()


def test_neard_dies_with_a_killed_guard(host: GuardHost) -> None:
    host.loaded(5)
    neard = host.neards()[-1]

    killed = boottime()
    host.kill_guard()

    assert host.wait_dead(neard, killed + 1) < killed + 0.3


def test_the_next_guard_begins_without_the_key(host: GuardHost) -> None:
    host.loaded(5)
    neard = host.neards()[-1]
    host.kill_guard()
    host.wait_dead(neard, boottime() + 1)
    assert host.link.is_symlink()

    assert host.guard is not None
    host.guard.kill()
    agent = host.up()

    assert agent.until_key("absent")["term"] == 0
    assert not host.link.is_symlink()
    assert host.started_with() == [None, None]


def test_sigterm_drops_the_key_and_stops_neard(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    neard = host.neards()[-1]
    assert host.guard is not None

    host.guard.signal(signal.SIGTERM)

    assert host.guard.wait(5) == 0
    assert not running(neard)
    assert not host.link.is_symlink()
    names = [event["event"] for event in host.events("reload", "term", "stop")]
    assert names == ["reload", "reload", "term", "stop"]
    assert host.events("reload")[-1]["key"] is None
    assert agent.hung_up()
    assert not (host.folder / "run" / "guard.sock").exists()


def test_sigterm_before_neard_is_up(host: GuardHost) -> None:
    host.faults(boot_s=30)
    host.start()
    host.agent().until(lambda report: report["neard"] == "booting" and bool(host.neards()))
    assert host.guard is not None

    host.guard.signal(signal.SIGTERM)

    assert host.guard.wait(5) == 0
    assert not running(host.neards()[-1])


def test_a_neard_that_does_not_stop_is_killed_in_the_end(host: GuardHost) -> None:
    host.change(stop_s=0.5)
    host.up()
    host.faults(stop="never")
    assert host.guard is not None

    host.guard.signal(signal.SIGTERM)

    assert host.guard.wait(3) == 0
    assert not running(host.neards()[-1])


def test_sighup_to_the_guard_is_not_neards(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    assert host.guard is not None
    host.guard.signal(signal.SIGHUP)
    time.sleep(0.1)
    assert agent.until_key("loaded")["neard"] == "up"
    assert len(host.events("reload")) == 1


@pytest.mark.parametrize(("kind", "told"), RPC_FAULTS.items(), ids=RPC_FAULTS)
def test_an_rpc_that_makes_no_sense_at_the_start_is_told_and_never_armed(
    host: GuardHost, kind: str, told: str
) -> None:
    """And neard is up as soon as it talks sense again."""
    host.faults(rpc=kind)
    host.start()
    agent = host.agent()
    wait_until(lambda: told in host.text(), timeout_s=4, what=told)
    agent.arm(5)
    report = agent.until(lambda report: report["refused_term"] == 5)
    assert (report["neard"], report["key"]) == ("booting", "absent")
    assert "not arming for term 5: neard is booting" in host.text()
    assert not host.link.is_symlink()

    host.faults()

    agent.until_up(3.0)
    assert host.text().count(told) == 1
    assert host.started_with() == [None]
