"""The nodes that one could dial: where they listen, and when to try again."""

import json
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localneard.addresses import Address, BootNode
from localneard.clock import boottime
from localneard.keys import is_public_key

FILE_NAME = "peers.json"
MAX_PEERS = 200
FIRST_BACKOFF_S = 0.25
MAX_BACKOFF_S = 5.0
FORGET_AFTER_S = 3600.0

log = logging.getLogger("network")


@dataclass
class Entry:
    """One node. `next_try` is in seconds since boot, `last_good` when a connection stood last."""

    peer_id: str
    address: Address
    boot: bool
    next_try: float = 0.0
    backoff: float = FIRST_BACKOFF_S
    last_good: float = 0.0


class PeerBook:
    """Known nodes by node key, kept in ``data/peers.json`` so that a restart needs no boot node."""

    def __init__(self, folder: Path, own_id: str, boot_nodes: Iterable[BootNode]) -> None:
        """Read what earlier runs knew; boot nodes go before it."""
        self._path = folder / FILE_NAME
        self._own_id = own_id
        self._entries: dict[str, Entry] = {}
        for node in boot_nodes:
            if node.peer_id != own_id:
                self._entries[node.peer_id] = Entry(node.peer_id, node.address, boot=True)
        for peer_id, address in self._load():
            self._add(peer_id, address)

    def hear(self, nodes: Iterable[tuple[str, Address]]) -> None:
        """Take in nodes that another one told of; what is known already stays."""
        added = sum(self._add(peer_id, address) for peer_id, address in nodes)
        if added:
            self._save()

    def connected(self, peer_id: str, address: Address | None) -> None:
        """Take in that a connection stands, with the address that the node itself gave."""
        entry = self._entries.get(peer_id)
        if address is not None and entry is None:
            self.hear([(peer_id, address)])
        elif address is not None and entry is not None and not entry.boot and entry.address != address:
            entry.address = address
            self._save()
        if (entry := self._entries.get(peer_id)) is not None:
            entry.backoff = FIRST_BACKOFF_S
            entry.last_good = boottime()

    def failed(self, peer_id: str) -> None:
        """Take in that a connection could not be made or was lost; the wait until the next try doubles."""
        entry = self._entries.get(peer_id)
        if entry is None:
            return
        # Spread out, so that two nodes do not go on dialling each other in the same moment.
        entry.next_try = boottime() + entry.backoff * random.uniform(0.8, 1.2)  # noqa: S311
        entry.backoff = min(entry.backoff * 2, MAX_BACKOFF_S)
        if not entry.boot and boottime() - entry.last_good > FORGET_AFTER_S:
            del self._entries[peer_id]
            self._save()

    def due(self) -> list[Entry]:
        """Return the nodes whose next try is due."""
        now = boottime()
        return [entry for entry in self._entries.values() if entry.next_try <= now]

    def addresses(self) -> list[tuple[str, Address]]:
        """Return all known nodes."""
        return [(entry.peer_id, entry.address) for entry in self._entries.values()]

    def _add(self, peer_id: str, address: Address) -> bool:
        if peer_id == self._own_id or peer_id in self._entries or len(self._entries) >= MAX_PEERS:
            return False
        self._entries[peer_id] = Entry(peer_id, address, boot=False, last_good=boottime())
        return True

    def _load(self) -> list[tuple[str, Address]]:
        try:
            lines = json.loads(self._path.read_bytes())
            found = [(peer_id, Address(str(host), int(port))) for peer_id, host, port in lines]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s: cannot be read, and is made anew: %s", self._path, type(error).__name__)
            return []
        return [(peer_id, address) for peer_id, address in found if is_public_key(peer_id)]

    def _save(self) -> None:
        lines = [[peer_id, address.host, address.port] for peer_id, address in self.addresses()]
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps(lines))
            new.replace(self._path)
        except OSError as error:
            log.warning("%s: cannot be written: %s", self._path, error.strerror)
