"""Which agent a command may ask, and where that one listens."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from hafailover.config.place import CONSUL_ADDRESS, STATE_DIR, config_file, host_name, variables

LONGEST_PATH = 100
"""What fits into a socket's address, in bytes (unix(7): 108 with the end)."""


class Place(NamedTuple):
    """An agent, by what both sides must agree on, and its folder."""

    state_dir: str
    account_id: str
    node_name: str
    consul: str
    """``consul.address``: two pools may have the same account, as test networks do."""

    @property
    def socket(self) -> Path:
        return Path(self.state_dir) / f"look-{self.account_id}-{self.node_name}.sock"

    @property
    def hello(self) -> dict[str, str]:
        """What an agent says first."""
        return {"account_id": self.account_id, "node_name": self.node_name, "consul": self.consul}


def place_of(config: Path | None) -> Place | None:
    """The agent that the settings name; ``None`` where only reading them in full can tell.

    The settings are not checked: whoever answers at that place was started with some that were.
    """
    if variables():
        # They count more than the file, and in several spellings.
        return None
    path = config_file(config)
    if path is None or not path.is_file():
        return None
    try:
        return _place(tomllib.loads(path.read_text()))
    except (OSError, ValueError, RecursionError):
        return None


def _place(data: dict[str, Any]) -> Place | None:
    consul = data.get("consul", {})
    found = [
        data.get("state_dir", str(STATE_DIR)),
        data.get("account_id"),
        data.get("node_name", host_name()),
        consul.get("address", CONSUL_ADDRESS) if isinstance(consul, dict) else None,
    ]
    texts = [one for one in found if isinstance(one, str) and one.isprintable() and one]
    if len(texts) < len(found) or "/" in texts[1] + texts[2]:
        return None
    return Place(*texts)
