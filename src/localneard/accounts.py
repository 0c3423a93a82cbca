"""Which node speaks for which validator: neard's AccountData (chain/network/src/accounts_data).

A record is signed by the validator's key and says at which node its mail is to be delivered. The highest
version of a record counts. A node that gave its key up without ending keeps its own record *and* the key for
it, in memory: when another node's record for that key comes, it signs a higher version that points back at
itself. So does the other, and the two go on until the old process ends.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from localneard.addresses import Address, BootNode
from localneard.keys import Key, is_public_key, verify

MAX_PROXIES = 10
_MAX_NUMBER = 1 << 63


@dataclass(frozen=True)
class AccountRecord:
    """A validator's node. `proxies` pass its mail on, `timestamp` is nanoseconds since 1970."""

    account_key: str
    peer_id: str
    proxies: tuple[BootNode, ...]
    version: int
    timestamp: int
    signature: str = ""

    def to_wire(self) -> list[Any]:
        """Return what `from_wire` takes."""
        proxies = [[one.peer_id, one.address.host, one.address.port] for one in self.proxies]
        return [self.account_key, self.peer_id, proxies, self.version, self.timestamp, self.signature]

    @classmethod
    def from_wire(cls, values: Any) -> Self:
        """Return a record that came from elsewhere, its shape checked. Raises ValueError."""
        try:
            account_key, peer_id, proxies, version, timestamp, signature = values
            nodes = [BootNode(one, Address(host, port)) for one, host, port in proxies]
        except (TypeError, ValueError):
            raise ValueError("a record of an account that makes no sense") from None
        numbers_fit = all(type(one) is int and 0 <= one < _MAX_NUMBER for one in (version, timestamp))
        if (
            not numbers_fit
            or not isinstance(signature, str)
            or len(signature) > 128
            or len(nodes) > MAX_PROXIES
        ):
            raise ValueError("a record of an account that makes no sense")
        if not is_public_key(account_key) or not is_public_key(peer_id):
            raise ValueError("a record of an account without keys")
        for node in nodes:
            host, port = node.address.host, node.address.port
            if not (is_public_key(node.peer_id) and isinstance(host, str) and 0 < len(host) <= 255):
                raise ValueError("a proxy that makes no sense")
            if type(port) is not int or not 0 < port < 65536:
                raise ValueError("a proxy that makes no sense")
        return cls(account_key, peer_id, tuple(nodes), version, timestamp, signature)

    def is_signed(self) -> bool:
        """Say whether the signature is the validator's."""
        return verify(self.account_key, self.signature, self._digest())

    def signed_by(self, key: Key) -> "AccountRecord":
        """Return this record with a signature."""
        return replace(self, signature=key.sign(self._digest()))

    def is_newer_than(self, other: "AccountRecord | None") -> bool:
        """Say whether this record replaces another one of the same key."""
        return other is None or (self.version, self.timestamp) > (other.version, other.timestamp)

    def _digest(self) -> bytes:
        text = json.dumps(["account", *self.to_wire()[:-1]], separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()


class _Local(NamedTuple):
    """What a node says of itself, with the key for it. Never cleared: an old signer goes on, as in neard."""

    key: Key
    peer_id: str
    proxies: tuple[BootNode, ...]

    def record(self, version: int, timestamp: int) -> AccountRecord:
        unsigned = AccountRecord(self.key.public_key, self.peer_id, self.proxies, version, timestamp)
        return unsigned.signed_by(self.key)

    def says(self, record: AccountRecord) -> bool:
        return (record.peer_id, record.proxies) == (self.peer_id, self.proxies)


class Accounts:
    """The newest record of each validator, as one node knows them."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Take records of these validators' keys only."""
        self._keys = frozenset(keys)
        self._local: _Local | None = None
        self.records: dict[str, AccountRecord] = {}

    def set_local(
        self, key: Key, peer_id: str, proxies: tuple[BootNode, ...], timestamp: int
    ) -> AccountRecord | None:
        """Say of a key that it is here now; returns the record to spread, None if it is no validator's."""
        if key.public_key not in self._keys:
            return None
        self._local = _Local(key, peer_id, proxies)
        known = self.records.get(key.public_key)
        record = self._local.record(1 if known is None else known.version + 1, timestamp)
        self.records[key.public_key] = record
        return record

    def insert(self, record: AccountRecord, timestamp: int) -> AccountRecord | None:
        """Take in a record; returns the one to pass on, None if it is not news. Raises ValueError if forged.

        One of the key that was last held here, from another node, is answered by a newer one of one's own.
        """
        if record.account_key not in self._keys or not record.is_newer_than(
            self.records.get(record.account_key)
        ):
            return None
        if not record.is_signed():
            raise ValueError("a record of an account with a bad signature")
        local = self._local
        if local is not None and local.key.public_key == record.account_key and not local.says(record):
            record = local.record(record.version + 1, timestamp)
        self.records[record.account_key] = record
        return record
