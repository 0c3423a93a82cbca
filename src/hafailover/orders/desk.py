"""Where orders are given, read and taken back: Consul, below the pool's prefix."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import WATCH_SLACK_S
from hafailover.lock.fields import index_of, key_of, object_of, watch_index
from hafailover.lock.keys import PoolKeys
from hafailover.orders.documents import Drain, Drill, LastDrill, OrderBook, Pause, Plan, read_book

DEADLINE_S = 2.0
"""Of the calls to Consul that give, follow and carry out orders; none of them is the lease's."""


class Desk:
    """For one thread; every call ends within ``deadline_s`` seconds.

    :raises CallError: from every method, where Consul could not be asked.
    """

    def __init__(self, address: Address, account_id: str, deadline_s: float) -> None:
        self._consul = connect(address, deadline_s)
        self._keys = PoolKeys(account_id)

    def read(self) -> OrderBook:
        """:raises CallError: Consul could not be asked."""

        def get() -> OrderBook:
            _, data = self._consul.kv.get(self._keys.orders, recurse=True, consistency="default")
            return _book(self._keys.orders, data)

        return call("reading the orders", self._keys.read_rule, get)

    def pause(self, pause: Pause) -> None:
        self._put("pause", pause)

    def resume(self, index: int | None = None) -> bool:
        """Ends a pause; with ``index`` only that very one."""
        return self._delete("pause", index)

    def drain(self, drain: Drain) -> None:
        self._put(f"drained/{drain.node}", drain)

    def undrain(self, node: str) -> bool:
        return self._delete(f"drained/{node}", None)

    def plan(self, plan: Plan, index: int) -> bool:
        """Writes a plan over the one of that ModifyIndex (0: where none is); ``False`` if it has changed."""
        return self._put("plan", plan, index)

    def drill(self, drill: Drill, index: int | None = None) -> bool:
        return self._put("drill", drill, index)

    def take_drill(self, drill: Drill, index: int) -> bool:
        """Marks the drill of that ModifyIndex as taken; ``True`` once, for one caller, while it stands."""
        return self._put("drill", drill.model_copy(update={"taken": True}), index)

    def end_drill(self, index: int | None = None) -> bool:
        """Takes a drill away; with ``index`` only that very one, and ``False`` if it has changed."""
        return self._delete("drill", index)

    def note_drill(self, last: LastDrill) -> None:
        self._put("last_drill", last)

    def cancel(self, index: int) -> bool:
        """Removes a plan; ``False`` if it has changed meanwhile."""
        return self._delete("plan", index)

    def _put(self, name: str, document: BaseModel, index: int | None = None) -> bool:
        value = json.dumps(document.model_dump(), separators=(",", ":"))
        done = call(
            "writing an order",
            self._keys.orders_rule,
            lambda: self._consul.kv.put(self._keys.orders + name, value, cas=index),
        )
        return done is True

    def _delete(self, name: str, index: int | None) -> bool:
        """``True`` also where nothing was: Consul calls that a success, with an index, too."""
        done = call(
            "taking an order back",
            self._keys.orders_rule,
            lambda: self._consul.kv.delete(self._keys.orders + name, cas=index),
        )
        return done is True


class OrdersWatch:
    """A blocking look at all orders."""

    def __init__(self, address: Address, account_id: str, wait_s: float) -> None:
        self._consul = connect(address, wait_s * 17 / 16 + WATCH_SLACK_S)
        self._keys = PoolKeys(account_id)

    def orders(self, index: int | None, wait_s: float) -> tuple[int, OrderBook]:
        """:raises CallError: Consul could not be asked."""

        def get() -> tuple[int, OrderBook]:
            at, data = self._consul.kv.get(
                self._keys.orders, recurse=True, index=index, wait=f"{wait_s:g}s", consistency="stale"
            )
            return watch_index(at), _book(self._keys.orders, data)

        return call("watching the orders", self._keys.rule, get)


def _book(prefix: str, data: list[dict[str, Any]] | None) -> OrderBook:
    entries = {}
    for item in data or []:
        entries[key_of(item).removeprefix(prefix)] = (index_of(item), object_of(item.get("Value")))
    return read_book(entries)
