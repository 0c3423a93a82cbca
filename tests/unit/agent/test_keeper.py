"""The agent's session: opened, kept, taken up again after a restart, and never under another agent's name."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from hafailover.agent import keeper as module
from hafailover.agent.identity import StateFolder
from hafailover.agent.keeper import SessionKeeper
from hafailover.core import events as ev
from hafailover.lock.consul import ConsulLease
from hafailover.lock.roster import Roster
from hafailover.timing import PROFILES, with_changes

from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul, until
from .parts import Events, Mortals

# Consul is fed every third of this, so that what it says of the session is soon known.
PROFILE = with_changes(PROFILES["fast"], {"check_ttl_s": 0.15, "session_ttl_s": 0})
RECORD = KEYS.nodes + "a"
ME = "this-process"


class Bench:
    """A keeper of host a's session, and the words of its end."""

    def __init__(self, consul: TinyConsul, folder: Path, mortals: Mortals) -> None:
        self.consul = consul
        self.state = StateFolder(folder, ACCOUNT, "a")
        self.events = Events()
        self.fatal: list[str] = []
        self.keeper = SessionKeeper(
            mortals(ConsulLease(consul.address, ACCOUNT, "a", PROFILE)),
            mortals(Roster(consul.address, ACCOUNT, 2.0)),
            self.state,
            "a",
            ME,
            PROFILE,
            self.events,
            self.fatal.append,
        )

    def ready(self, number: int = 1) -> str:
        return self.events.wait(ev.SessionReady, number).session


@pytest.fixture
def bench(consul: TinyConsul, tmp_path: Path, mortals: Mortals, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "NAME_POLL_S", 0.02)
    monkeypatch.setattr(module, "LIFE_S", 0.2)
    return Bench(consul, tmp_path, mortals)


def test_a_session_is_noted_and_holds_the_hosts_name_before_it_is_used(bench: Bench) -> None:
    bench.keeper.start()
    session = bench.ready()
    assert session in bench.consul.sessions
    assert bench.state.session() == session
    assert bench.consul.items[RECORD].session == session
    assert bench.consul.get(RECORD)["role"] == "starting"


def test_it_is_fed(bench: Bench) -> None:
    bench.keeper.start()
    bench.ready()
    fed = bench.consul.feeds
    until(lambda: bench.consul.feeds >= fed + 3, "feeding")


def test_a_restarted_agent_goes_on_with_its_session(bench: Bench) -> None:
    bench.consul.publish("a", "session-before", role="active")
    bench.state.note("session-before")
    bench.keeper.start()
    assert bench.ready() == "session-before"
    assert bench.consul.sessions == {"session-before"}


def test_a_noted_session_that_consul_has_ended_is_forgotten(bench: Bench) -> None:
    bench.state.note("session-before")
    bench.keeper.start()
    session = bench.ready()
    assert session != "session-before"
    assert bench.state.session() == session


def test_a_renewal_of_the_noted_session_proves_nothing(bench: Bench) -> None:
    """The answer of a leader that was cut off; the first write shows that the session has ended."""
    bench.consul.renews_all = True
    bench.state.note("session-before")
    bench.keeper.start()
    session = bench.ready()
    assert session != "session-before"
    assert bench.consul.items[RECORD].session == session


def test_a_consul_that_does_not_answer_does_not_cost_the_noted_session(bench: Bench) -> None:
    """Not to know is not the same as gone: a new session would have to wait for the end of the old one."""
    bench.consul.publish("a", "session-before", role="active")
    bench.state.note("session-before")
    bench.consul.down = True
    bench.keeper.start()
    threading.Event().wait(0.3)
    assert bench.events.all == []
    bench.consul.down = False
    assert bench.ready() == "session-before"


def test_a_session_that_consul_ends_is_told_and_replaced(bench: Bench) -> None:
    bench.keeper.start()
    first = bench.ready()
    bench.consul.expire(first)
    assert bench.events.wait(ev.SessionGone).session == first
    second = bench.ready(2)
    assert second != first
    assert bench.consul.items[RECORD].session == second


def test_a_renewal_is_no_news_of_a_consul_that_answers(bench: Bench) -> None:
    """A leader whose disk hangs renews sessions, and lets nobody prove or take the lock."""
    bench.keeper.start()
    bench.ready()
    renewed = bench.consul.feeds
    until(lambda: bench.consul.feeds >= renewed + 5, "feeding")
    assert bench.events.of(ev.ConsulAnswered) == []


def test_a_check_that_consul_has_forgotten_is_registered_again(bench: Bench) -> None:
    bench.keeper.start()
    session = bench.ready()
    bench.consul.forgot_the_check = True
    until(lambda: not bench.consul.forgot_the_check, "the registration")
    fed = bench.consul.feeds
    until(lambda: bench.consul.feeds >= fed + 3, "feeding")
    assert bench.consul.sessions == {session}


def test_a_check_that_cannot_be_passed_does_not_hide_that_the_session_has_ended(bench: Bench) -> None:
    bench.keeper.start()
    first = bench.ready()
    bench.consul.registers_nothing = bench.consul.forgot_the_check = True
    bench.consul.expire(first)
    assert bench.events.wait(ev.SessionGone).session == first
    bench.consul.registers_nothing = False
    assert bench.ready(2) != first


def test_a_session_that_the_core_has_lost_is_replaced(bench: Bench) -> None:
    bench.keeper.start()
    first = bench.ready()
    bench.consul.expire(first)
    bench.keeper.lost(first)
    assert bench.ready(2) != first


def test_what_the_core_says_of_an_older_session_changes_nothing(bench: Bench) -> None:
    bench.keeper.start()
    session = bench.ready()
    bench.keeper.lost("session-older")
    fed = bench.consul.feeds
    until(lambda: bench.consul.feeds >= fed + 3, "feeding")
    assert bench.consul.sessions == {session}


def test_an_abandoned_session_is_ended_for_certain_and_replaced(bench: Bench) -> None:
    bench.keeper.start()
    first = bench.ready()
    bench.consul.down = True
    bench.keeper.abandon(first)
    threading.Event().wait(0.3)
    assert bench.events.of(ev.SessionReady)[1:] == [], "its lock keeps everybody waiting until it is gone"
    bench.consul.down = False
    second = bench.ready(2)
    assert bench.consul.sessions == {second}
    assert bench.state.session() == second


# --- another agent with the same name


def test_a_living_agent_with_this_name_is_left_alone(bench: Bench) -> None:
    other = bench.consul.publish("a", "session-of-another", height=1)
    bench.keeper.start()
    threading.Event().wait(0.1)
    assert bench.fatal == [], "it may be this host's own, from before"
    heights = itertools.count(2)
    until(
        lambda: bench.consul.publish("a", "session-of-another", height=next(heights)) and bench.fatal,
        "the refusal",
    )
    assert bench.fatal[0] == (
        "node_name: another agent named a is alive in this pool; "
        "give each host a name of its own, or stop the other agent"
    )
    assert bench.events.all == []
    assert bench.consul.sessions == {"session-of-another"}, "no session was opened"
    assert bench.consul.items[RECORD].modified > other


def test_what_it_has_written_itself_is_no_sign_of_another(bench: Bench) -> None:
    """A write of before the session's end takes effect when Consul's leader is well again."""
    bench.consul.publish("a", "session-before", height=1)
    bench.keeper.start()
    for height in range(2, 40):
        threading.Event().wait(0.01)
        bench.consul.publish("a", "session-before", agent=ME, height=height)
    assert bench.fatal == []
    bench.consul.expire("session-before")
    bench.ready()


def test_a_late_write_of_an_agent_that_has_gone_is_no_sign_of_life(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIFE_S", 60.0)
    bench.consul.publish("a", "session-before", agent="the-process-before", height=1)
    bench.keeper.start()
    for height in range(2, 20):
        threading.Event().wait(0.01)
        bench.consul.publish("a", "session-before", agent="the-process-before", height=height)
    assert bench.fatal == []
    bench.consul.expire("session-before")
    bench.ready()


def test_a_dead_agents_name_is_waited_for(bench: Bench) -> None:
    bench.consul.publish("a", "session-of-another", height=1)
    bench.keeper.start()
    threading.Event().wait(0.1)
    assert bench.events.all == []
    bench.consul.expire("session-of-another")
    bench.ready()
    assert bench.fatal == []


def test_of_two_that_start_at_once_one_gets_the_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found it free; the claim decides, and the loser leaves no session behind."""
    monkeypatch.setattr(SessionKeeper, "_await_name", lambda self: None)
    bench.consul.publish("a", "session-of-another")
    bench.keeper.start()
    until(lambda: bench.fatal, "the refusal")
    assert bench.events.all == []
    assert bench.consul.sessions == {"session-of-another"}
    assert bench.state.session() is None
