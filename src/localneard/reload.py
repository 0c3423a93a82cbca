"""SIGHUP: reading log_config.json, config.json and the validator key anew, all or nothing.

As neard does it (nearcore/src/dyn_config.rs): an error in any of the three refuses the whole reload, and the
old key stays. A key file that is not there, which a link to nothing is not either, means to go on without a
key.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localneard import config as config_file
from localneard import log as logs
from localneard.errors import BadFileError
from localneard.jsonc import is_there
from localneard.keys import Key

LOG_CONFIG = "log_config.json"
UPDATABLE = ("expected_shutdown", "resharding_config", "produce_chunk_add_transactions_time_limit")
SIGNER_FIELD = "validator_signer"

log = logging.getLogger("neard")
config_log = logging.getLogger("config")


@dataclass(frozen=True)
class Updatable:
    """What a reload can change. `values` are those of `UPDATABLE` as config.json gives them."""

    rust_log: str | None
    values: dict[str, Any]
    key: Key | None

    def shown(self) -> dict[str, str]:
        """Return all values as neard's metric and log show them."""
        shown = {name: _show(value) for name, value in self.values.items()}
        shown[SIGNER_FIELD] = show_key(self.key)
        return shown


def _show(value: Any) -> str:
    return "None" if value is None else f"Some({json.dumps(value)})"


def show_key(key: Key | None) -> str:
    """Return a key as neard shows it: without the secret."""
    if key is None:
        return "None"
    return (
        f'Some(InMemorySigner {{ account_id: AccountId("{key.account_id}"), public_key: {key.public_key} }})'
    )


def read_key(home: Path, validator_key_file: str) -> Key | None:
    """Read the validator key, None if there is no file. Raises BadFileError."""
    path = home / validator_key_file
    if not is_there(path):
        log.info("no validator key %s", logs.fields(validator_file=str(path)))
        return None
    key = Key.read(path)
    log.info("hot loading validator key %s", logs.fields(validator_file=str(path)))
    return key


def read_updatable(home: Path) -> Updatable:
    """Read all three files. Raises BadFileError for the first that is not good."""
    rust_log = config_file.check_log_config(home / LOG_CONFIG)
    if rust_log is not None:
        try:
            logs.parse_filter(rust_log)
        except ValueError as error:
            raise BadFileError(f"{home / LOG_CONFIG}: rust_log: {error}") from None
    config = config_file.read_config(home)
    values = {name: config.raw.get(name) for name in UPDATABLE}
    return Updatable(rust_log, values, read_key(home, config.validator_key_file))


class Reloader:
    """The state of reloading, and the figures that neard's metrics give of it."""

    def __init__(self, home: Path, first: Updatable, apply: Callable[[Updatable], None]) -> None:
        """Begin with what the start has read; `apply` is given each new state."""
        self._home = home
        self._apply = apply
        self.current = first
        self.reloads = 1
        self.config_correct = True
        self.reload_timestamp = time.time()
        self.started = int(time.time())
        self.refusal: str | None = None
        """Why the last reload was refused, None if it was not."""
        # Every value that a field has had: neard keeps the old ones' series, at 0.
        self.seen: dict[str, list[str]] = {name: [value] for name, value in first.shown().items()}

    def reload(self, *, refuse: bool = False) -> None:
        """Read the files and apply them; `refuse` is the fault of that name."""
        try:
            if refuse:
                raise BadFileError(
                    f"{self._home / config_file.FILE_NAME}: refused, as localneard.json asks for"
                )
            new = read_updatable(self._home)
        except BadFileError as error:
            self.config_correct = False
            self.refusal = str(error)
            log.warning("Dynamic config updates are not applied: %s", error)
            return
        self.config_correct = True
        self.refusal = None
        self.reloads += 1
        self.reload_timestamp = time.time()
        logs.apply(new.rust_log)
        self._tell(new)
        self.current = new
        self._apply(new)

    def _tell(self, new: Updatable) -> None:
        old_values = self.current.shown()
        for name, value in new.shown().items():
            if value == old_values[name]:
                config_log.info("mutable config field remains the same %s", logs.fields(field_name=name))
                continue
            shown = logs.fields(field_name=name, old_value=old_values[name], new_value=value)
            config_log.info("updated config field %s", shown)
            if value not in self.seen[name]:
                self.seen[name].append(value)
