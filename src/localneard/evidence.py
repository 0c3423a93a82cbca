"""What shows that two nodes held one validator key: evidence that neard does not keep.

``data/double_signs.jsonl`` has one line for each height and key of which two different blocks, or two chunks,
were seen::

    {"height": 120, "account_id": "node3", "public_key": "ed25519:..", "hashes": ["..", ".."], "boottime":
    12.3}

``data/key_events.jsonl`` has one line for each change of the key that a process holds::

    {"event": "load", "reason": "start", "boottime": 12.3, "pid": 42, "account_id": "node3", "public_key":
    ".."}

`event` is ``load`` or ``drop``; `reason` is ``start``, ``reload`` or ``exit``. A load is written before the
key can sign, a drop after it no longer can, so what lies between them covers every signature. A process that
is killed writes no drop: its key is gone when the process is. Times are CLOCK_BOOTTIME seconds, the same for
all processes of a machine. No line holds a secret.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

from localneard.clock import boottime
from localneard.keys import Key
from localneard.log import fields

DOUBLE_SIGNS = "double_signs.jsonl"
KEY_EVENTS = "key_events.jsonl"

log = logging.getLogger("near_evidence")


def _append(path: Path, line: dict[str, Any]) -> None:
    """Append a line in one write, so that a kill cannot leave half of it among whole ones."""
    try:
        with path.open("ab", buffering=0) as file:
            file.write(json.dumps(line, separators=(", ", ": ")).encode() + b"\n")
    except OSError as error:
        log.error("%s: cannot be written: %s", path, error.strerror)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of such a file; one that is torn, as a full disk leaves it, is left out."""
    lines = []
    try:
        texts = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append(line)
    return lines


class DoubleSigns:
    """The heights of which two blocks or two chunks by one signer were seen, over all runs of this home."""

    def __init__(self, folder: Path) -> None:
        """Read what is known already."""
        self._path = folder / DOUBLE_SIGNS
        self.records = [line for line in read_lines(self._path) if {"height", "public_key"} <= line.keys()]
        self._known = {(line["height"], line["public_key"]) for line in self.records}

    def knows(self, height: int, public_key: str) -> bool:
        """Say whether a height was noted already."""
        return (height, public_key) in self._known

    def record(self, height: int, account_id: str, public_key: str, hashes: list[str]) -> None:
        """Note a height, the first time it is seen."""
        if (height, public_key) in self._known:
            return
        self._known.add((height, public_key))
        line = {
            "height": height,
            "account_id": account_id,
            "public_key": public_key,
            "hashes": hashes,
            "boottime": boottime(),
        }
        self.records.append(line)
        log.error(
            "two blocks or chunks by one signer: %s",
            fields(height=height, account_id=account_id, hashes=hashes),
        )
        _append(self._path, line)

    @property
    def heights(self) -> int:
        """How many heights were signed twice, by whichever key."""
        return len({line["height"] for line in self.records})


class KeyEvents:
    """The record of what key this process holds."""

    def __init__(self, folder: Path) -> None:
        """Append to the file in a folder."""
        self._path = folder / KEY_EVENTS

    def load(self, key: Key, reason: str) -> None:
        """Note a key, before it can sign."""
        self._write("load", key, reason)

    def drop(self, key: Key, reason: str) -> None:
        """Note the end of a key, after it can no longer sign."""
        self._write("drop", key, reason)

    def _write(self, event: str, key: Key, reason: str) -> None:
        _append(
            self._path,
            {
                "event": event,
                "reason": reason,
                "boottime": boottime(),
                "pid": os.getpid(),
                "account_id": key.account_id,
                "public_key": key.public_key,
            },
        )
