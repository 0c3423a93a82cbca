"""Carries a planned handover out: the active's agent finds the time, and asks for it as an operator would."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from hafailover.agent.persist import Complaints
from hafailover.clock import boottime
from hafailover.core.views import Request
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.lock.patience import Patience
from hafailover.lock.roster import Roster
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.observe.budget import DESPITE
from hafailover.observe.moment import BLOCK_S, WINDOWS_S, block_s
from hafailover.orders.desk import DEADLINE_S, Desk
from hafailover.orders.documents import Drill, OrderBook, Plan, Stored
from hafailover.orders.planning import DEFAULT_BLOCKS, Slot, choose, is_soon, patience_ends, still_stands

log = logging.getLogger(__name__)

LOOK_S = 0.5
CHECK_S = 0.1
"""How often the head is looked at while a wish stands: each new one shows whether the window still stands."""
LAST_ANSWER_S = 0.5
"""So long the answer to a wish that was taken back may still come: the active may have begun just before."""
RENEW_S = 3.0
MOST_TRIES = 20
MEASURE_BLOCKS = 10
SILENT = "neard does not tell the windows"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the planner has to know of its own host. ``term``: of the host while it signs, or ``None``."""

    term: int | None
    head: int
    standbys: tuple[str, ...]
    """Those that are ready, best first."""
    steady: tuple[str, ...]
    """Those of them to which a planned handover costs nothing."""
    scarce: str = ""
    """What may hardly be missed any more in this epoch; empty: enough is left, or nothing is known."""


class Pace:
    """How many seconds a block takes: what neard says as a plan begins, then the heads that come by."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._asked_for: str | None = None
        self.block_s = BLOCK_S

    def ask(self, rpc: NeardRpc, plan_id: str) -> None:
        """Asks once for each plan: its first decision takes lead and patience from it.

        :raises RpcError: neard does not answer; it is asked again next time.
        """
        if self._asked_for == plan_id:
            return
        status = rpc.status()
        self.block_s = block_s(rpc, status.height, status.head_made_at) or self.block_s
        self._asked_for, self._first = plan_id, None

    def note(self, head: int, now: float) -> None:
        if self._first is None or head < self._first[0]:
            self._first = (head, now)
        blocks = head - self._first[0]
        if blocks >= MEASURE_BLOCKS:
            self.block_s = (now - self._first[1]) / blocks
            self._first = (head, now)


class Planner:
    """Works while this host is the active and a plan stands.

    :param standing: what the agent knows of its host now.
    :param perform: carries out a drill of that kind on this host.
    """

    def __init__(
        self,
        address: Address,
        account_id: str,
        open_rpc: Callable[[], NeardRpc],
        standing: Callable[[], Standing],
        node: str,
        perform: Callable[[str], None],
    ) -> None:
        self._account_id = account_id
        self._node = node
        self._perform = perform
        self._desk = Desk(address, account_id, DEADLINE_S)
        self._roster = Roster(address, account_id, DEADLINE_S)
        self._open_rpc = open_rpc
        self._standing = standing
        self._book = OrderBook()
        self._paused_until = 0.0
        self._wake = threading.Event()
        self._pace = Pace()
        self._complaints = Complaints("operators' orders")
        self._patience: tuple[str, int] | None = None
        """For which plan, and up to which height, a longer window is waited for."""
        self._tries = 0
        self._tried: str | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="planner", daemon=True).start()

    def see(self, book: OrderBook, paused_until: float) -> None:
        """Takes the orders as they stand now, from any thread.

        :param paused_until: when the pause ends, on this host's CLOCK_BOOTTIME.
        """
        self._book, self._paused_until = book, paused_until
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause_s())
            self._wake.clear()
            book = self._book
            try:
                if book.pause is not None and boottime() >= self._paused_until:
                    self._end_pause(book)
                if book.drill is not None and book.drill.node == self._node:
                    self.drill(book.drill, book.drill_index)
                if book.plan is not None:
                    self.step(book.plan)
                self._complaints.fine()
            except CallError as error:
                self._complaints.trouble(str(error))

    def _pause_s(self) -> float | None:
        """How long nothing is due, unless there are new orders."""
        book = self._book
        if book.plan is not None and not book.plan.plan.over:
            return LOOK_S
        return max(LOOK_S, self._paused_until - boottime()) if book.pause is not None else None

    def _end_pause(self, book: OrderBook) -> None:
        """Takes an order away that has run out; agents go by their own clocks, so this is for tidiness."""
        if self._standing().term is not None and self._desk.resume(book.pause_index):
            log.info("the pause of automatic failover is over")

    def drill(self, drill: Drill, index: int) -> None:
        """Takes the order before it performs it, so that it is performed once, whatever dies of it.

        An order that was taken back meanwhile is not performed.

        :raises CallError: Consul could not be asked.
        """
        standing = self._standing()
        if drill.refused or drill.taken:
            return
        refusal = ""
        if standing.term != drill.term:
            refusal = "the pool has moved meanwhile"
        elif not standing.standbys:
            refusal = "no standby is ready"
        elif boottime() < self._paused_until:
            refusal = "automatic failover is paused"
        elif standing.scarce and not drill.despite_budget:
            refusal = f"the budget is low ({standing.scarce}); to hold it all the same: {DESPITE}"
        if refusal:
            self._desk.drill(drill.model_copy(update={"refused": refusal}), index)
        elif self._desk.take_drill(drill, index):
            log.warning("a drill, ordered by %s: kind %s", drill.by or "somebody", drill.kind)
            self._perform(drill.kind)

    def step(self, stored: Stored) -> None:
        """Does what is due now; that neard does not answer is told to whoever waits.

        :raises CallError: Consul could not be asked.
        """
        plan, standing = stored.plan, self._standing()
        if plan.over or standing.term is None:
            return
        self._pace.note(standing.head, boottime())
        if plan.term != standing.term:
            state = "done" if plan.state == "asked" else "failed"
            self._write(stored, state=state, text=f"the pool has moved to term {standing.term} meanwhile")
            return
        to = plan.to or next(iter(standing.steady), None)
        if to is None or to not in standing.steady:
            self._write(stored, text=f"waiting: {_why_not(plan.to, standing)}")
            return
        try:
            slot = self._slot(plan)
        except RpcError as error:
            self._write(stored, text=f"waiting: {SILENT} ({error})")
            return
        if slot is None:
            self._no_slot(stored)
        elif standing.scarce and not plan.despite_budget:
            anyhow = f"to hand over all the same: hafailover switchover --cancel, then with {DESPITE}"
            self._write(stored, text=f"waiting: the budget is low ({standing.scarce}); {anyhow}")
        elif not is_soon(slot, self._standing().head, self._pace.block_s):
            text = f"waiting for height {slot.start}: then {to} takes over"
            self._write(stored, text=text, start=slot.start, end=slot.end)
        else:
            self._ask(stored, to, slot)

    def _slot(self, plan: Plan) -> Slot | None:
        """:raises RpcError: neard could not be asked for the windows, which a height does not need."""
        if plan.at_height is not None:
            with contextlib.suppress(RpcError), self._open_rpc() as rpc:
                self._pace.ask(rpc, plan.id)
            return choose(plan, [], self._standing().head, self._pace.block_s)
        with self._open_rpc() as rpc:
            self._pace.ask(rpc, plan.id)
            windows = rpc.maintenance_windows(self._account_id, WINDOWS_S)
        # neard may have taken its time.
        head = self._standing().head
        if self._patience is None or self._patience[0] != plan.id:
            self._patience = (plan.id, patience_ends(head, self._pace.block_s))
        return choose(plan, windows, head, self._pace.block_s, self._patience[1])

    def _windows_for(self, plan_id: str) -> list[tuple[int, int]] | None:
        """The windows; ``None`` as soon as the plan is taken back, which waits for no neard that hangs.

        :raises RpcError: neard could not be asked.
        """
        told: Future[list[tuple[int, int]]] = Future()

        def ask() -> None:
            try:
                told.set_result(self._windows())
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
                told.set_exception(error)

        threading.Thread(target=ask, name="windows", daemon=True).start()
        while not wait((told,), CHECK_S).done:
            if not self._is_ordered(plan_id):
                return None
        windows = told.result()
        return windows if self._is_ordered(plan_id) else None

    def _windows(self) -> list[tuple[int, int]]:
        """:raises RpcError: neard could not be asked."""
        with self._open_rpc() as rpc:
            return rpc.maintenance_windows(self._account_id, WINDOWS_S)

    def _no_slot(self, stored: Stored) -> None:
        if stored.plan.at_height is not None:
            text = f"height {stored.plan.at_height} has passed"
            self._write(stored, state="failed", text=text)
            return
        blocks = stored.plan.window_blocks or DEFAULT_BLOCKS
        self._write(stored, text=f"waiting: no {blocks} blocks without a duty before this epoch's end")

    def _ask(self, stored: Stored, to: str, slot: Slot) -> None:
        plan = stored.plan
        self._tries = self._tries + 1 if self._tried == plan.id else 1
        self._tried = plan.id
        text = f"{to} takes over at height {slot.start}"
        asked = self._write(stored, state="asked", text=text, start=slot.start, end=slot.end)
        if asked is None:
            return
        request = Request(
            uuid.uuid4().hex, to, plan.term, slot.from_height, slot.to_height, plan.despite_budget
        )
        accepted, reason = self._wish(plan.id, request, slot if plan.at_height is None else None)
        if accepted:
            self._write(asked, state="done", text=reason)
        elif self._tries >= MOST_TRIES or plan.at_height is not None:
            self._write(asked, state="failed", text=reason)
        else:
            self._write(asked, state="waiting", text=f"waiting for another window: {reason}")

    def _wish(self, plan_id: str, request: Request, slot: Slot | None) -> tuple[bool, str]:
        """Puts the wish and keeps it alive until it is answered or can be answered no more.

        :param plan_id: the plan that it is for: no longer than that stands.
        :param slot: the window that it is for, which must stand until the key moves.
        """
        with self._roster.wish(request, log.warning) as session:
            if session is None:
                return False, "another switchover is being asked for"
            head = self._standing().head
            blocks = max(request.to_height - head, 0) + 3
            end = boottime() + 10 + 2 * blocks * self._pace.block_s
            accepted, reason = self._await_answer(session, plan_id, request, slot, end)
        if accepted:
            return accepted, reason
        # The active may have begun before it heard that the wish was taken back.
        end = boottime() + LAST_ANSWER_S
        while boottime() < end:
            if (answer := self._roster.answer_to(request.id)) is not None:
                return answer
            time.sleep(CHECK_S)
        return accepted, reason

    def _await_answer(
        self, session: str, plan_id: str, request: Request, slot: Slot | None, end: float
    ) -> tuple[bool, str]:
        """:raises CallError: Consul could not be asked, for longer than an election takes."""
        renewed_at, checked, consul = boottime(), -1, Patience()
        while boottime() < end:
            with consul.may_fail():
                answer = self._roster.answer_to(request.id)
                if answer is not None:
                    return answer
                if boottime() - renewed_at > RENEW_S:
                    self._roster.renew_session(session)
                    renewed_at = boottime()
            if not self._is_ordered(plan_id):
                return False, "cancelled"
            head = self._standing().head
            if slot is not None and head != checked:
                checked = head
                try:
                    windows = self._windows_for(plan_id)
                except RpcError as error:
                    return False, f"{SILENT} ({error})"
                if windows is None:
                    return False, "cancelled"
                if not still_stands(slot, windows, head):
                    return False, f"neard now has a duty within {slot.start} to {slot.end - 1}"
            self._wake.wait(CHECK_S)
            self._wake.clear()
        if consul.failure is not None:
            raise consul.failure
        return False, "the agent did not answer its own wish in time"

    def _is_ordered(self, plan_id: str) -> bool:
        """Whether that very plan stands: another one may stand by the time that one looks."""
        book = self._book
        return book.plan is not None and book.plan.plan.id == plan_id

    def _write(self, stored: Stored, **changes: object) -> Stored | None:
        """The plan with these changes, as it stands now; ``None`` if somebody has changed it meanwhile."""
        plan = stored.plan.model_copy(update=changes)
        if plan == stored.plan:
            return stored
        if plan.text != stored.plan.text:
            log.info("planned switchover: %s", plan.text)
        if not self._desk.plan(plan, stored.index):
            return None
        now = self._desk.read().plan
        return now if now is not None and now.plan.id == plan.id else None


def _why_not(to: str | None, standing: Standing) -> str:
    if not standing.standbys:
        return "no standby is ready"
    if to is not None and to not in standing.standbys:
        return f"{to} is not ready"
    return f"{to or 'every standby'} lacks blocks of the last 10 s or is to have its neard restarted"
