"""Consul's servers: who leads, who can be reached, and a leader from the past that does not know it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hafailover.core.beat import StoredBeat
from hafailover.core.views import LockView

if TYPE_CHECKING:
    from .disk import Disk
    from .host import Host
    from .world import World

REVIEW_S = 0.1
SILENT_LEADER_S = 0.8
"""A leader that is silent for longer loses its followers (raft_multiplier 1)."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a deposed leader still believes, and until when it answers by it."""

    sessions: frozenset[str]
    lock: LockView
    heartbeat: StoredBeat | None
    until: float


class Server:
    """One Consul server: of a host, or of a witness that runs no neard."""

    def __init__(self, host: Host | None) -> None:
        self.host = host
        self.down = False
        self.frozen = False
        self.cut = False
        self.disk: Disk | None = None
        """What its data lies on, where that can hang."""
        self.past: Past | None = None

    @property
    def well(self) -> bool:
        """It runs, and it and the others can hear each other."""
        if self.down or self.frozen or self.cut:
            return False
        host = self.host
        return host is None or (host.up and not host.frozen and host.sends and host.hears)

    @property
    def answers(self) -> bool:
        """It answers its own host."""
        return not self.down and not self.frozen

    @property
    def stores(self) -> bool:
        """It can write down what is agreed on. One that cannot goes on with its heartbeats and answers."""
        return self.disk is None or not self.disk.hangs

    @property
    def name(self) -> str:
        return self.host.name if self.host is not None else "witness"


class Servers:
    """The election of a leader. Only a majority of servers that hear each other has one."""

    def __init__(self, world: World, witness: bool) -> None:
        self._world = world
        self.all: list[Server] = [Server(None)] if witness else []
        self.leader: Server | None = None
        self._silent_since: float | None = None
        self._elect_at = 0.5
        self._led_since = 0.0
        self.ends_sessions_from = 0.0
        """A new leader takes a moment before it ends sessions."""
        world.at(REVIEW_S, self._review)

    def add(self, host: Host) -> Server:
        server = Server(host)
        self.all.append(server)
        return server

    @property
    def has_leader(self) -> bool:
        return self.leader is not None and self.leader.well and self._majority()

    def led_for(self, now: float) -> float:
        """How long the present leader has led."""
        return now - self._led_since if self.has_leader else 0.0

    @property
    def commits(self) -> bool:
        """Writes take effect: the leader and a majority can store them. Reads need no more than a leader."""
        return self.has_leader and self._leader_stores() and self._majority_stores()

    def _leader_stores(self) -> bool:
        return self.leader is not None and self.leader.stores

    def _majority_stores(self) -> bool:
        return 2 * sum(server.well and server.stores for server in self.all) > len(self.all)

    def believed_past(self, server: Server) -> Past | None:
        """What this server wrongly takes for the present."""
        past = server.past
        if past is not None and self._world.now < past.until and server.answers:
            return past
        return None

    def depose(self, server: Server) -> None:
        """The server stops leading and is the last to know."""
        if self.leader is server:
            self._lose()

    def woke(self, server: Server, rng: random.Random) -> None:
        """A frozen server runs again: for a moment it answers from the past."""
        past = server.past
        if past is not None and past.until == float("inf"):
            until = self._world.now + 0.8 * rng.random()
            server.past = Past(past.sessions, past.lock, past.heartbeat, until)
            self._world.did["leaders from the past that answered"] += 1

    def _majority(self) -> bool:
        return 2 * sum(server.well for server in self.all) > len(self.all)

    def _lose(self) -> None:
        world, leader = self._world, self.leader
        assert leader is not None
        consul = world.consul
        # A frozen leader believes for as long as it is frozen; one that is cut off, until its own lease ends.
        until = float("inf") if leader.frozen or (leader.host and leader.host.frozen) else world.now + 0.5
        leader.past = Past(frozenset(consul.sessions), consul.lock, consul.stored_beat(), until)
        self.leader = None
        self._silent_since = None
        self._elect_at = world.now + 0.5 + 2.5 * world.rng.random()
        world.did["Consul leaders lost"] += 1
        world.note(f"Consul: {leader.name} leads no more")

    def _review(self) -> None:
        world, leader = self._world, self.leader
        now = world.now
        if leader is not None:
            if leader.well and self._majority():
                self._silent_since = None
            elif self._silent_since is None:
                self._silent_since = now
            elif now - self._silent_since > SILENT_LEADER_S or leader.down:
                self._lose()
        elif now >= self._elect_at and self._majority_stores():
            # A vote is written down before it is given.
            self.leader = world.rng.choice([one for one in self.all if one.well and one.stores])
            self.leader.past = None
            self._led_since = now
            self.ends_sessions_from = now + 1.0
            # A new leader starts the TTL of every session anew.
            for session in world.consul.sessions.values():
                session.renewed_at = now
            world.did["Consul elections"] += 1
            world.note(f"Consul: {self.leader.name} leads")
        for host in world.hosts:
            host.noticed_by_consul(now)
        world.consul.expire(now)
        world.at(REVIEW_S, self._review)
