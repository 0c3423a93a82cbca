"""What the token may do, by doing it: harmlessly, and with everything taken back."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hafailover.doctor.facts.consul import NODE_RULE, OPERATOR_RULE
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.commits import NEVER
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.keys import PoolKeys, service_name
from hafailover.lock.policy import agent_rule, service_rule, session_rule

DEADLINE_S = 3.0
CHECK = {"TTL": "10s", "DeregisterCriticalServiceAfter": "1m", "Status": "passing"}
"""Of the service that is registered for a moment; Consul itself removes it if this process does not."""


@dataclass(frozen=True, slots=True)
class Right:
    """``failed``: why it could not be had; ``None`` where it is there."""

    name: str
    rule: str
    needed: bool
    """By the agent; others only let more be seen."""
    failed: str | None = None
    denied: bool = False


def try_rights(address: Address, account_id: str, node: str) -> list[Right]:
    """Tries everything, whatever was denied before.

    :raises CallError: Consul does not answer.
    """
    trial = _Trial(address, account_id, node)
    keys = PoolKeys(account_id)
    rights = [
        trial.of("keys-read", keys.rule, trial.read_lock),
        trial.of("keys-write", keys.rule, trial.write_and_delete),
        *(
            trial.of(f"key-{name}", keys.rule, functools.partial(trial.write_never, key))
            for name, key in (
                ("lock", keys.lock),
                ("heartbeat", keys.heartbeat),
                ("record", keys.nodes + node),
                ("dropped", keys.dropped + node),
                ("history", keys.history + node),
                ("request", keys.request),
            )
        ),
        trial.of("service", service_rule(account_id, node), trial.register),
        trial.of("session", "", trial.session),
        trial.of("agent", "", trial.agent, needed=False),
        trial.of("nodes", NODE_RULE, trial.nodes, needed=False),
        trial.of("operator", OPERATOR_RULE, trial.operator, needed=False),
    ]
    # The Consul node's name is known only now, if at all.
    rules = {"session": session_rule(trial.name), "agent": agent_rule(trial.name)}
    return [Right(r.name, rules.get(r.name, r.rule), r.needed, r.failed, r.denied) for r in rights]


class _Trial:
    def __init__(self, address: Address, account_id: str, node: str) -> None:
        self._consul = connect(address, DEADLINE_S)
        self._keys = PoolKeys(account_id)
        self._key = f"{self._keys.doctor}{node}"
        self._service = service_name(account_id, node)
        self._service_id = f"{self._service}-doctor-{uuid.uuid4().hex[:8]}"
        self.name = "NODE"

    def of(self, name: str, rule: str, attempt: Callable[[], None], needed: bool = True) -> Right:
        try:
            call(f"trying the right {name}", rule, attempt)
        except CallError as failure:
            if failure.kind is Kind.UNREACHABLE:
                raise
            return Right(name, rule, needed, str(failure), failure.kind is Kind.DENIED)
        return Right(name, rule, needed)

    def read_lock(self) -> None:
        self._consul.kv.get(self._keys.lock, consistency="consistent")

    def write_and_delete(self) -> None:
        # On condition that it is not there: one that was cut off before may have left it, which is as good.
        self._consul.kv.put(self._key, "a trial of rights", cas=0)
        self._consul.kv.delete(self._key)

    def write_never(self, key: str) -> None:
        if self._consul.kv.put(key, "", cas=NEVER) is True:
            raise ValueError("Consul wrote what it was not to write")

    def register(self) -> None:
        with self._taken_back(lambda: self._consul.agent.service.deregister(self._service_id)):
            self._consul.agent.service.register(self._service, service_id=self._service_id, check=dict(CHECK))

    def session(self) -> None:
        session = self._consul.session.create(
            name="hafailover/doctor", checks=[], ttl=10, lock_delay=0, behavior="release"
        )
        with self._taken_back(lambda: self._consul.session.destroy(session)):
            _, found = self._consul.session.info(session)
            if isinstance(found, dict) and isinstance(found.get("Node"), str):
                self.name = found["Node"]

    def agent(self) -> None:
        self.name = str(self._consul.agent.self()["Config"]["NodeName"])

    def nodes(self) -> None:
        # Without the right, Consul leaves them out instead of refusing.
        _, found = self._consul.catalog.nodes()
        if not found:
            raise CallError(Kind.DENIED, "reading the catalog's nodes: Consul showed none")

    def operator(self) -> None:
        self._consul.operator.raft_config()

    @contextlib.contextmanager
    def _taken_back(self, undo: Callable[[], Any]) -> Iterator[None]:
        try:
            yield
        finally:
            with contextlib.suppress(Exception):
                undo()
