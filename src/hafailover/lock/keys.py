"""The keys of one pool in Consul. Nobody but this pool's agents writes below its prefix."""

from __future__ import annotations

from dataclasses import dataclass

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
    def history_id(self) -> str:
        """The id of Consul's own history: made once, and lost with everything else."""
        return self.prefix + "consul-history"

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

    @property
    def rule(self) -> str:
        """The ACL rule that writing these keys needs."""
        return f'key_prefix "{self.prefix}" {{ policy = "write" }}'
