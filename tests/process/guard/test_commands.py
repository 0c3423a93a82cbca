"""A real guard with a fake neard: arming, granting and dropping over the socket, and who may command."""

import contextlib
import time
from itertools import pairwise

import pytest

from hafailover.clock import boottime

from .host import BUDGET_S, POOL_KEY, GuardHost


def test_arm_grant_and_drop(host: GuardHost) -> None:
    agent = host.up()
    first = agent.until_up()
    assert (first["key"], first["public_key"], first["restarts"]) == ("absent", POOL_KEY, 0)
    assert host.started_with() == [None]
    assert host.events("start")[0]["hup_ignored"]
    assert not host.link.is_symlink()

    deadline = agent.arm(5, 0.6)
    loaded = agent.until_key("loaded")
    assert loaded["term"] == 5
    assert loaded["tainted"]
    assert loaded["load_s"] < 0.5
    assert host.link.is_symlink()
    assert host.link.resolve() == host.key.resolve()

    for _ in range(4):
        agent.grant(5, 0.6)
        time.sleep(0.25)
    assert boottime() > deadline
    assert agent.until_key("loaded")["term"] == 5

    asked = agent.drop(5)
    dropped = agent.until_key("absent")
    assert dropped["retired"] == 5
    assert dropped["drop_s"] < 0.5
    assert not host.link.is_symlink()
    assert host.wait_keyless(asked + BUDGET_S) < asked + BUDGET_S
    assert dropped["neard"] == "up"
    assert host.neards() == [dropped["neard_pid"]]

    agent.arm(5)
    assert agent.until(lambda report: report["refused_term"] == 5)["key"] == "absent"
    agent.arm(6)
    assert agent.until_key("loaded")["term"] == 6
    # Not one SIGHUP before neard was up.
    events = [event["event"] for event in host.events()]
    assert events.index("up") < events.index("reload")


def test_no_confirmation_comes_before_its_proof(host: GuardHost) -> None:
    """Each report, held against what neard had noted by then."""
    agent = host.up()
    for term in range(1, 6):
        agent.arm(term)
        agent.until_key("loaded")
        assert host.events("reload")[-1]["key"] == POOL_KEY
        agent.drop(term)
        agent.until_key("absent")
        assert host.events("reload")[-1]["key"] is None
    states = [report["key"] for report in agent.seen]
    assert "dropping" in states
    for before, after in pairwise(states):
        assert (before, after) != ("loaded", "absent"), "without having been dropped"


def test_the_key_outlives_the_agent_until_the_grant_runs_out_and_no_longer(host: GuardHost) -> None:
    agent, deadline = host.loaded(5, grant_s=1.0)
    agent.close()

    time.sleep(max(0.0, deadline - boottime() - 0.1))
    assert host.events("reload")[-1]["key"] == POOL_KEY
    assert host.link.is_symlink()

    dropped_at = host.wait_keyless(deadline + BUDGET_S)
    assert deadline - 0.01 <= dropped_at <= deadline + BUDGET_S
    another = host.agent()
    assert another.until_key("absent")["retired"] == 0
    assert not host.link.is_symlink()
    assert "the grant ran out" in host.text()


def test_an_agent_that_comes_back_in_time_goes_on(host: GuardHost) -> None:
    agent, deadline = host.loaded(5, grant_s=1.0)
    agent.close()
    time.sleep(0.3)

    another = host.agent()
    another.grant(5, 3.0)
    time.sleep(max(0.0, deadline + 0.3 - boottime()))

    assert another.until_key("loaded")["term"] == 5
    assert len(host.events("reload")) == 1


def test_the_newest_connection_wins_and_the_old_ones_commands_are_void(host: GuardHost) -> None:
    old = host.up()
    # The guard stands still: both connections and all commands are there when it goes on.
    assert host.guard is not None
    host.guard.freeze()
    new = host.agent()
    old.drop(9)
    for term in range(10, 40):
        old.arm(term)
    host.guard.thaw()

    assert old.hung_up()
    report = new.now()
    # What the old one sent may have been read before the new one was seen, or it is void; never after.
    seen = (report["term"], report["retired"])
    time.sleep(0.3)
    last = new.now()
    assert (last["term"], last["retired"]) == seen


def test_what_an_old_connection_sends_later_is_void(host: GuardHost) -> None:
    old = host.up()
    new = host.agent()
    new.until_up()
    with contextlib.suppress(OSError):
        old.arm(5)
        old.drop(9)

    assert old.hung_up()
    new.arm(7)
    report = new.until_key("loaded")
    assert (report["term"], report["retired"]) == (7, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"{}\n",
        b'{"op": "arm"}\n',
        b'{"op": "arm", "term": 0, "deadline": 1}\n',
        b'{"op": "drop", "term": 1e400, "reason": ""}\n',
        b'{"op": "arm", "term": 1, "deadline": 1%s}\n' % (b"0" * 400),
        b"[" * 50000 + b"\n",
        b"\xff\x00\n",
        b"x" * 200_000,
    ],
    ids=lambda line: repr(line[:24]),
)
def test_garbage_ends_the_connection_and_nothing_else(shared_host: GuardHost, line: bytes) -> None:
    host = shared_host
    written = len(host.text())
    agent = host.agent()
    agent.until_key("loaded")
    with contextlib.suppress(OSError):
        agent.send_raw(line)

    assert agent.hung_up()
    another = host.agent()
    another.grant(5, 14.0)
    report = another.until_key("loaded")
    assert report["neard"] == "up"
    assert "Traceback" not in host.text()[written:]


def test_an_agent_that_does_not_read_is_not_waited_for(shared_host: GuardHost) -> None:
    deaf = shared_host.agent()
    for _ in range(40):
        try:
            deaf.send_raw(b'{"op": "ping"}\n' * 2000)
        except OSError:
            break
    another = shared_host.agent()
    another.grant(5, 14.0)
    assert another.until_key("loaded")["neard"] == "up"


def test_a_restart_that_is_asked_for(host: GuardHost) -> None:
    agent = host.up()
    before = host.neards()

    agent.send("restart", reason="it held the key once")
    agent.until(lambda report: report["neard"] == "up" and report["restarts"] == 1)

    assert len(host.neards()) == len(before) + 1
    assert host.events("stop")
    assert host.started_with() == [None, None]
