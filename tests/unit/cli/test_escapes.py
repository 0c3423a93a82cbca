"""What others wrote into Consul, or answer with, reaches no terminal as anything but text."""

from __future__ import annotations

import pytest

from hafailover.core.beat import Beat, Phase

from ..near.keys import ACCOUNT
from ..observe.pool import fill
from ..observe.tiny_consul import KEYS, TinyConsul
from .command import Command

EVIL = "\x1b]0;owned\x07\x1b[2J\rfine\x9b31m\u202e"
COMMANDS = (
    "status",
    "explain",
    "explain b",
    "history",
    "history --last 5",
    "upgrade-plan",
    "doctor --cluster",
    "doctor --only pool",
    "switchover --status",
    "switchover --cancel",
    "switchover --now --to b",
    "switchover --dry-run --to c",
    "drain nobody",
    "drill --kind neard --yes",
    "pause --for 1m",
)


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_NODE_NAME", "a")
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")


def poisoned(consul: TinyConsul) -> None:
    """A pool whose every text is evil, where an agent would have written a harmless one."""
    fill(consul)
    texts = (
        "agent",
        "reason",
        "role_since",
        "neard_version",
        "agent_version",
        "profile",
        "timing",
        "public_key",
    )
    evil = dict.fromkeys(texts, EVIL)
    gates = {f"key {EVIL}": f"bad {EVIL}", "other": ""}
    consul.publish("b", "session-of-b", role="standby", ready=False, gates=gates, **evil)
    consul.publish("c", "session-of-c", role=EVIL, ready=True, gates=gates, **evil)
    consul.publish(f"d{EVIL}", "session-of-d", role="active", ready=True, **evil)
    consul.put(KEYS.lock, {"node": EVIL}, "session-of-a")
    for event in ("began", "ended", "drill"):
        term = {"event": event, "term": 19, "node": EVIL, "cause": EVIL, "from_node": EVIL, "at": EVIL}
        consul.put(f"{KEYS.history}19.{event}", {**term, "ok": False, "seconds": 1.0})
    consul.put(f"{KEYS.orders}drained/c", {"node": "c", "by": EVIL, "reason": EVIL, "at": EVIL})
    consul.put(f"{KEYS.orders}drained/{EVIL}", {"by": EVIL, "reason": EVIL})
    plan = {"id": "x", "term": 20, "to": EVIL, "by": EVIL, "at": EVIL, "text": EVIL, "window_blocks": 2}
    consul.put(f"{KEYS.orders}plan", plan)
    consul.put(f"{KEYS.prefix}{EVIL}", b"junk")
    consul.servers = [f"{EVIL}:8300", "127.0.0.1:8300"]


@pytest.mark.parametrize("words", COMMANDS)
def test_of_a_pool_whose_texts_are_evil(hafailover: Command, consul: TinyConsul, words: str) -> None:
    poisoned(consul)
    done = hafailover(*words.split())
    said = done.out + done.err
    assert said
    assert [sign for sign in said if sign != "\n" and not sign.isprintable()] == []


def test_a_holder_with_a_name_that_no_host_can_have(hafailover: Command, consul: TinyConsul) -> None:
    poisoned(consul)
    consul.put_beat(Beat(20, 5, EVIL[:20], Phase.ACTIVE, 8.5, height=100))
    said = hafailover("status").out
    assert "owned" not in said.splitlines()[0]
    assert "\x1b" not in said


def test_consuls_own_error(hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consul, "answer", lambda *_: (500, 1, EVIL))
    done = hafailover("status")
    assert done.code == 4
    assert "\\x1b" in done.err
    assert "\x1b" not in done.err
