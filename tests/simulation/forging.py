"""Forged words in Consul, and a Consul that forgets, on a pool that is settled.

A course of its own, beside the same attacks among the random faults: each round one attack, mostly while the
active cannot see it, and now and then a Consul that has lost everything, with an old state imported or not.
Two more take locks away as a term begins: with a forgery (`hiding`) or by hand (`freeing`).
"""

from __future__ import annotations

import random
from collections.abc import Callable

from hafailover.core.beat import Beat

from .faults.network import cut
from .forger import Forger
from .referee import Violation
from .run import Result, recover
from .world import World

ROUNDS = 8
HIDING_ROUNDS = 4
WRITTEN_OVER = "each beat is written over"


def course(seed: int) -> Result:
    """Some attacks on one pool."""
    return _besieged(seed, "forging", ROUNDS, lambda siege: siege.strike())


def hiding(seed: int) -> Result:
    """The same, each aimed at a term that has just begun."""
    return _besieged(seed, "hiding", HIDING_ROUNDS, lambda siege: siege.hide())


def freeing(seed: int) -> Result:
    """No forgery: each lock is taken away twice in a row, the first time from a holder that cannot see it."""
    return _besieged(seed, "freeing", ROUNDS, lambda siege: siege.free_twice())


def _besieged(seed: int, name: str, rounds: int, strike: Callable[[Siege], None]) -> Result:
    world, result = World(seed), Result(seed, course=name)
    rng = random.Random(f"{name} {seed}")
    began = 0.0
    try:
        siege = Siege(world, rng)
        world.run_until(45.0)
        for _ in range(rounds):
            began = world.now
            world.faults_end = world.now + 30.0
            strike(siege)
            world.run_until(world.now + 30.0)
            result.recovered_s.append(recover(world))
            result.episodes += 1
            world.run_until(world.now + 20.0 * rng.random())
    except Violation as violation:
        result.rule, result.what = violation.rule, str(violation.args[1])
        result.episode, result.when = result.episodes, world.now - began
        result.log = list(world.log)
    result.seconds = world.now
    result.faults, result.did = world.faults, world.did
    result.exposures_s = world.referee.exposures
    result.spells_s = dict(world.vigil.spells)
    return result


class Siege:
    """Sees to it that an attack comes when it may do harm."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self._forger = Forger(world, rng)

    def strike(self) -> None:
        """One attack; the kinds take turns by lot."""
        world, rng = self._world, self._rng
        if rng.random() < 0.3:
            self._wipe()
            return
        attacks = {**self._forger.attacks, WRITTEN_OVER: self._written_over}
        name = rng.choice(list(attacks))
        holder = world.holder()
        if holder is None:
            return
        # The one that is written over beats on.
        fate = rng.random() if name != WRITTEN_OVER else 1.0
        if fate < 0.6 and holder.agent is not None and holder.agent.stop():
            agent = holder.agent
            world.at(10.0 + 5.0 * rng.random(), agent.cont)
        elif fate < 0.8:
            cut(world, holder, 10.0 + 5.0 * rng.random())
        world.struck(f"forged on a settled pool: {name}")
        # The active may be in the middle of a beat, and its guard in that of a slow drop.
        holder.loses_reloads = rng.random() < 0.3
        world.at(0.05 + rng.random(), attacks[name])
        world.at(20.0, lambda: setattr(holder, "loses_reloads", False))

    def hide(self) -> None:
        """A term is written over as it begins, with the word of the host that held the one before, and freed.

        Whoever takes the lock then has never seen whose term it was, and the one that was robbed of it sees
        nothing for a while.
        """
        world, rng = self._world, self._rng
        holder = world.holder()
        if holder is None:
            return
        world.struck("forged as a term begins")
        world.aims.wait_for("acquired", 0.03 * rng.random(), lambda host: self._forger.hide(host, holder))
        if holder.neard is not None:
            holder.neard.kill()

    def free_twice(self) -> None:
        """Whoever takes the lock at last waits by what the one between has promised for the first."""
        world, rng = self._world, self._rng
        holder = world.holder()
        if holder is None or holder.agent is None or not holder.agent.stop():
            return
        world.struck("freed twice in a row")
        world.at(16.0, holder.agent.cont)
        again = 0.5 + 2.5 * rng.random()
        world.aims.wait_for("acquired", again, lambda _: world.consul.free_by_hand())
        world.consul.free_by_hand()

    def _written_over(self) -> bool:
        """Each beat is written over at once, so that no watch shows one; then the active freezes."""
        consul = self._world.consul
        write = consul.beat

        def over(session: str, beat: Beat) -> None:
            write(session, beat)
            self._forger.write_over(beat)

        def strike() -> None:
            consul.beat = write  # type: ignore[method-assign]
            holder = self._world.holder()
            if holder is not None and holder.agent is not None and holder.agent.stop():
                self._world.at(10.0, holder.agent.cont)
            self._forger.released()

        consul.beat = over  # type: ignore[method-assign]
        self._world.at(12.0 + self._rng.random(), strike)
        return True

    def _wipe(self) -> None:
        """All servers lose their data; somebody imports what was there, or not, and then forges on."""
        world, rng = self._world, self._rng
        consul = world.consul
        keep = rng.choice(list(consul.backups)) if consul.backups and rng.random() < 0.6 else None
        holder = world.holder()
        if holder is not None and holder.agent is not None and rng.random() < 0.7 and holder.agent.stop():
            agent = holder.agent
            world.at(8.0 + 5.0 * rng.random(), agent.cont)
        world.struck("Consul lost everything" + (", and got an old state" if keep else ""))
        consul.lose_everything(keep)
        if keep is None:
            world.at(2.0 * rng.random(), self._forger.revive)
