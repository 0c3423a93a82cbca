"""Strikes, watches, and notes what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hafailover.bench.duties import Duties
from hafailover.clock import boottime
from hafailover.lab.errors import LabError
from hafailover.near.rpc import Production

from .cluster import SAFE_S, Cluster
from .draw import Drawn
from .kinds import by_name
from .machine import Machine
from .outcome import Episode, Hit
from .strike import Aim, Expect, Kind, Stopped, Strike, together

Say = Callable[[str], None]

SETTLED_S = 0.5
"""How long the pool has to stay safe before it counts as such."""
WHOLE_S = 90.0
FREE_S = 60.0
HEAL_S = 180.0
"""The longest that a fault may take to strike, last and heal."""
STAYS_FOR_S = 8.0
"""How long a pool that may not move is watched: longer than any lease lives without a beat."""
EVERYWHERE = "*"


class Halt(Exception):
    """The run cannot go on: the invariant is broken, or the pool never came back."""


@dataclass(frozen=True)
class Struck:
    """A fault that is at work, or was."""

    kind: Kind
    hit: Hit
    expected: Expect
    thread: threading.Thread


class Runner:
    """Runs episodes one after another."""

    def __init__(self, cluster: Cluster, say: Say) -> None:
        self._cluster = cluster
        self._say = say
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.episodes: list[Episode] = []

    def stop(self) -> None:
        """Whoever waits heals what it has done and ends."""
        self._over.set()

    def rest(self, seconds: float) -> None:
        """Does nothing for so long."""
        self._over.wait(seconds)

    def run(self, faults: Sequence[Drawn], *, whole: bool) -> Episode:
        """One episode. ``whole``: everything is in order before it, and whether it moves is watched for long.

        :raises Halt: the invariant is broken, or the pool is not safe again in time.
        """
        self._settle(whole)
        was_whole = whole or self._cluster.whole()
        produced = self._cluster.monitor.chain.production()
        errors: list[str] = []
        struck = [self._launch(drawn, was_whole, errors) for drawn in faults]
        self._await(struck)
        ended = boottime()
        if whole and len(struck) == 1 and struck[0].expected is Expect.STAYS:
            self._over.wait(max(0.0, STAYS_FOR_S - (ended - struck[0].hit.at)))
        harmless = not any(one.hit.was_active or one.kind.takes_consul or one.kind.spread for one in struck)
        expected = together([one.expected for one in struck], harmless=harmless)
        episode = Episode([one.hit for one in struck], expected, was_whole, problems=errors)
        self.episodes.append(episode)
        self._measure(episode, ended, produced, struck[0].kind)
        return episode

    def _launch(self, drawn: Drawn, whole: bool, errors: list[str]) -> Struck:
        """Picks whom to strike and lets the fault take its course in a thread of its own."""
        cluster = self._cluster
        self._over.wait(drawn.after_s)
        kind = by_name(drawn.kind)
        machine = self._aim(kind, drawn.aim)
        on_active = machine is cluster.active()
        expected = kind.expects(on_active=on_active, on_leader=machine is cluster.leader(), whole=whole)
        cluster.monitor.last_fault = f"{kind.name} on {machine.name}"
        hit = Hit(kind.name, machine.name, on_active, boottime(), drawn.hold_s)
        strike = Strike(cluster, machine, drawn.hold_s, self._over)
        thread = threading.Thread(target=self._strike, args=(kind, strike, hit, errors), daemon=True)
        thread.start()
        return Struck(kind, hit, expected, thread)

    def _settle(self, whole: bool) -> None:
        cluster = self._cluster
        try:
            if whole:
                cluster.wait_whole(WHOLE_S, nudge=True)
            else:
                cluster.wait_safe()
        except LabError as error:
            raise Halt(f"the pool is not {'whole' if whole else 'safe'} again: {error}") from error

    def _measure(self, episode: Episode, ended: float, produced: Production | None, kind: Kind) -> None:
        cluster, timeline = self._cluster, self._cluster.monitor.timeline
        lasts = any(hit.hold_s for hit in episode.hits)
        strike = min(hit.at for hit in episode.hits)
        try:
            # A guard's alarm stays until somebody has looked at it, so a broken pool is never safe again.
            self._halt_if_broken(episode)
            safe = cluster.wait_safe(SAFE_S)
            while not self._over.wait(SETTLED_S) and not cluster.safe():
                safe = cluster.wait_safe(SAFE_S)
        except LabError as error:
            episode.problems.append(f"never came back: {error}")
            raise Halt(episode.line) from error
        finally:
            now = boottime()
            episode.recovered_s = timeline.recovered_s(strike, now)
            episode.silent_s = timeline.silent_s(strike, now)
            episode.failovers = timeline.failovers(strike, now)
            if episode.recovered_s:
                episode.healed = lasts and strike + episode.recovered_s >= ended
        episode.safe_s = safe - strike
        episode.duties = self._duties(produced, strike)
        episode.missed = episode.duties.blocks_missed if episode.duties is not None else 0
        if episode.expected is Expect.MOVES and not episode.failovers:
            episode.problems.append("no failover, though one was due")
        if episode.expected is not Expect.EITHER and episode.recovered_s > kind.within_s:
            episode.problems.append(f"one signed again only after {episode.recovered_s:.1f} s")
        if failed := cluster.failed_units():
            episode.problems.append(f"ended for good, as with wrong settings: {', '.join(failed)}")
        self._halt_if_broken(episode)

    def _halt_if_broken(self, episode: Episode) -> None:
        if broken := self._cluster.monitor.broken:
            episode.problems += [f"{one.what}, at {one.at:.3f}, after {one.fault}" for one in broken]
            raise Halt(episode.line)

    def _duties(self, before: Production | None, strike: float) -> Duties | None:
        chain = self._cluster.monitor.chain
        after, now = chain.production(), boottime()
        if before is None or after is None:
            return None
        duties = Duties()
        duties.add(before, after, chain.own_between(strike, now))
        return duties

    def _strike(self, kind: Kind, strike: Strike, hit: Hit, errors: list[str]) -> None:
        parts = self._parts(kind, strike.machine)
        try:
            kind.body(strike)
        except Stopped:
            pass
        except (LabError, OSError) as error:
            errors.append(f"{kind.name} on {strike.machine.name} could not be done: {error}")
        finally:
            hit.at = strike.struck_at or hit.at
            with self._lock:
                self._busy -= parts

    def _await(self, struck: list[Struck]) -> None:
        end = boottime() + HEAL_S
        for one in struck:
            one.thread.join(max(0.0, end - boottime()))
            if one.thread.is_alive():
                raise Halt(f"{one.kind.name} on {one.hit.host} did not end in {HEAL_S:g} s")

    def _aim(self, kind: Kind, aim: Aim) -> Machine:
        """The host to strike, its parts taken; the next best where another fault is at work on them."""
        end = boottime() + FREE_S
        while boottime() < end and not self._over.is_set():
            for machine in self._in_order(aim):
                parts = self._parts(kind, machine)
                with self._lock:
                    if self._allowed(kind, machine) and not self._busy & parts:
                        self._busy |= parts
                        return machine
            time.sleep(0.1)
        raise Halt(f"{kind.name}: no host was free to be struck within {FREE_S:g} s")

    def _in_order(self, aim: Aim) -> list[Machine]:
        cluster = self._cluster
        active = cluster.active() or cluster.machines[0]
        leader = cluster.leader() if aim in (Aim.LEADER, Aim.OTHER_LEADER) else None
        first = active
        if aim is Aim.STANDBY:
            first = cluster.others(active)[0]
        elif leader is not None and not (aim is Aim.OTHER_LEADER and leader is active):
            first = leader
        elif aim is Aim.OTHER_LEADER:
            first = cluster.others(active)[0]
        return [first, *cluster.others(first)]

    def _allowed(self, kind: Kind, machine: Machine) -> bool:
        """Nothing that ends a process which is to be kept; a suspended one is only late."""
        if self._cluster.kept is None:
            return True
        ended = {"agent", "guard", "consul"} & {part.lstrip(EVERYWHERE) for part in kind.touches}
        return not ended or (machine.name != self._cluster.kept and not kind.spread)

    def _parts(self, kind: Kind, machine: Machine) -> set[tuple[str, str]]:
        machines = self._cluster.machines
        found = set()
        for part in kind.touches:
            hosts = machines if part.startswith(EVERYWHERE) else [machine]
            found |= {(one.name, part.lstrip(EVERYWHERE)) for one in hosts}
        return found
