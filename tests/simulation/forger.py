"""What somebody with another host's token can write: by the documented policy, all below the pool's prefix.

Every word that the pool's guards have given is at hand, and a guard without the key gives another if asked.
No attack can make the holder's key go sooner; each is made to bring a successor forward.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from hafailover.core.beat import Beat, Phase
from hafailover.core.words import Claim

from .hand import WORDS
from .host import Host
from .world import World

SHORT_S = 0.5
"""The shortest promise that a beat may make."""
FAR = 1 << 61


class Forger:
    """One attack each; ``False``: there was nothing to forge."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng = world, rng

    @property
    def attacks(self) -> dict[str, Callable[[], bool]]:
        """By name. Each frees the lock, too, since a word alone moves nobody."""
        return {
            "the last beat released": self._released,
            "a release by another host": self._released_by_another,
            "an old release written again": self._old_release_again,
            "a beat with a short promise": self._shorter_promise,
            "a later term": self._later_term,
            "a wait passed on that is over": self._passed_with_an_old_release,
            "a term recorded as dropped": self._recorded,
            "the heartbeat is no beat": self._junk,
        }

    def released(self) -> bool:
        return self._released()

    def write_over(self, beat: Beat) -> None:
        """This beat of an active is written over at once, with a short promise."""
        self._write(replace(beat, sequence=beat.sequence + 1000, gone_within_s=SHORT_S), free=False)

    def hide(self, robbed: Host, named: Host) -> None:
        """A term is written over as it begins, then its holder is robbed of it."""
        if self._rng.random() < 0.5:
            self._in_anothers_name(robbed, named)
        else:
            self._in_its_own_name(robbed)

    def _in_anothers_name(self, robbed: Host, named: Host) -> None:
        """The first beat, by a release with a good word of the named host, for itself alone."""
        consul = self._world.consul
        term, history = consul.lock.index, consul.history_id()
        height = consul.heartbeat.beat.height if consul.heartbeat is not None else 0
        claim = WORDS.give(Claim(term, history, named.name, height), armed=False)
        told = Beat(term, 9, named.name, Phase.RELEASED, SHORT_S, height, None, "", None, history, claim.word)
        self._write(told, free=False)
        self._rob(robbed, 0.3 + 0.2 * self._rng.random())

    def _in_its_own_name(self, robbed: Host) -> None:
        """Its first two beats or three, with a short promise; the last one inherits the release before."""
        consul = self._world.consul
        term, write = consul.lock.index, consul.beat
        stored, given = consul.heartbeat, [one for one in consul.given if one.phase is Phase.RELEASED]
        if not given:
            return

        def over(session: str, beat: Beat) -> None:
            write(session, beat)
            hide(beat)

        def hide(beat: Beat) -> None:
            if beat.term == term:
                last = replace(beat, sequence=beat.sequence + 1000, gone_within_s=SHORT_S, inherits=None)
                hidden.append(last)
                self._write(last, free=False)

        def end() -> None:
            consul.beat = write  # type: ignore[method-assign]
            if hidden:
                last = replace(hidden[-1], sequence=hidden[-1].sequence + 1, phase=Phase.PASSED)
                self._write(replace(last, inherits=replace(given[-1], inherits=None)), free=False)

        hidden: list[Beat] = []
        consul.beat = over  # type: ignore[method-assign]
        if stored is not None:
            hide(stored.beat)
        after = 1.7 + self._rng.random()
        self._world.at(after, end)
        self._rob(robbed, after + 0.1)

    def _rob(self, robbed: Host, after_s: float) -> None:
        """The lock is freed, and its holder does not see it for a while."""
        world = self._world

        def free() -> None:
            if robbed.agent is not None and robbed.agent.stop():
                world.at(10.0, robbed.agent.cont)
            world.consul.unlock()

        world.at(after_s, free)

    def revive(self) -> None:
        """A genuine release of the history before, for whoever takes the lock next."""
        consul = self._world.consul
        if consul.given and consul.heartbeat is None:
            old = self._rng.choice(consul.given)
            consul.index = max(consul.index, old.term)
            history = self._rng.choice((old.history, consul.history_id(), consul.history_id()))
            self._write(replace(old, inherits=None, phase=Phase.RELEASED, history=history), free=False)

    # --- what is at hand

    def _active(self) -> Beat | None:
        """The last beat, if a term is under way."""
        stored = self._world.consul.heartbeat
        beat = stored.beat if stored is not None else None
        return beat if beat is not None and beat.phase in (Phase.ACTIVE, Phase.WAITING) else None

    def _old(self, beat: Beat) -> Beat | None:
        """A release with a genuine word, of another term or another history."""
        given = self._world.consul.given
        others = [one for one in given if (one.term, one.history) != (beat.term, beat.history)]
        return self._rng.choice(others) if others else None

    def _write(self, beat: Beat, free: bool = True) -> bool:
        self._world.consul.forge(beat)
        if free:
            self._free()
        return True

    def _free(self) -> None:
        """In the same transaction or a moment later; the holder's session is ended or left."""
        consul = self._world.consul
        end = self._rng.choice((consul.unlock, consul.free_by_hand))
        if self._rng.random() < 0.7:
            end()
        else:
            self._world.at(0.3 * self._rng.random(), end)

    # --- attacks

    def _released(self) -> bool:
        """The last beat again, as a release, with somebody's word or none."""
        beat = self._active()
        if beat is None:
            return False
        old = self._old(beat)
        word = self._rng.choice(["", "0" * 64, old.word if old is not None else ""])
        forged = replace(beat, sequence=beat.sequence + 1, phase=Phase.RELEASED, word=word, inherits=None)
        return self._write(
            replace(forged, gone_within_s=SHORT_S if self._rng.random() < 0.5 else beat.gone_within_s)
        )

    def _released_by_another(self) -> bool:
        """A compromised agent has its own guard vouch for itself, in the active's term or a later one.

        That may be the host that waits in this term: its guard never arms for it from then on.
        """
        beat = self._active()
        others = [host for host in self._world.hosts if host is not self._world.holder() and host.guard]
        if beat is None or not others:
            return False
        host = self._rng.choice(others)
        term = min(beat.term + self._rng.choice((0, 0, 1)), self._world.consul.index)
        claim = host.guard.word_for(term, beat.history, beat.height) if host.guard is not None else None
        if claim is None:
            return False
        phase = self._rng.choice((Phase.RELEASED, Phase.PASSED))
        inherits = self._old(beat) if phase is Phase.PASSED else None
        return self._write(
            Beat(
                term, 9, host.name, phase, SHORT_S, beat.height, None, "", inherits, beat.history, claim.word
            )
        )

    def _old_release_again(self) -> bool:
        """A release of before, word and all, with the numbers of the term under way."""
        beat = self._active()
        old = self._old(beat) if beat is not None else None
        if beat is None or old is None:
            return False
        forged = replace(
            old,
            term=self._rng.choice((old.term, beat.term, beat.term)),
            node=self._rng.choice((old.node, old.node, beat.node)),
            history=self._rng.choice((old.history, beat.history, beat.history)),
            sequence=beat.sequence + 1,
            gone_within_s=SHORT_S,
            inherits=None,
        )
        return self._write(forged)

    def _shorter_promise(self) -> bool:
        beat = self._active()
        if beat is None:
            return False
        leap = self._rng.choice((0, 1, 500))
        return self._write(replace(beat, sequence=beat.sequence + leap, gone_within_s=SHORT_S))

    def _later_term(self) -> bool:
        """Just above, or one that nobody could ever exceed."""
        beat = self._active()
        if beat is None:
            return False
        term = self._rng.choice((min(beat.term + 1, self._world.consul.index), beat.term + FAR))
        later = replace(beat, term=term, gone_within_s=SHORT_S, inherits=None)
        return self._write(replace(later, node=self._rng.choice((beat.node, "h9"))))

    def _passed_with_an_old_release(self) -> bool:
        beat = self._active()
        old = self._old(beat) if beat is not None else None
        if beat is None or old is None:
            return False
        inner = replace(old, inherits=None, phase=Phase.RELEASED)
        passed = replace(beat, phase=Phase.PASSED, sequence=beat.sequence + 1, inherits=inner)
        return self._write(replace(passed, gone_within_s=SHORT_S, word=self._rng.choice(("", old.word))))

    def _recorded(self) -> bool:
        """A record that the active's key is gone, with a word that was given for something else."""
        beat = self._active()
        if beat is None:
            return False
        old = self._old(beat)
        word = old.word if old is not None else "0" * 64
        height = old.height if old is not None else beat.height
        self._world.note(f"Consul: forged: term {beat.term} is recorded as dropped")
        self._world.consul.record_dropped(Claim(beat.term, beat.history, beat.node, height, None, word))
        self._free()
        return True

    def _junk(self) -> bool:
        """What is no beat is as good as none, as if nobody had ever signed."""
        if self._active() is None:
            return False
        self._world.consul.blot_heartbeat()
        self._free()
        return True
