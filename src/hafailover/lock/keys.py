"""The keys of one pool in Consul. Nobody but this pool's agents writes below its prefix."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.text import is_node_name

SINGLE = frozenset({"lock", "heartbeat", "consul-history", "pool", "request", "answer"})
ORDERS = frozenset({".keep", "pause", "plan", "drill", "last_drill"})
SERVICE = "hafailover"
"""The Consul service that the agents' checks belong to."""


@dataclass(frozen=True, slots=True)
class PoolKeys:
    """``hafailover/<account_id>/...``"""

    account_id: str

    @property
    def prefix(self) -> str:
        return f"hafailover/{self.account_id}/"

    @property
    def lock(self) -> str:
        return self.prefix + "lock"

    @property
    def heartbeat(self) -> str:
        return self.prefix + "heartbeat"

    @property
    def dropped(self) -> str:
        return self.prefix + "dropped/"

    @property
    def history(self) -> str:
        return self.prefix + "history/"

    @property
    def nodes(self) -> str:
        return self.prefix + "nodes/"

    @property
    def pool(self) -> str:
        return self.prefix + "pool"

    @property
    def orders(self) -> str:
        return self.prefix + "operator/"

    @property
    def request(self) -> str:
        return self.prefix + "request"

    @property
    def answer(self) -> str:
        return self.prefix + "answer"

    @property
    def doctor(self) -> str:
        """What an examination writes and deletes; no agent ever looks there."""
        return self.prefix + "doctor/"

    def has_place_for(self, key: str) -> bool:
        """Whether a key below the prefix may be there; any other was written by somebody else."""
        name = key.removeprefix(self.prefix)
        if name in SINGLE:
            return True
        folder, _, rest = name.partition("/")
        match folder:
            case "nodes":
                return is_node_name(rest)
            case "dropped":
                return rest == ".keep" or (rest.isascii() and rest.isdigit() and len(rest) <= 19)
            case "operator":
                drained, _, node = rest.partition("/")
                return rest in ORDERS or (drained == "drained" and is_node_name(node))
            case "history" | "doctor":
                return bool(rest)
        return False

    @property
    def rule(self) -> str:
        """The ACL rule that writing these keys needs."""
        return f'key_prefix "{self.prefix}" {{ policy = "write" }}'
