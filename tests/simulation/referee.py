"""What must hold after every step, and what is remembered of the pool's terms to judge it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host
    from .world import World

AWAKE_KEY_S = 0.1
"""A host that was frozen as a whole, and wakes with a key that should be gone, loses it within this time.
Until then it can sign beside a successor: docs/guarantees.md names it as what is not guaranteed."""

LATE_S = 0.02
"""For the last steps of a SIGKILL, on top of what was promised."""


class Violation(AssertionError):
    """A rule was broken: ``args`` are the rule's short name and what happened."""

    @property
    def rule(self) -> str:
        return str(self.args[0])


class Referee:
    """Sees every key that comes into a neard's memory or leaves it.

    ``holders``: hosts whose neard has the key in its memory, frozen ones included.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.holders: list[Host] = []
        self.woken: dict[Host, float] = {}
        """Hosts that woke with a key that should be gone, and when."""
        self.exposures: list[float] = []
        """For how long such a key was there, in seconds, while another host had it, too."""
        self._last_term = 0
        self._last_began_at = 0.0
        self._last_host: Host | None = None

    def key_moved(self, host: Host, loaded: bool) -> None:
        world = self._world
        world.note(f"neard {host.name}: key {'LOADED' if loaded else 'gone'}")
        world.vigil.key_moved(host, loaded)
        if loaded:
            if world.chain.foreign_signer:
                self.broken("two signers", f"{host.name} has the key beside one who is no host of the pool")
            woke = self._just_woke(host)
            if woke:
                # The load was under way when the machine froze.
                self.woken[host] = host.thawed_at
            else:
                self._may_load(host)
            self.holders.append(host)
            self._at_most_one()
            if not woke:
                self._knows_what_was_signed(host)
        else:
            self.holders.remove(host)
            self._went_in_time(host)
        world.aims.happened("loaded" if loaded else "gone", host)

    def about_to_load(self, host: Host, deadline: float) -> None:
        """The guard puts the key into place."""
        if host.clock() >= deadline:
            self.broken("arming after the deadline", f"{host.name} arms {host.clock() - deadline:.3f} s late")

    def foreign_work_told(self, host: Host) -> None:
        """An agent says that somebody else signs."""
        self._world.did["alarms of another signer"] += 1
        if not self._world.chain.foreign:
            self.broken("false alarm", f"{host.name} says that somebody else signs, and nobody does,")

    def thawed(self, host: Host) -> None:
        """A host that was frozen as a whole runs again."""
        if host in self.holders:
            if self._just_woke(host):
                self.woken[host] = self._world.now
                self._world.did["keys that outlived a freeze of the host"] += 1
            self._at_most_one()

    def broken(self, rule: str, text: str) -> None:
        raise Violation(rule, f"{text} at {self._world.now:.3f}")

    def _just_woke(self, host: Host) -> bool:
        """Whether it runs again only now, with too little of its promise left for guard and SIGKILL."""
        fresh = self._world.now - host.thawed_at < AWAKE_KEY_S
        return fresh and host.clock() >= host.promised_until - AWAKE_KEY_S

    def _may_load(self, host: Host) -> None:
        guard = host.guard
        assert guard is not None
        term = guard.guard.term
        self._world.did["keys loaded"] += 1
        if term == host.forced_term:
            # Without a lease there is no term of Consul's; the next one may have a lower number. The agent
            # that gave the order may have been replaced by now.
            self._world.did["keys loaded without a lease"] += 1
            return
        # A Consul that was restored may have forgotten a term, and an older one goes on after a long wait.
        # One that has lost everything counts anew, so that another host may get the same number. What was
        # forgotten may be armed all the same, as long as its last proof carries.
        forgotten = self._world.consul.restored_at > self._last_began_at
        lost = self._world.consul.lost
        anew = bool(lost) and lost[-1] > self._last_began_at
        lower = term < self._last_term and not forgotten
        same = term == self._last_term and host is not self._last_host and not anew
        if lower or same:
            last = self._last_host.name if self._last_host else "nobody"
            self.broken(
                "order of terms", f"{host.name} arms for term {term} after {last} had term {self._last_term}"
            )
        if term > self._last_term:
            self._world.did["promotions"] += 1
        self._last_term, self._last_host = term, host
        self._last_began_at = self._world.consul.began.get((term, host.name), self._world.now)

    def _knows_what_was_signed(self, host: Host) -> None:
        unknown = self._world.chain.unknown_to(host)
        if unknown:
            self.broken("a height twice", f"{host.name} may sign {unknown[0]}, which was signed before it,")

    def _at_most_one(self) -> None:
        able = [one for one in self.holders if not one.frozen and one not in self.woken]
        if len(able) > 1:
            names = " and ".join(one.name for one in able)
            self.broken("two signers", f"{names} have the key at once")

    def _went_in_time(self, host: Host) -> None:
        began = self.woken.pop(host, None)
        if began is not None:
            awake = self._world.now - began
            if self.holders:
                self.exposures.append(awake)
            # A guard that is frozen as its host wakes is systemd's to end.
            most = host.profile.drop_budget_s if host.guard_stood_at >= began else AWAKE_KEY_S
            if awake > most and host.clock() > host.promised_until:
                self.broken("key of a host that woke", f"{host.name} kept it for {awake:.3f} s")
            return
        late = host.clock() - host.promised_until
        if late > LATE_S and not host.frozen:
            self.broken("the promise", f"{host.name} had the key {late:.3f} s longer than its beats promised")
