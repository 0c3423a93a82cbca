"""The standing look at every neard: what it says it signs with, what it has noted, and whether it lives."""

from __future__ import annotations

import http.client
import json
import os
import select
import threading

from hafailover.clock import boottime
from hafailover.lab.netns import NetworkHost
from hafailover.lab.procfs import ProcessId
from hafailover.lab.signers import KEY_EVENTS
from localneard.evidence import read_lines

from .holdings import Clash, Holding, Life, Sightings, Span, awake, clashes, clipped, noted
from .machine import Machine
from .places import RPC_PORT

EVERY_S = 0.05
DEADLINE_S = 0.5
LIVES_EVERY_S = 0.02
MOST_BYTES = 1 << 16
"""Of a status. A long parse would hold up all of this process, the watchdogs of every host among it."""


class KeyWatch:
    """Watches one host's neard, in threads of its own. Asks neither agent nor guard nor Consul."""

    def __init__(self, machine: Machine, public_key: str) -> None:
        self.name = machine.name
        self.lives: list[Life] = []
        self._machine = machine
        self._public_key = public_key
        self._seen = Sightings(machine.name)
        self._asleep: list[list[float]] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(machine.network,), name=f"ask-{self.name}", daemon=True),
            threading.Thread(target=self._follow, args=(machine,), name=f"lives-{self.name}", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def holds(self) -> bool:
        """Whether its neard has the key, by what it last said."""
        with self._lock:
            return self._seen.holds

    def falls_asleep(self) -> None:
        """The whole machine has been suspended: every process of it stands still from here on."""
        with self._lock:
            self._asleep.append([boottime(), float("inf")])

    def wakes(self) -> None:
        """The machine is about to go on."""
        with self._lock:
            self._asleep[-1][1] = boottime()

    def holdings(self) -> list[Holding]:
        """When it had the key, by either witness, without the times in which it was suspended."""
        lines = read_lines(self._machine.home / KEY_EVENTS)
        with self._lock:
            now = boottime()
            notes = noted(self.name, lines, self._public_key, self.lives, self._seen, now)
            seen = self._seen.holdings(now)
            asleep: list[Span] = [(begins, ends) for begins, ends in self._asleep]
        drops = sorted(float(line["boottime"]) for line in lines if line["event"] == "drop")
        return [part for one in [*notes, *clipped(seen, drops)] for part in awake(one, asleep)]

    def _ask(self, network: NetworkHost) -> None:
        network.enter()
        connection: http.client.HTTPConnection | None = None
        while not self._over.wait(EVERY_S):
            connection = connection or http.client.HTTPConnection("127.0.0.1", RPC_PORT, timeout=DEADLINE_S)
            asked = boottime()
            shows: bool | None = None
            try:
                connection.request("GET", "/status")
                answer = json.loads(connection.getresponse().read(MOST_BYTES))
                shows = answer["validator_public_key"] == self._public_key
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                connection.close()
                connection = None
            with self._lock:
                self._seen.answer(asked, boottime(), shows)

    def _follow(self, machine: Machine) -> None:
        poll = select.poll()
        open_lives: dict[int, tuple[ProcessId, int]] = {}
        while not self._over.is_set():
            pid = machine.pid("neard")
            if pid is not None and pid not in [one for one, _ in open_lives.values()]:
                self._born(pid, poll, open_lives)
            for descriptor, _ in poll.poll(LIVES_EVERY_S * 1000):
                at = boottime()
                dead, number = open_lives.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                with self._lock:
                    self.lives[number] = Life(dead.pid, self.lives[number].start, at)
                    self._seen.died(at)
        for descriptor in open_lives:
            os.close(descriptor)

    def _born(self, pid: ProcessId, poll: select.poll, open_lives: dict[int, tuple[ProcessId, int]]) -> None:
        try:
            descriptor = os.pidfd_open(pid.pid)
        except ProcessLookupError:
            return
        with self._lock:
            self.lives.append(Life(pid.pid, boottime()))
            open_lives[descriptor] = (pid, len(self.lives) - 1)
        poll.register(descriptor, select.POLLIN)


def all_clashes(watches: list[KeyWatch]) -> list[Clash]:
    """Every time that two hosts had the key at once, so far."""
    return clashes([one for watch in watches for one in watch.holdings()])
