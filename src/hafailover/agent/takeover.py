"""The agent's part in a takeover without a lease: takes the order, asks Consul, tells how it stands."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.takeover.documents import Answer, Files, Order
from hafailover.takeover.silence import Consul, Probe

log = logging.getLogger(__name__)

LOOK_S = 0.5
ASK_S = 1.0
REMIND_S = 30.0


class TakeoverDesk:
    """Looks for an order twice a second, and asks Consul while one stands.

    :param open_probe: makes the connection, when it is first needed.
    """

    def __init__(
        self, files: Files, open_probe: Callable[[], Probe], emit: Callable[[ev.Event], None]
    ) -> None:
        self._files = files
        self._open_probe = open_probe
        self._emit = emit
        self._probe: Probe | None = None
        self._standing: str | None = None
        self._signs = False
        self._asked_at = 0.0
        self._reminded_at = 0.0

    def start(self) -> None:
        """What an agent before this one was ordered is over: its guard has dropped the key, or soon does."""
        if self._files.end_order():
            log.warning("an order to sign without a lease was left behind; it is void: order it again")
        threading.Thread(target=self._run, name="takeover", daemon=True).start()

    def answer(self, order: str, signs: bool, text: str) -> None:
        """What the core says of the order, from the agent's own thread."""
        log.critical("takeover without a lease: %s", text)
        self._files.put_answer(Answer(id=order, state="signing" if signs else "over", text=text))
        self._signs = signs
        if not signs:
            self._standing = None
            self._files.end_order()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.look()
            except OSError as error:
                log.warning("the order to sign without a lease cannot be handled: %s", error.strerror)
            pause.wait(LOOK_S)

    def look(self) -> None:
        """One look. :raises OSError: the order cannot be taken away."""
        order = self._files.order()
        standing = self._standing
        if standing is not None:
            if order is None or order.id != standing:
                self._emit(ev.TakeoverEnded())
            self._ask_again()
        elif order is not None:
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
