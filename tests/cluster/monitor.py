"""Puts the witnesses together all along: who signs, and whether the invariant still holds."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver

from .holdings import WAKE_LIMIT_S
from .keywatch import KeyWatch, all_clashes
from .machine import Machine
from .timeline import Timeline

LOOK_S = 0.025
JUDGE_S = 1.0
CHAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Broken:
    """The invariant does not hold: what, when on CLOCK_BOOTTIME, and which fault was the last before."""

    at: float
    what: str
    fault: str


class Monitor:
    """The standing observer, in threads of its own."""

    def __init__(self, machines: list[Machine], chain: ChainObserver, public_key: str) -> None:
        self.timeline = Timeline()
        self.chain = chain
        self.watches = {machine.name: KeyWatch(machine, public_key) for machine in machines}
        self.last_fault = "none yet"
        self._machines = machines
        self._broken: list[Broken] = []
        self._known: set[str] = set()
        self.woken_s: list[float] = []
        """How long after it had woken up a suspended machine still had the key beside another one."""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._look, name="monitor", daemon=True),
            threading.Thread(target=self._judge_often, name="judge", daemon=True),
        ]

    def start(self) -> None:
        self.chain.start()
        for watch in self.watches.values():
            watch.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """The last judgement first."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self.judge(chain=True)
        for watch in self.watches.values():
            watch.stop()
        self.chain.stop()

    @property
    def broken(self) -> list[Broken]:
        with self._lock:
            return list(self._broken)

    def serving(self) -> str | None:
        """The one host that has the key and can sign with it."""
        holders = [machine for machine in self._machines if self.watches[machine.name].holds]
        if len(holders) > 1:
            # A suspended machine cannot sign with what it has, and in the moment after it wakes up it is not
            # yet expected to know better.
            since = boottime() - WAKE_LIMIT_S
            holders = [machine for machine in holders if not machine.suspended and machine.woke_at < since]
        if len(holders) != 1:
            return None
        return holders[0].name if holders[0].can_sign() else None

    def judge(self, *, chain: bool) -> None:
        """Looks at everything so far and notes what is new."""
        found: dict[str, Broken] = {}
        woken = []
        for clash in all_clashes(list(self.watches.values())):
            if clash.tolerated:
                woken.append(clash.end - clash.start)
            else:
                # Without its end, which for one that still goes on is another one each time.
                hosts = f"{clash.one.host}+{clash.other.host} {clash.start:.3f}"
                found[hosts] = Broken(clash.start, str(clash), self.last_fault)
        for height in self.chain.signed_twice() if chain else []:
            text = f"height {height} was signed twice"
            found[text] = Broken(boottime(), text, self.last_fault)
        with self._lock:
            self.woken_s = woken
            self._broken += [one for name, one in found.items() if name not in self._known]
            self._known |= found.keys()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            serving = self.serving()
            self.timeline.note(boottime(), serving)

    def _judge_often(self) -> None:
        chain_at = 0.0
        while not self._over.wait(JUDGE_S):
            due = boottime() - chain_at >= CHAIN_S
            if due:
                chain_at = boottime()
            self.judge(chain=due)
