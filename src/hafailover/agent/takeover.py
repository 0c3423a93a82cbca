"""The agent's part in a takeover without a lease: takes the order, asks Consul, tells how it stands."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable

from hafailover.clock import boottime, until_next
from hafailover.core import events as ev
from hafailover.takeover.documents import Answer, Files, Order
from hafailover.takeover.silence import Consul, Probe

log = logging.getLogger(__name__)

LOOK_S = 1.0
ASK_S = 1.0
REMIND_S = 30.0


class TakeoverDesk:
    """Looks for an order once a second, and asks Consul while one stands.

    The order and the answer are files. They have a thread of their own, as the disk may hang: then no order
    comes, and one that stands goes by what Consul says, as before.

    :param open_probe: makes the connection, when it is first needed.
    """

    def __init__(
        self, files: Files, open_probe: Callable[[], Probe], emit: Callable[[ev.Event], None]
    ) -> None:
        self._files = files
        self._open_probe = open_probe
        self._emit = emit
        self._probe: Probe | None = None
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._order: Order | None = None
        """As it was read last."""
        self._standing: str | None = None
        self._over: set[str] = set()
        """Orders that were answered for good: their files may still be there."""
        self._signs = False
        self._asked_at = 0.0
        self._reminded_at = 0.0

    def start(self) -> None:
        for target, name in ((self._handle_files, "takeover-files"), (self._run, "takeover")):
            threading.Thread(target=target, name=name, daemon=True).start()

    def answer(self, order: str, signs: bool, text: str) -> None:
        """What the core says of the order, from the agent's own thread. Never waits."""
        log.critical("takeover without a lease: %s", text)
        self._signs = signs
        self._jobs.put(
            lambda: self._files.put_answer(Answer(id=order, state="signing" if signs else "over", text=text))
        )
        if not signs:
            self._over.add(order)
            self._standing = None
            self._jobs.put(self._files.end_order)

    def _handle_files(self) -> None:
        try:
            # What an agent before this one was ordered is over: its guard has dropped the key, or soon does.
            if self._files.end_order():
                log.warning("an order to sign without a lease was left behind; it is void: order it again")
        except OSError as error:
            log.warning("the order to sign without a lease cannot be handled: %s", error.strerror)
        while True:
            try:
                self.look_at_files(until_next(LOOK_S))
            except OSError as error:
                log.warning("the order to sign without a lease cannot be handled: %s", error.strerror)

    def look_at_files(self, wait_s: float) -> None:
        """Writes what is to be written, for ``wait_s`` seconds, and reads the order.

        :raises OSError: an order cannot be taken away.
        """
        end = boottime() + wait_s
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get(timeout=max(0.001, end - boottime()))()
        self._order = self._files.order()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(until_next(LOOK_S))

    def look(self) -> None:
        """One look at the order as it was read last."""
        standing, order = self._standing, self._order
        if standing is not None:
            if order is None or order.id != standing:
                self._emit(ev.TakeoverEnded())
            self._ask_again()
        elif order is not None and order.id not in self._over:
            self._take(order)

    def _take(self, order: Order) -> None:
        if not self._files.is_fresh(order):
            self.answer(order.id, signs=False, text="the order is from before; give it again")
            return
        asked_at, said = self._ask()
        if said is Consul.ANSWERS or (said is Consul.DOWN and not order.consul_down):
            self.answer(order.id, signs=False, text=said.value)
            return
        self._standing = order.id
        self._emit(ev.TakeoverOrdered(order.id, order.by, asked_at))

    def _ask_again(self) -> None:
        now = boottime()
        if now - self._asked_at < ASK_S:
            return
        asked_at, said = self._ask()
        self._emit(ev.ConsulAnswered() if said is Consul.ANSWERS else ev.ConsulSilent(asked_at))
        if self._signs and now - self._reminded_at >= REMIND_S:
            self._reminded_at = now
            log.critical("THIS HOST SIGNS WITHOUT A LEASE, until Consul answers or hafailover takeover --end")

    def _ask(self) -> tuple[float, Consul]:
        self._asked_at = boottime()
        if self._probe is None:
            self._probe = self._open_probe()
        return self._asked_at, self._probe.ask()
