"""Promotion by restart, a real guard and a fake neard: one neard at a time, the key only when meant."""

import time
from collections.abc import Iterator

import pytest

from hafailover.clock import boottime

from ...unit.near.keys import public_key, write_key
from .host import BUDGET_S, KILL_SLACK_S, POOL_KEY, GuardHost, running

OWN, POOL_NODE = public_key("host"), public_key("pool-node")


@pytest.fixture
def host(host: GuardHost) -> Iterator[GuardHost]:
    node_key = write_key(host.folder / "secrets" / "node.json", "pool-node", account_id="node")
    host.change(hot_swap=False, validator_node_key_file=str(node_key))
    yield host


def starts(host: GuardHost) -> list[tuple[str | None, str]]:
    return [(event["key"], event["node_key"]) for event in host.events("read")]


def alive(host: GuardHost) -> list[int]:
    return [pid for pid in host.neards() if running(pid)]


def test_both_keys_come_with_the_promotion_and_go_with_the_demotion(host: GuardHost) -> None:
    agent = host.up()
    agent.arm(5)
    loaded = agent.until_key("loaded")
    assert loaded["tainted"]
    assert host.link.resolve() == host.key.resolve()
    assert len(alive(host)) == 1

    agent.drop(5, urgent=False)
    agent.until(lambda report: report["key"] == "absent" and report["neard"] == "up")

    assert starts(host) == [(None, OWN), (POOL_KEY, POOL_NODE), (None, OWN)]
    assert len(host.events("stop")) == 2
    assert not host.events("reload")
    assert not host.link.is_symlink()


def test_an_urgent_demotion_kills(host: GuardHost) -> None:
    agent = host.up()
    agent.arm(5)
    agent.until_key("loaded")
    neard = host.neards()[-1]

    asked = agent.drop(5, urgent=True)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + KILL_SLACK_S
    agent.until(lambda report: report["key"] == "absent" and report["neard"] == "up")
    assert starts(host)[-1] == (None, OWN)


def test_a_grant_that_runs_out_kills(host: GuardHost) -> None:
    agent = host.up()
    deadline = agent.arm(5, 1.2)
    agent.until_key("loaded")
    neard = host.neards()[-1]
    agent.close()

    assert deadline <= host.wait_dead(neard, deadline + BUDGET_S) < deadline + KILL_SLACK_S


def test_a_planned_demotion_does_not_outlast_the_lease(host: GuardHost) -> None:
    agent = host.up()
    deadline = agent.arm(5, 1.5)
    agent.until_key("loaded")
    neard = host.neards()[-1]
    host.faults(stop="never")

    agent.drop(5, urgent=False)

    assert host.wait_dead(neard, deadline + BUDGET_S) < deadline + BUDGET_S / 2 + KILL_SLACK_S


def test_a_credential_that_has_become_unusable_leaves_one_neard_and_no_key(host: GuardHost) -> None:
    """It is found out between neard's stop and its start; there must be one start, not two."""
    agent = host.up()
    host.key.chmod(0o640)

    agent.arm(5)

    report = agent.until(lambda report: report["refused_term"] == 5 and report["neard"] == "up")
    assert "chmod 600" in report["problem"]
    assert report["key"] == "absent"
    time.sleep(0.3)
    assert starts(host) == [(None, OWN), (None, OWN)]
    assert alive(host) == [agent.now()["neard_pid"]]


def test_a_binary_that_is_missing_after_the_stop_leaves_no_key(host: GuardHost) -> None:
    agent = host.up()
    binary = host.binary.read_bytes()
    host.binary.unlink()

    agent.arm(5)

    report = agent.until(lambda report: report["refused_term"] == 5)
    assert (report["neard"], report["key"]) == ("down", "absent")
    assert "set neard.binary to neard's path" in report["problem"]
    assert not host.link.is_symlink()
    host.binary.write_bytes(binary)
    host.binary.chmod(0o755)
    assert agent.until_up()["problem"] == ""
    assert starts(host) == [(None, OWN), (None, OWN)]


def test_a_full_disk_does_not_hinder_the_demotion(host: GuardHost) -> None:
    """The link that goes makes room for the one that comes."""
    with host.small_disk() as fill:
        agent = host.up()
        agent.arm(5, 10.0)
        agent.until_key("loaded")
        fill()

        agent.drop(5, urgent=True)

        agent.until(lambda report: report["key"] == "absent" and report["neard"] == "up")
        assert not host.link.is_symlink()
        assert starts(host) == [(None, OWN), (POOL_KEY, POOL_NODE), (None, OWN)]


def test_a_node_key_that_cannot_be_put_back_leaves_no_key_and_no_neard(host: GuardHost) -> None:
    """Under the pool's node key no second neard may run."""
    agent = host.up()
    agent.arm(5, 10.0)
    agent.until_key("loaded")
    neard = host.neards()[-1]
    # Stands for every reason why a disk may refuse a new link.
    obstacle = host.home / ".node_key.json.new"
    obstacle.mkdir()

    asked = agent.drop(5, urgent=True)

    assert host.wait_dead(neard, asked + BUDGET_S) < asked + KILL_SLACK_S
    report = agent.until(lambda report: bool(report["problem"]))
    assert f"{host.home / 'node_key.json'}: cannot be created: " in report["problem"]
    assert "check the disk and the folder's owner" in report["problem"]
    assert (report["neard"], report["key"]) == ("down", "absent")
    assert alive(host) == []
    assert not host.link.is_symlink()

    obstacle.rmdir()
    agent.until_up()
    assert starts(host) == [(None, OWN), (POOL_KEY, POOL_NODE), (None, OWN)]


def test_a_grant_that_runs_out_while_neard_stops_brings_no_key(host: GuardHost) -> None:
    agent = host.up()
    host.faults(stop=0.6)

    agent.arm(5, 0.4)

    agent.until(lambda report: report["restarts"] == 1 and report["neard"] == "up")
    assert starts(host) == [(None, OWN), (None, OWN)]
    assert not host.link.is_symlink()


def test_the_next_guard_gives_the_host_its_own_node_key_back(host: GuardHost) -> None:
    agent = host.up()
    agent.arm(5)
    agent.until_key("loaded")
    neard = host.neards()[-1]
    killed = boottime()
    host.kill_guard()
    host.wait_dead(neard, killed + 1)
    assert host.guard is not None
    host.guard.kill()
    # As if it had been killed between the two links.
    host.link.unlink()

    host.up()

    assert starts(host)[-1] == (None, OWN)
