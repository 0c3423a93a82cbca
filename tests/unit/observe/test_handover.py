"""A switchover as its asker lives it: what is asked for, how long it took, and each way to be refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import Roster
from hafailover.observe import handover
from hafailover.observe.handover import Handover, HandoverRefusedError, switch_over

from .pool import PAUSE_S, Active, beat, fill
from .tiny_consul import ACCOUNT, KEYS, TinyConsul, until


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def ask(consul: TinyConsul, said: list[str]) -> Callable[..., Handover]:
    return lambda to=None: switch_over(consul.address, ACCOUNT, to, said.append)


Ask = Callable[..., Handover]


def test_what_it_did_and_how_long_it_took(consul: TinyConsul, ask: Ask, said: list[str]) -> None:
    fill(consul)
    active = Active(consul)
    done = ask("c")
    active.thread.join(5)
    assert (done.from_node, done.to_node, done.term) == ("a", "c", 33)
    # From the release to the first beat of the next one; the wish and its answer come before.
    assert PAUSE_S / 4 <= done.gap_s <= done.total_s
    assert (active.asked["to"], active.asked["term"], active.asked["despite_budget"]) == ("c", 20, False)
    assert said == ["handing over to c"]


def test_the_best_standby_is_the_default(consul: TinyConsul, ask: Ask) -> None:
    fill(consul, standbys=())
    for node, priority, ready in (("b", 1, True), ("c", 5, True), ("d", 9, False)):
        consul.publish(node, f"session-of-{node}", role="standby", priority=priority, ready=ready)
    Active(consul)
    assert ask().to_node == "c"


def test_a_beat_of_the_next_term_alone_is_enough(consul: TinyConsul, ask: Ask) -> None:
    """A watch may miss the release; then the gap is not known, and none is claimed."""
    fill(consul)

    def play() -> None:
        wish = consul.await_key(KEYS.request)
        consul.put(KEYS.answer, {"id": wish["id"], "accepted": True, "reason": "yes"})
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    done = ask("b")
    assert done.gap_s == 0
    assert done.total_s > 0


def test_the_wish_ends_with_its_asker(consul: TinyConsul, ask: Ask) -> None:
    fill(consul)
    Active(consul)
    ask()
    assert consul.items[KEYS.request].session is None, "nobody may act on it any more"
    assert not [session for session in consul.sessions if not session.startswith("session-of-")]


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("a", "a is the active already"),
        ("x", "no host named x is known; there are a, b, c"),
        ("c", "c is not ready: standby: not ready: neard is syncing"),
    ],
)
def test_a_target_that_cannot_be_is_not_asked_for(consul: TinyConsul, ask: Ask, to: str, told: str) -> None:
    fill(consul, standbys=("b",))
    consul.publish("c", "session-of-c", role="standby", reason="not ready: neard is syncing", ready=False)
    with pytest.raises(HandoverRefusedError) as caught:
        ask(to)
    assert str(caught.value) == told
    assert consul.get(KEYS.request) is None


def test_a_pool_without_an_active_has_nothing_to_hand_over(consul: TinyConsul, ask: Ask) -> None:
    fill(consul, active=None)
    with pytest.raises(
        HandoverRefusedError, match="there is no active to hand over: no host of this pool signs"
    ):
        ask()


def test_a_pool_without_a_ready_standby_keeps_its_active(consul: TinyConsul, ask: Ask) -> None:
    fill(consul, standbys=())
    with pytest.raises(HandoverRefusedError, match="no standby is ready: there is none"):
        ask()
    consul.publish("b", None, role="standby", ready=True)
    with pytest.raises(HandoverRefusedError, match="no standby is ready: b: its agent has no session"):
        ask()


def test_one_wish_at_a_time(consul: TinyConsul, ask: Ask) -> None:
    fill(consul)
    consul.put(KEYS.request, {"id": "other", "to": "c", "term": 20}, "session-of-another-asker")
    with pytest.raises(HandoverRefusedError, match="another switchover is being asked for"):
        ask()
    assert consul.get(KEYS.request)["id"] == "other"


def test_the_actives_refusal_is_passed_on(consul: TinyConsul, ask: Ask) -> None:
    fill(consul)
    Active(consul, accepted=False)
    with pytest.raises(HandoverRefusedError, match="b is not prepared"):
        ask("b")
    assert consul.items[KEYS.request].session is None


def test_an_answer_to_another_wish_is_none(
    consul: TinyConsul, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "ANSWER_WITHIN_S", 0.5)
    fill(consul)
    consul.put(KEYS.answer, {"id": "an old one", "accepted": True, "reason": "yes"})
    with pytest.raises(HandoverRefusedError, match=r"the active did not answer within 0\.5 s"):
        ask("b")


def test_a_target_that_knows_too_few_blocks_is_named_and_given_time(
    consul: TinyConsul, ask: Ask, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "ANSWER_WITHIN_S", 0.1)
    monkeypatch.setattr(handover, "RENEW_S", 0.2)
    fill(consul, standbys=("b",))
    consul.publish("b", "session-of-b", role="standby", ready=True, blocks_lacking=6)

    def play() -> None:
        wish = consul.await_key(KEYS.request)
        time.sleep(1.0)
        consul.put(KEYS.answer, {"id": wish["id"], "accepted": True, "reason": "yes"})
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    assert ask("b").to_node == "b"
    assert said == [
        "b knows 4 of the 10 blocks by which it tells how old its head is: "
        "a signs until it does, 12 s at most",
        "yes",
    ]


def test_a_handover_that_nobody_takes_up_is_told(
    consul: TinyConsul, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "DONE_WITHIN_S", 0.5)
    monkeypatch.setattr(handover, "WATCH_S", 0.2)
    fill(consul)
    Active(consul, moves=False)
    with pytest.raises(HandoverRefusedError, match="a accepted, but nobody else became active within 0"):
        ask("b")


@pytest.mark.parametrize("amid", ["the change", "the renewal", "the wait for the next active"])
def test_an_election_of_a_leader_is_waited_for(
    consul: TinyConsul, said: list[str], monkeypatch: pytest.MonkeyPatch, amid: str
) -> None:
    """The active may have begun by then."""
    monkeypatch.setattr(handover, "WATCH_S", 0.2)
    if amid == "the renewal":
        monkeypatch.setattr(handover, "RENEW_S", 0.0)
    fill(consul)
    changes: list[int] = []

    def accept() -> None:
        consul.put(KEYS.answer, {"id": consul.get(KEYS.request)["id"], "accepted": True, "reason": "yes"})

    def play() -> None:
        consul.await_key(KEYS.request)
        if amid == "the wait for the next active":
            accept()
            until(lambda: said, "the answer is heard")
        consul.down = True
        changes.append(125)
        time.sleep(1.0)
        consul.down = False
        if amid == "the change":
            until(lambda: consul.get(KEYS.request)["from_height"] == 125, "the change is put again")
        accept()
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    change = lambda: changes.pop() if changes else None  # noqa: E731
    assert switch_over(consul.address, ACCOUNT, "b", said.append, 120, change).to_node == "b"
    assert said == ["yes"]


def test_consul_that_denies_is_not_waited_for(
    consul: TinyConsul, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    asked = 0

    def denied(*_: object) -> None:
        nonlocal asked
        asked += 1
        raise CallError(Kind.DENIED, "reading an answer: Consul denied it")

    monkeypatch.setattr(Roster, "answer_to", denied)
    with pytest.raises(CallError, match="denied it"):
        ask("b")
    assert asked == 1


@pytest.mark.parametrize(
    "limit", ["hafailover.lock.patience.CONSUL_S", "hafailover.observe.handover.ANSWER_WITHIN_S"]
)
def test_consul_that_fails_for_good_is_no_refusal(
    consul: TinyConsul, ask: Ask, said: list[str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(limit, 1.0)
    fill(consul)

    def play() -> None:
        consul.await_key(KEYS.request)
        consul.down = True

    threading.Thread(target=play, daemon=True).start()
    with pytest.raises(CallError):
        ask("b")
    assert len(said) == 1
    assert "lapses by itself" in said[0]
