"""What the guard process is started with: plain values, already checked by ``hafailover guard``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hafailover.log import Style


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Paths and choices; nothing secret is among them. Times in seconds."""

    account_id: str
    home: str
    neard_binary: str
    neard_args: tuple[str, ...]
    validator_key_file: str
    validator_node_key_file: str | None
    """Restart mode only: the node key that goes with the validator key."""
    socket: str
    hot_swap: bool
    drop_budget_s: float
    stop_s: float
    fence_after_s: float
    """Of the host's timing: no grant reaches further from now."""
    agent_uid: int | None = None
    """The user whose agent may command the guard, beside root and the guard's own; ``None``: nobody else."""
    node_name: str = ""
    log_format: Style = "auto"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> GuardSettings:
        data = json.loads(text)
        return GuardSettings(**{**data, "neard_args": tuple(data["neard_args"])})

    @property
    def home_path(self) -> Path:
        return Path(self.home)
