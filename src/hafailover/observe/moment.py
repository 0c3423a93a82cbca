"""The best moment of the next seconds for a handover that cannot wait for a window."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hafailover.clock import boottime
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.orders.planning import NOW_S, Slot, best_moment, is_free

BLOCK_S = 1.0
"""Taken for the time of a block where neard does not tell enough to know it."""
PACE_BLOCKS = 10
"""Over so many heights it is measured; turns that nobody took are in it."""
WINDOWS_S = 5.0
"""So long neard may take to tell its windows: of a late one something may be left."""
LOOK_S = 0.1
"""How often the head is looked at while the key waits: each new one shows whether the moment stands."""


@dataclass(frozen=True, slots=True)
class Moment:
    """``slot``: when to hand over; ``None``: at once, since no better time is near. ``why``: in words.

    ``block_s``: the time of a block that the choice went by, in seconds.
    """

    slot: Slot | None
    why: str
    block_s: float = BLOCK_S

    @property
    def from_height(self) -> int:
        """As a wish has it: 0 for at once."""
        return self.slot.from_height if self.slot is not None else 0


def best(rpc: NeardRpc, account_id: str, within_s: float = NOW_S) -> Moment:
    """:raises RpcError: neard could not be asked for its head or the windows."""
    windows = rpc.maintenance_windows(account_id, WINDOWS_S)
    # neard may have taken its time.
    status = rpc.status()
    pace = block_s(rpc, status.height, status.head_made_at) if windows else None
    return _among(windows, status.height, pace or BLOCK_S, within_s)


def _among(windows: list[tuple[int, int]], head: int, pace: float, within_s: float) -> Moment:
    slot = best_moment(windows, head, pace, within_s)
    if slot is None:
        none = f"no height of the next {within_s:.0f} s is free of duties"
        at_once = f"{none if within_s >= 1 else 'no time is left'}: the key moves at once"
        return Moment(None, at_once, pace)
    return Moment(slot, f"no duty at {_heights(slot)}: the key moves before it", pace)


def _heights(slot: Slot) -> str:
    last = slot.end - 1
    return f"{slot.start}" if slot.start == last else f"{slot.start} to {last}"


def _passed(slot: Slot) -> str:
    one = slot.end - slot.start == 1
    return f"height {_heights(slot)} has passed" if one else f"heights {_heights(slot)} have passed"


def block_s(rpc: NeardRpc, head: int, made_at: float) -> float | None:
    """Seconds a height, by the timestamps of the head and of a block some way back.

    :param made_at: the head's, as ``/status`` has it.
    :returns: ``None`` where neard does not tell, or tells what cannot be. It is asked once more only where
        it says that it has no such block: one that does not answer in time would be late with each.
    """
    for height in range(head - PACE_BLOCKS, head - PACE_BLOCKS // 2):
        try:
            header = rpc.call("block", {"block_id": height})["header"]
            before = int(header["timestamp_nanosec"]) / 1e9
        except RpcError as error:
            if "UNKNOWN_BLOCK" not in str(error):
                break
            # Nobody made a block at that height, or neard has it no more.
            continue
        except (KeyError, TypeError, ValueError):
            break
        if 0.0 < made_at - before < 600.0:
            return (made_at - before) / (head - height)
    return None


class Forecast:
    """Chooses the best moment of the next seconds, and another one if neard takes its window back.

    Windows are a forecast from protocol 87 on, and some seconds pass until the key moves.

    :param open_rpc: connects with the neard that is asked.
    :param say: takes a line for each choice, also from a thread of this object's own.
    """

    def __init__(self, open_rpc: Callable[[], NeardRpc], account_id: str, say: Callable[[str], None]) -> None:
        self._open_rpc = open_rpc
        self._account_id = account_id
        self._say = say
        self._moment = Moment(None, "")
        self._until = 0.0
        self._checked = 0
        self._silent = False
        self._over = threading.Event()
        self._changes: queue.SimpleQueue[int] = queue.SimpleQueue()

    def best(self) -> Moment:
        """At once, where neard does not tell."""
        self._until = boottime() + NOW_S
        try:
            with self._open_rpc() as rpc:
                self._moment = best(rpc, self._account_id)
        except RpcError as error:
            why = f"neard does not tell when it has no duty ({error}): the key moves at once"
            self._moment = Moment(None, why)
        return self._moment

    def change(self) -> int | None:
        """The height of another choice, 0 for at once; ``None``: nothing new. Does not wait."""
        try:
            return self._changes.get_nowait()
        except queue.Empty:
            return None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks at the windows with each new head for as long as the block lasts, or until :meth:`end`."""
        self._over.clear()
        threading.Thread(target=self._run, name="forecast", daemon=True).start()
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """The active has answered: no choice is told or made any more."""
        self._over.set()

    def _run(self) -> None:
        rpc: NeardRpc | None = None
        while self._moment.slot is not None and not self._over.wait(LOOK_S):
            try:
                rpc = rpc or self._open_rpc()
                self.look(rpc)
                self._silent = False
            except RpcError as error:
                if rpc is not None:
                    rpc.close()
                    rpc = None
                if not self._silent and not self._over.is_set():
                    self._say(f"neard does not tell whether that height is free still ({error})")
                self._silent = True
        if rpc is not None:
            rpc.close()

    def look(self, rpc: NeardRpc) -> None:
        """Holds the choice against what neard says now.

        :raises RpcError: neard could not be asked; the choice stands.
        """
        slot, status = self._moment.slot, rpc.status()
        if slot is None or status.height == self._checked:
            return
        windows = rpc.maintenance_windows(self._account_id, WINDOWS_S)
        self._checked = status.height
        height = max(slot.start, status.height + 1)
        # neard may have taken its time, and the key may have begun to move.
        if is_free(windows, height) or self._over.is_set():
            return
        left_s = max(0.0, self._until - boottime())
        self._moment = _among(windows, status.height, self._moment.block_s, left_s)
        why = _passed(slot) if height >= slot.end else f"neard has a duty at {height} now"
        self._say(f"{why}; {self._moment.why}")
        self._changes.put(self._moment.from_height)
