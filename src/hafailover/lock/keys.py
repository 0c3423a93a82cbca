"""The keys of one pool in Consul. Nobody but this pool's agents writes below its prefix."""

from __future__ import annotations

from dataclasses import dataclass

from hafailover.text import is_node_name

SINGLE = frozenset({"lock", "heartbeat", "history-id", "pool", "request", "answer"})
ORDERS = frozenset({".keep", "pause", "plan", "drill", "last_drill"})
OLD_SERVICE = "hafailover"
"""The Consul service of all hosts of all pools, as long as it had one name for all."""


def service_name(account_id: str, node: str) -> str:
    """The Consul service that this host's check belongs to: a right to it is a right to no other host's.

    No account has two hyphens in a row, so no two hosts of whatever pools share a name.
    """
    return f"hafailover-{account_id}--{node}"


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

    @property
    def read_rule(self) -> str:
        """What looking at the pool needs."""
        return f'key_prefix "{self.prefix}" {{ policy = "read" }}'

    @property
    def orders_rule(self) -> str:
        """What giving orders needs."""
        return f'key_prefix "{self.orders}" {{ policy = "write" }}'

    @property
    def request_rule(self) -> str:
        """What asking for a switchover needs."""
        return f'key "{self.request}" {{ policy = "write" }}'
