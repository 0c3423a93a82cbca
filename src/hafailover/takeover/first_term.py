"""The order to sign first whatever the chain shows of the account, as a file in the agent's ``state_dir``.

It is a file and not a key of Consul's: whoever may write to Consul alone could else let a second signer in.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hafailover.agent.identity import boot_id
from hafailover.clock import boottime
from hafailover.takeover.documents import read_document, write_document

VALID_S = 600.0
"""So long an order stands that no term has used: enough for a pool that starts, too short to be forgotten."""


class FirstTermOrder(BaseModel):
    """What ``hafailover allow-first-term`` leaves for the agent. ``at``: CLOCK_BOOTTIME of that boot."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    id: str
    by: str
    at: float
    boot: str

    @property
    def until(self) -> float:
        """When it is void, on CLOCK_BOOTTIME; from before a restart of the machine it is void already."""
        fresh = self.boot == boot_id() and self.at <= boottime()
        return self.at + VALID_S if fresh else -1e9


class FirstTermFile:
    """The file of one host."""

    def __init__(self, folder: Path, account_id: str, node: str) -> None:
        self._path = folder / f"first-term-{account_id}-{node}.json"

    def put(self, by: str, order: str) -> FirstTermOrder:
        """:raises OSError: the folder is not there, or not this user's."""
        document = FirstTermOrder(id=order, by=by[:100], at=boottime(), boot=boot_id())
        write_document(self._path, document)
        return document

    def order(self) -> FirstTermOrder | None:
        """The order as it stands; one that cannot be understood, or is too old, is none."""
        text = read_document(self._path)
        try:
            found = FirstTermOrder.model_validate_json(text) if text is not None else None
        except ValidationError:
            return None
        return found if found is not None and boottime() < found.until else None

    def end(self) -> bool:
        """Takes the order away; whether there was one.

        :raises OSError: it is there, and cannot be removed.
        """
        stood = self._path.exists()
        self._path.unlink(missing_ok=True)
        return stood
