"""Watches for what must not last while faults go on: nobody signs although a host could, a status that lies.

A host *could* when nothing is wrong with it or on its way: up, linked, a Consul beside it that is part of one
that commits, guard, neard and disks well, in sync and on time. Two things count from then on: how long nobody
signs, cut into spells by who holds the lock meanwhile, and how long what is said is false.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hafailover.core import gates
from hafailover.core.beat import Phase
from hafailover.core.state import State
from hafailover.core.views import NeardPhase, Role
from hafailover.lock.roster import Entry
from hafailover.observe.moving import QUIET_S, STILL_S
from hafailover.observe.overview import Overview, overview
from hafailover.observe.warnings import Still

from .neard import ACCOUNT

if TYPE_CHECKING:
    from .host import Host
    from .world import World

LOOK_S = 0.5

FREE = "nobody signs, the lock is free"
OWN = "nobody signs, one that could has the lock"
OTHER = "nobody signs, one that could not has the lock"
IDLE = "nobody signs although a host could"
HANDOVER = "planned handover"
DISTURBED = "planned handover amid faults, or by restart"
LONGEST_S = {FREE: 10.0, OWN: 35.0, OTHER: 50.0}
"""The bound of each spell, in seconds.

``FREE``: the back-off of the one that has just given up (5 s), and an answer that was lost.
``OWN``: the longest wait for a predecessor (16.2 s), once more where the lease lapsed meanwhile.
``OTHER``: a session of the past that Consul keeps for twice its TTL (40 s), the proof's 45 s."""
HANDOVER_S = 3.0
"""A planned handover with nothing wrong, from the old key's end to the new one's load, by hot swap."""
BOUNDS_S = {**LONGEST_S, HANDOVER: HANDOVER_S}
SAID_TO_SIGN_S = 15.0
"""``status`` may name a dead host for as long as its session lives: detection takes 5 to 7 s, and a leader
that is new ends no session at once."""
READY_BUT_RESTS_S = 1.6
"""A host that says that it is ready leaves a free lock alone for the head start of others at most."""
AFTER_A_FOREIGNER_S = 75.0
"""For so long after somebody else has signed with the pool's key a host may hold back."""
FORGOTTEN_S = 25.0
"""A host with nothing wrong is known to Consul again within this time: gossip takes 7 s to believe it."""

STATUS_LIES = "status: signs, and does not"
STUCK = "Consul does not commit"
RESTS = "status: ready, and rests"
FORGOTTEN = "a host that Consul has forgotten"

LIVENESS_RULES = frozenset({"liveness", FREE, OWN, OTHER, HANDOVER, STATUS_LIES, RESTS, FORGOTTEN})


class Vigil:
    """``spells``: how long each thing lasted, by name, in seconds."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.spells: defaultdict[str, list[float]] = defaultdict(list)
        self._could_since: dict[Host, float] = {}
        self._able_since: dict[Host, float] = {}
        """The same of those that have a session, without which nobody can take the lock."""
        self._lock: tuple[str | None, int] = (None, 0)
        self._lock_at = 0.0
        self._signed_at = 0.0
        self._spell: tuple[str, float] | None = None
        self._idle_since: float | None = None
        self._gone_at: dict[Host, tuple[float, int]] = {}
        """When each host's key went, and how many faults had struck by then."""
        self._commits_since = 0.0
        self._rests_since: dict[Host, float] = {}
        self._known_at: dict[Host, float] = {}
        world.at(LOOK_S, self._look)

    # --- what is told

    def key_moved(self, host: Host, loaded: bool) -> None:
        now = self._world.now
        if not loaded:
            self._gone_at[host] = now, self._faults()
            return
        agent = host.agent
        hold = agent.state.hold if agent is not None else None
        before = hold.predecessor.beat if hold is not None and hold.predecessor is not None else None
        if before is None or before.phase is not Phase.RELEASED or before.handover_to != host.name:
            return
        if (before.history, before.term) not in self._world.consul.released:
            # A release that somebody else has written is no planned handover.
            return
        old = next((one for one in self._world.hosts if one.name == before.node), None)
        if old is None or old not in self._gone_at:
            return
        gone_at, faults = self._gone_at[old]
        took = now - gone_at
        calm = faults == self._faults() and self._could_since.get(host, now) < gone_at
        if not (calm and _linked(old) and self._world.shape.hot_swap):
            self.spells[DISTURBED].append(took)
            return
        self.spells[HANDOVER].append(took)
        if took > HANDOVER_S:
            self._judge(HANDOVER, f"from {old.name} to {host.name} nobody signed for {took:.1f} s")

    def _faults(self) -> int:
        return self._world.faults.total() - self._world.faults["switchover"]

    # --- what is looked at

    def _look(self) -> None:
        world = self._world
        world.at(LOOK_S, self._look)
        now = world.now
        if not world.servers.commits:
            self._commits_since = now
        known = {session.host for session in world.consul.sessions.values()}
        for host in world.hosts:
            if not could(world, host):
                self._could_since.pop(host, None)
            else:
                self._could_since.setdefault(host, now)
            if host not in self._could_since or host not in known:
                self._able_since.pop(host, None)
            else:
                self._able_since.setdefault(host, now)
        self._look_for_a_signer(now)
        self._look_at_status(now)
        for host in world.hosts:
            self._look_for_the_forgotten(host, now)
            self._look_at_what_it_says(host, now)

    def _look_for_a_signer(self, now: float) -> None:
        world = self._world
        lock = world.consul.lock
        if (lock.session, lock.index) != self._lock:
            self._lock, self._lock_at = (lock.session, lock.index), now
        if signer(world) is not None:
            self._signed_at = now
        if world.chain.foreign_signer:
            self._signed_at = now + AFTER_A_FOREIGNER_S
        could_since = min(self._able_since.values(), default=now)
        since = max(self._signed_at, could_since, self._commits_since)
        if since >= now:
            self._end_spell(now)
            if self._idle_since is not None:
                self.spells[IDLE].append(now - self._idle_since)
                self._idle_since = None
            return
        self._idle_since = since if self._idle_since is None else self._idle_since
        holder = world.sessions_host()
        name = FREE if holder is None else OWN if holder in self._able_since else OTHER
        begins = max(since, self._lock_at)
        if self._spell is None or self._spell[0] != name or self._spell[1] < begins:
            self._end_spell(now)
            self._spell = name, begins
        lasts = now - self._spell[1]
        if lasts > LONGEST_S[name]:
            able = ", ".join(host.name for host in self._able_since)
            has = holder.name if holder is not None else "nobody"
            self._judge(name, f"{able} could, {has} has the lock, for {lasts:.1f} s")

    def _end_spell(self, now: float) -> None:
        if self._spell is not None:
            name, began = self._spell
            self.spells[name].append(now - began)
            self._spell = None

    def _look_at_status(self, now: float) -> None:
        view = status(self._world)
        if view is None or view.active is None or view.beat_still_s is not None:
            # Where it says that the beat stands still it names the last that is known.
            return
        host = next(one for one in self._world.hosts if one.name == view.active)
        if host in self._world.referee.holders or host not in self._gone_at:
            return
        # What a backup brings back was true once, and sessions end anew.
        since = max(self._gone_at[host][0], self._world.consul.restored_at)
        if self._world.servers.commits:
            # What was written before is corrected as soon as it can be.
            since = max(since, self._commits_since)
        lasts = now - since
        if lasts > SAID_TO_SIGN_S and self._world.servers.led_for(now) > SAID_TO_SIGN_S:
            self._judge(STATUS_LIES, f"'{view.verdict}', and its key has been gone for {lasts:.1f} s")

    def _look_for_the_forgotten(self, host: Host, now: float) -> None:
        able = self._could_since.get(host)
        if able is None or host.agent is None:
            self._known_at.pop(host, None)
            return
        known = any(session.host is host for session in self._world.consul.sessions.values())
        if known:
            self._known_at[host] = now
        lasts = now - max(self._known_at.get(host, able), able, self._commits_since)
        if lasts > FORGOTTEN_S:
            said = f"{host.agent.state.role}: {host.agent.state.reason}"
            self._judge(FORGOTTEN, f"{host.name} has had no session for {lasts:.1f} s, and says '{said}'")

    def _look_at_what_it_says(self, host: Host, now: float) -> None:
        agent, lock = host.agent, self._world.consul.lock
        rests = agent is not None and _linked(host) and _says_ready_and_sees_it_free(agent.state)
        if not rests or lock.session is not None or not self._world.servers.commits:
            self._rests_since.pop(host, None)
            return
        lasts = now - self._rests_since.setdefault(host, now)
        if lasts > READY_BUT_RESTS_S:
            self._judge(RESTS, f"{host.name} says that it is ready, and leaves a free lock alone")

    def _judge(self, rule: str, what: str) -> None:
        self._world.referee.broken(rule, what)


def _says_ready_and_sees_it_free(state: State) -> bool:
    said = state.role is Role.STANDBY and state.reason == "ready"
    return said and not state.acquiring and state.free_since is not None


def signer(world: World) -> Host | None:
    """A host whose neard can get a block out."""
    for host in world.referee.holders:
        if host.view.connected and host not in world.referee.woken:
            return host
    return None


def status(world: World) -> Overview | None:
    """What ``hafailover status`` shows; ``None`` where it says that Consul has no leader."""
    consul = world.consul
    if not world.servers.has_leader:
        return None
    sessions = {session.host.name: name for name, session in consul.sessions.items()}
    entries = [
        Entry(
            one.node, sessions.get(one.node), 0, {"role": one.role, "reason": one.reason, "ready": one.ready}
        )
        for one in consul.records.values()
    ]
    return overview(ACCOUNT, consul.lock, consul.heartbeat, entries, [], still=still(world))


def still(world: World) -> Still | None:
    """What a look finds out that waits for the beat to move and else tries a write."""
    consul = world.consul
    beat = consul.heartbeat
    if consul.lock.session is None or beat is None or beat.beat.phase is Phase.RELEASED:
        return Still(0.0, STUCK) if not world.servers.commits else None
    age = world.now - consul.beaten_at
    if age < STILL_S:
        return None
    stuck = STUCK if not world.servers.commits else ""
    return Still(age, stuck) if stuck or age >= QUIET_S else None


def could(world: World, host: Host) -> bool:
    """Whether nothing keeps this host from signing but the protocol's own rules."""
    if not _linked(host) or not world.servers.commits:
        return False
    agent = host.agent
    if agent is None or gates.is_paused(agent.state, host.clock()) or gates.is_drained(agent.state):
        return False
    guard, neard = host.guard, host.neard
    if guard is None or neard is None or not guard.alive or guard.stopped or guard.stuck:
        return False
    # The state folder is only for a note: nothing that matters may wait for it.
    if host.home.hangs or host.data.hangs or host.disk_full:
        return False
    if host.broken_config or host.loses_reloads or host.slow_reloads:
        return False
    if guard.guard.phase is not NeardPhase.UP or guard.guard.problem:
        return False
    synced = world.now >= max(neard.synced_at, host.syncing_until)
    return neard.up and not neard.silent and synced and host.view.connected and host.view.steady


def _linked(host: Host) -> bool:
    """It runs, and Consul and it understand each other."""
    agent = host.agent
    if agent is None or not agent.alive or agent.frozen or not host.up:
        return False
    rejoined = not host.given_up and host.may_rejoin
    return rejoined and host.server.well and host.server.stores and not host.flaky and not host.slow_watch
