"""Where the settings are, and the names and defaults that are needed without loading them all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

ENV_PREFIX = "HAFAILOVER_"
ENV_DELIMITER = "__"
NOT_SETTINGS = ("config", "consul_binary", "fuzz_examples", "model_stories", "nixos_eval", "simulation_seeds")
"""The project's other variables, without their prefix."""
DEFAULT_CONFIG = Path("/etc/hafailover/config.toml")
STATE_DIR = Path("/run/hafailover")
CONSUL_ADDRESS = "http://127.0.0.1:8500"


def config_file(config: Path | None) -> Path | None:
    """The TOML file that counts: the one named, ``$HAFAILOVER_CONFIG``'s, or the default if it is there.

    One that is named is returned whether it is there or not.
    """
    if config is not None:
        return config
    if named := os.environ.get("HAFAILOVER_CONFIG"):
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def variables() -> list[tuple[str, str]]:
    """The environment's variables that are settings or look like some: as they stand, and without prefix."""
    found = [
        (name, name.lower().removeprefix(ENV_PREFIX.lower()))
        for name in sorted(os.environ)
        if name.lower().startswith(ENV_PREFIX.lower())
    ]
    return [(name, setting) for name, setting in found if setting not in NOT_SETTINGS]


def host_name() -> str:
    """The machine's name up to the first dot: what a host is called unless ``node_name`` says otherwise."""
    return socket.gethostname().partition(".")[0] or "localhost"
