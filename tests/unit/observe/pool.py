"""A pool as Consul holds it, made of few words."""

from __future__ import annotations

import threading
import time

from hafailover.core.beat import Beat, Phase

from .tiny_consul import KEYS, TinyConsul

PAUSE_S = 0.4
"""How long the pool of these tests is without an active."""


def beat(node: str, term: int, phase: Phase = Phase.ACTIVE) -> Beat:
    return Beat(term, 5, node, phase, 8.5, height=100)


def fill(
    consul: TinyConsul, *, active: str | None = "a", standbys: tuple[str, ...] = ("b", "c"), term: int = 20
) -> None:
    """An active that holds the lock and beats, and ready standbys; the account has no seat."""
    consul.beats = True
    if active is not None:
        consul.put(KEYS.lock, {"node": active}, f"session-of-{active}")
        consul.put_beat(beat(active, term))
        consul.publish(
            active,
            f"session-of-{active}",
            role="active",
            ready=True,
            term=term,
            lease_left_s=6.2,
            height=100,
            budget_unknown_s=0.0,
        )
        began = {"event": "began", "term": term, "node": active, "at": "2026-01-02T03:04:05+00:00"}
        consul.put(f"{KEYS.history}{term}.began", began)
    for number, node in enumerate(standbys):
        consul.publish(
            node,
            f"session-of-{node}",
            role="standby",
            reason="ready",
            ready=True,
            priority=-number,
            height=99,
        )


def publish_budget(consul: TinyConsul, missable: int, node: str = "a", *, alive: bool = True) -> None:
    """A host's neard has counted: of 99 chunks in a row so many may still be missed."""
    row = {
        "rule": "early_kickout",
        "duty": "chunks",
        "shard": 3,
        "missed": 99 - missable,
        "missable": missable,
        "full": 99,
        "minutes": missable * 0.11,
        "in_force": True,
        "out_of_reach": False,
        "lost": False,
        "low": missable < 49.5,
    }
    budget = {
        "epoch_start": 1,
        "height": 2000,
        "blocks_left": 41_201,
        "protocol": 87,
        "source": "protocol_config",
        "rows": [row],
    }
    role = {"role": "active", "term": 20, "lease_left_s": 6.2} if node == "a" else {"role": "standby"}
    session = f"session-of-{node}" if alive else None
    consul.publish(node, session, **role, ready=True, height=100, budget=budget)


def publish_signer(consul: TinyConsul, node: str, grade: str | None = "good", term: int = 33) -> None:
    """A host signs now, and has counted: of nine blocks that were due, nine or none. ``None``: not yet."""
    done = 9 if grade == "good" else 0
    blocks = {"produced": done, "expected": 9, "recent_produced": done, "recent_expected": 9, "last_s": 2.0}
    production = {
        "grade": grade,
        "since": "13:02:11 UTC",
        "blocks": blocks if grade in ("good", "deaf", "doubt") else {},
        "routing": "relayed",
        "signs_s": 9.0,
    }
    consul.publish(
        node,
        f"session-of-{node}",
        role="active",
        ready=True,
        term=term,
        height=100,
        production=production if grade is not None else None,
    )


def publish_unknown_budget(consul: TinyConsul, unknown_s: float, why: str = "") -> None:
    """The active's neard has not told for so long what may still be missed; 0: the account has no seat."""
    consul.publish(
        "a",
        "session-of-a",
        role="active",
        term=20,
        lease_left_s=6.2,
        ready=True,
        height=100,
        budget_unknown_s=unknown_s,
        budget_unknown=why,
    )


class Active:
    """Plays the active: waits for the wish, answers it, and moves the heartbeat to the target.

    :param taker: the host that takes over instead of the target.
    :param grade: of what the new holder signs.
    """

    def __init__(
        self,
        consul: TinyConsul,
        accepted: bool = True,
        moves: bool = True,
        taker: str | None = None,
        grade: str | None = "good",
    ) -> None:
        self._consul = consul
        self._accepted = accepted
        self._moves = moves
        self._taker = taker
        self._grade = grade
        self.asked: dict[str, object] = {}
        self.thread = threading.Thread(target=self._play, daemon=True)
        self.thread.start()

    def _play(self) -> None:
        self.asked = self._consul.await_key(KEYS.request)
        reason = f"handing over to {self.asked['to']}" if self._accepted else "b is not prepared"
        answer = {"id": self.asked["id"], "accepted": self._accepted, "reason": reason}
        self._consul.put(KEYS.answer, answer)
        if not (self._accepted and self._moves):
            return
        self._consul.put_beat(beat("a", 20, Phase.RELEASED))
        time.sleep(PAUSE_S)
        taker = self._taker or str(self.asked["to"])
        publish_signer(self._consul, taker, self._grade)
        self._consul.put_beat(beat(taker, 33, Phase.WAITING))
        self._consul.put_beat(beat(taker, 33))
