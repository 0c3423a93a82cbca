"""A real guard with a fake neard, and trouble around them: neard's binary, its port, its disk."""

import os
import re
import time

import pytest

from ...unit.near.servers import GARBAGE, Handler, Server, hang, status
from .host import GuardHost, running

# --- neard's binary


def test_a_missing_binary_is_told_and_tried_again(host: GuardHost) -> None:
    binary = host.binary.read_bytes()
    host.binary.unlink()
    host.link.symlink_to(host.key)
    host.start()
    agent = host.agent()

    report = agent.until(lambda report: bool(report["problem"]))

    told = f"{host.binary}: cannot be started: No such file or directory; set neard.binary to neard's path"
    assert report["problem"] == told
    assert told in host.text()
    assert (report["neard"], report["key"]) == ("down", "absent")
    agent.arm(5)
    agent.until(lambda report: report["refused_term"] == 5)
    assert "not arming for term 5: neard is down" in host.text()
    assert not host.link.is_symlink()

    host.binary.write_bytes(binary)
    host.binary.chmod(0o755)
    assert agent.until_up()["problem"] == ""
    assert host.started_with() == [None]


def test_a_binary_that_goes_missing_under_a_loaded_neard_leaves_no_key(host: GuardHost) -> None:
    agent, _ = host.loaded(5)
    host.binary.unlink()

    os.kill(host.neards()[-1], 9)

    report = agent.until(lambda report: "set neard.binary to neard's path" in report["problem"])
    assert (report["neard"], report["key"]) == ("down", "absent")
    assert not host.link.is_symlink()


# --- neard's port


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (
            status(validator_public_key=None),
            "neard's RPC: another neard answers on this address; see rpc.addr in config.json",
        ),
        (GARBAGE["not HTTP"], "neard's RPC: an answer that is not HTTP"),
        (hang, "neard's RPC: no answer within 0.5 s"),
    ],
    ids=["another neard", "no HTTP", "silence"],
)
def test_a_port_that_is_taken_while_neard_boots_is_told_and_never_armed(
    host: GuardHost, handler: Handler, told: str
) -> None:
    host.faults(boot_s=1.5)
    host.start()
    agent = host.agent()
    agent.until(lambda report: report["neard"] == "booting")
    with Server(handler, host.port):
        report = agent.until(lambda report: report["problem"] != "")
        assert_named(host, report["problem"])
        agent.until(lambda report: "neard exited with code 1" in host.text())
        agent.arm(5)
        report = agent.until(lambda report: report["refused_term"] == 5)

        assert report["key"] == "absent"
        # neard's own words are in the same log.
        assert f"127.0.0.1:{host.port}: Address already in use" in host.text()
        assert host.text().count(told) == 1
        assert not host.link.is_symlink()
        agent.until(lambda report: "was not started by this guard" in report["problem"])

    host.faults()
    agent.until_up(timeout_s=15)
    assert agent.now()["problem"] == ""
    assert set(host.started_with()) == {None}


def assert_named(host: GuardHost, problem: str) -> None:
    """The process that listens is this very test."""
    who = re.escape(f"listens on 127.0.0.1:{host.port} and was not started by this guard: stop its unit")
    assert re.match(rf"pid {os.getpid()} \(.+\) {who}", problem), problem


def test_no_neard_is_started_beside_another_listener(host: GuardHost) -> None:
    """It would end at once, and by restart it would even be given the key."""
    with Server(status(), host.port):
        host.start()
        agent = host.agent()
        report = agent.until(lambda report: report["problem"] != "")
        assert_named(host, report["problem"])
        agent.arm(5)
        agent.until(lambda report: report["refused_term"] == 5)
        assert host.neards() == []
        assert not host.link.is_symlink()
    agent.until_up(timeout_s=15)
    assert agent.now()["problem"] == ""


def test_a_port_that_is_taken_after_a_crash_leaves_no_key(host: GuardHost) -> None:
    """The one that has it now may even show the pool's key."""
    with Server(status(validator_public_key=None)) as server:
        agent, _ = host.loaded(5)
        # As good as the same port: the next neard goes by what config.json says then.
        host.port = server.port
        host.write_config()

        os.kill(host.neards()[-1], 9)

        report = agent.until(lambda report: "was not started by this guard" in report["problem"])
        assert report["key"] == "absent"
        assert not host.link.is_symlink()
        assert len(host.neards()) == 1


# --- the disk of neard's home


def test_a_full_disk_refuses_arming_and_goes_on(host: GuardHost) -> None:
    with host.small_disk() as fill:
        agent = host.up()
        agent.arm(5)
        agent.until_key("loaded")
        fill()

        # Dropping needs no space.
        agent.drop(5)
        agent.until_key("absent")
        assert not host.link.is_symlink()
        fill()
        neard = host.neards()[-1]
        agent.arm(6)
        report = agent.until(lambda report: report["refused_term"] == 6)
        told = (
            f"{host.link}: cannot be created: No space left on device; check the disk and the folder's owner"
        )
        assert report["problem"] == told
        assert told in host.text()
        assert not host.link.is_symlink()
        time.sleep(0.1)
        assert running(neard)
        assert agent.now()["neard"] == "up"

        host.make_room()
        agent.arm(7)
        agent.until_key("loaded")


def test_a_full_disk_does_not_keep_a_key_whose_grant_runs_out(host: GuardHost) -> None:
    with host.small_disk() as fill:
        agent = host.up()
        deadline = agent.arm(5, 1.0)
        agent.until_key("loaded")
        fill()
        agent.close()

        host.wait_keyless(deadline + 1.0)

        assert not host.link.is_symlink()
        assert host.agent().until_key("absent")["neard"] == "up"
