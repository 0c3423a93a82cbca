"""Forged words in Consul, and a Consul that forgets: what somebody with another host's token can do.

A course of its own, beside the random faults: each round one attack on a pool that is settled, mostly while
the active cannot see it, and now and then a Consul that has lost everything, with an old state imported or
without. Every word that the pool's guards have ever given is at hand for forging.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.words import Claim, claim_of
from hafailover.lock.base import stored_beat

from .faults.network import cut
from .hand import WORDS
from .referee import Violation
from .run import Result, recover
from .world import World

ROUNDS = 8
SHORT_S = 0.5
"""The shortest promise that a beat may make."""


def course(seed: int) -> Result:
    """Some attacks on one pool."""
    world, result = World(seed), Result(seed, course="forging")
    rng = random.Random(f"forging {seed}")
    began = 0.0
    try:
        forger = Forger(world, rng)
        world.run_until(45.0)
        for _ in range(ROUNDS):
            began = world.now
            world.faults_end = world.now + 30.0
            forger.strike()
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
    return result


class Forger:
    """Writes below the pool's prefix as it likes, and can read all that is there."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng
        self._last: list[Beat] = []
        """The last beats of terms that were released or passed on, words and all."""
        self._listen()

    def strike(self) -> None:
        """One attack; the kinds take turns by lot."""
        world, rng = self._world, self._rng
        if rng.random() < 0.3:
            self._wipe()
            return
        attack: Callable[[], None] = rng.choice(
            [
                self._released,
                self._released_by_another,
                self._old_release_again,
                self._shorter_promise,
                self._later_term,
                self._passed_with_an_old_release,
                self._recorded,
                self._written_over,
            ]
        )
        holder = world.holder()
        if holder is None:
            return
        # The one that is written over beats on.
        fate = rng.random() if attack != self._written_over else 1.0
        if fate < 0.6 and holder.agent is not None and holder.agent.stop():
            agent = holder.agent
            world.at(10.0 + 5.0 * rng.random(), agent.cont)
        elif fate < 0.8:
            cut(world, holder, 10.0 + 5.0 * rng.random())
        world.struck(f"forged: {attack.__name__.strip('_').replace('_', ' ')}")
        # The active may be in the middle of a beat, and its guard in that of a slow drop.
        holder.loses_reloads = rng.random() < 0.3
        world.at(0.05 + rng.random(), attack)
        world.at(20.0, lambda: setattr(holder, "loses_reloads", False))

    # --- what is at hand

    def _listen(self) -> None:
        beat = self._beat()
        for one in (beat, beat.inherits if beat is not None else None):
            if one is not None and claim_of(one) is not None and one not in self._last:
                self._last.append(one)
        self._world.at(0.01, self._listen)

    def _beat(self) -> Beat | None:
        stored = self._world.consul.heartbeat
        return stored.beat if stored is not None else None

    def _active(self) -> Beat | None:
        """The last beat, if a term is under way."""
        beat = self._beat()
        return beat if beat is not None and beat.phase in (Phase.ACTIVE, Phase.WAITING) else None

    def _old(self, beat: Beat) -> Beat | None:
        """A release with a genuine word, of another term or another history."""
        others = [one for one in self._last if (one.term, one.history) != (beat.term, beat.history)]
        return self._rng.choice(others) if others else None

    def _write(self, beat: Beat | None, free: bool = True) -> None:
        consul = self._world.consul
        if beat is None:
            return
        stored = stored_beat(beat.to_json().encode(), consul.index + 1)
        consul.index += 1
        if stored is not None:
            consul.heartbeat = StoredBeat(stored.beat, consul.index)
            self._world.note(f"forged: {beat.phase} of term {beat.term} by {beat.node}")
            self._world.changed("heartbeat")
        if free:
            consul.free_by_hand()

    # --- attacks

    def _released(self) -> None:
        """The last beat again, as a release, with somebody's word or none."""
        beat = self._active()
        if beat is None:
            return
        old = self._old(beat)
        word = self._rng.choice(["", "0" * 64, old.word if old is not None else ""])
        forged = replace(beat, sequence=beat.sequence + 1, phase=Phase.RELEASED, word=word, inherits=None)
        self._write(
            replace(forged, gone_within_s=SHORT_S if self._rng.random() < 0.5 else beat.gone_within_s)
        )

    def _released_by_another(self) -> None:
        """A compromised agent has its own guard vouch for itself, in the active's term or a later one."""
        beat = self._active()
        others = [host for host in self._world.hosts if host is not self._world.holder() and host.guard]
        if beat is None or not others:
            return
        host = self._rng.choice(others)
        term = min(beat.term + self._rng.choice((0, 0, 1)), self._world.consul.index)
        claim = WORDS.give(Claim(term, beat.history, host.name, beat.height), armed=False)
        phase = self._rng.choice((Phase.RELEASED, Phase.PASSED))
        inherits = self._old(beat) if phase is Phase.PASSED else None
        self._write(
            Beat(
                term, 9, host.name, phase, SHORT_S, beat.height, None, "", inherits, beat.history, claim.word
            )
        )

    def _old_release_again(self) -> None:
        """A release of before, word and all, with the numbers of the term under way."""
        beat = self._active()
        old = self._old(beat) if beat is not None else None
        if beat is not None and old is not None:
            forged = replace(
                old,
                term=self._rng.choice((old.term, beat.term, beat.term)),
                node=self._rng.choice((old.node, old.node, beat.node)),
                history=self._rng.choice((old.history, beat.history, beat.history)),
                sequence=beat.sequence + 1,
                gone_within_s=SHORT_S,
                inherits=None,
            )
            self._write(forged)

    def _shorter_promise(self) -> None:
        beat = self._active()
        if beat is not None:
            self._write(replace(beat, sequence=beat.sequence + 1, gone_within_s=SHORT_S))

    def _later_term(self) -> None:
        beat = self._active()
        if beat is not None:
            later = replace(beat, term=min(beat.term + 1, self._world.consul.index), gone_within_s=SHORT_S)
            self._write(replace(later, node=self._rng.choice((beat.node, "h9")), inherits=None))

    def _passed_with_an_old_release(self) -> None:
        beat = self._active()
        old = self._old(beat) if beat is not None else None
        if beat is not None and old is not None:
            inner = replace(old, inherits=None, phase=Phase.RELEASED)
            passed = replace(beat, phase=Phase.PASSED, sequence=beat.sequence + 1, inherits=inner)
            self._write(replace(passed, gone_within_s=SHORT_S, word=self._rng.choice(("", old.word))))

    def _recorded(self) -> None:
        """A record that the active's key is gone, with a word that was given for something else."""
        beat = self._active()
        if beat is not None:
            old = self._old(beat)
            word = old.word if old is not None else "0" * 64
            height = old.height if old is not None else beat.height
            self._world.consul.record_dropped(Claim(beat.term, beat.history, beat.node, height, None, word))
            self._world.consul.free_by_hand()

    def _written_over(self) -> None:
        """Each beat is written over at once, so that no watch shows one; then the active freezes."""
        consul = self._world.consul
        write = consul.beat

        def over(session: str, beat: Beat) -> None:
            write(session, beat)
            self._write(replace(beat, sequence=beat.sequence + 1000, gone_within_s=SHORT_S), free=False)

        def strike() -> None:
            consul.beat = write  # type: ignore[method-assign]
            holder = self._world.holder()
            if holder is not None and holder.agent is not None and holder.agent.stop():
                self._world.at(10.0, holder.agent.cont)
            self._released()

        consul.beat = over  # type: ignore[method-assign]
        self._world.at(12.0 + self._rng.random(), strike)

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
            world.at(2.0 * rng.random(), self._revive)

    def _revive(self) -> None:
        """A genuine release of the history before, for whoever takes the lock next."""
        if self._last and self._beat() is None:
            old = self._rng.choice(self._last)
            consul = self._world.consul
            consul.index = max(consul.index, old.term)
            history = self._rng.choice((old.history, consul.history_id(), consul.history_id()))
            self._write(replace(old, inherits=None, phase=Phase.RELEASED, history=history), free=False)
