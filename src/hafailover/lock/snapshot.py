"""Everything that Consul holds of a pool, in one answer: what it shows was true at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hafailover.core.beat import StoredBeat
from hafailover.core.views import LockView
from hafailover.lock.base import stored_beat
from hafailover.lock.classify import call
from hafailover.lock.client import Address, connect
from hafailover.lock.consul import lock_view
from hafailover.lock.fields import MOST_BYTES, index_of, key_of, object_of
from hafailover.lock.keys import PoolKeys
from hafailover.lock.roster import Entry, entry_of, is_entry


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A pool as it is stored. ``orders``: ModifyIndex and content by name below the orders' prefix."""

    lock: LockView
    heartbeat: StoredBeat | None
    entries: list[Entry]
    history: list[dict[str, Any]]
    """Oldest first."""
    orders: dict[str, tuple[int, dict[str, Any] | None]]
    junk: tuple[str, ...] = ()
    """Keys below the prefix that are no records; nothing of them was used."""


class Snapshots:
    """Takes snapshots. For one thread; every one ends within ``deadline_s`` seconds."""

    def __init__(self, address: Address, account_id: str, deadline_s: float) -> None:
        self._consul = connect(address, deadline_s)
        self._keys = PoolKeys(account_id)

    def take(self, stale: bool = False) -> Snapshot:
        """
        :param stale: as the Consul server that answers has it, which may be old where there is no leader.
        :raises CallError: Consul could not be asked.
        """

        def read() -> Snapshot:
            _, data = self._consul.kv.get(
                self._keys.prefix, recurse=True, consistency="stale" if stale else "default"
            )
            return self._parse({key_of(item): item for item in data or []})

        return call("reading the pool", self._keys.read_rule, read)

    def _parse(self, items: dict[str, dict[str, Any]]) -> Snapshot:
        keys = self._keys
        beat = items.get(keys.heartbeat)
        history = [item for key, item in items.items() if key.startswith(keys.history)]
        values = [object_of(item.get("Value")) for item in sorted(history, key=_created)]
        return Snapshot(
            lock=lock_view(items.get(keys.lock)),
            heartbeat=stored_beat(beat["Value"], index_of(beat)) if beat is not None else None,
            entries=[
                entry_of(item, keys.nodes)
                for key, item in sorted(items.items())
                if key.startswith(keys.nodes) and is_entry(item, keys.nodes)
            ],
            history=[value for value in values if value],
            orders={
                key.removeprefix(keys.orders): (index_of(item), object_of(item.get("Value")))
                for key, item in items.items()
                if key.startswith(keys.orders)
            },
            junk=tuple(key for key, item in sorted(items.items()) if self._is_junk(key, item)),
        )

    def _is_junk(self, key: str, item: dict[str, Any]) -> bool:
        raw = item.get("Value")
        return not self._keys.has_place_for(key) or (raw is not None and len(raw) > MOST_BYTES)


def _created(item: dict[str, Any]) -> int:
    return index_of(item, "CreateIndex")
