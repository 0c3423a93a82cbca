"""The order and what came of it, as files in the agent's ``state_dir``: Consul, the usual way, is dead."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hafailover.agent.identity import boot_id
from hafailover.clock import boottime
from hafailover.near.files import write_whole

_CONFIG = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)
TAKEN_WITHIN_S = 15.0
"""An order that is older has been left behind: whoever gave it has stopped waiting."""
MOST_BYTES = 10_000


class Order(BaseModel):
    """What ``hafailover takeover --force`` leaves for the agent. ``at``: CLOCK_BOOTTIME of that boot."""

    model_config = _CONFIG

    id: str
    by: str
    at: float
    boot: str
    consul_down: bool = False
    """Whether it will do that this host's own Consul does not answer at all."""


class Answer(BaseModel):
    """How the agent stands to the order of that ``id``."""

    model_config = _CONFIG

    id: str
    state: Literal["signing", "over"]
    text: str


class Files:
    """The two files of one host. The command may run as root, and the agent must be able to read it."""

    def __init__(self, folder: Path, account_id: str, node: str) -> None:
        self._folder = folder
        self._order = folder / f"takeover-{account_id}-{node}.json"
        self._answer = folder / f"takeover-{account_id}-{node}.answer.json"

    def put_order(self, order: Order) -> None:
        """:raises OSError: the folder is not there, or not this user's."""
        self._answer.unlink(missing_ok=True)
        write_document(self._order, order)

    def order(self) -> Order | None:
        """The order as it stands; one that cannot be understood is none."""
        text = read_document(self._order)
        try:
            return Order.model_validate_json(text) if text is not None else None
        except ValidationError:
            return None

    def is_fresh(self, order: Order) -> bool:
        return order.boot == boot_id() and 0 <= boottime() - order.at <= TAKEN_WITHIN_S

    def end_order(self) -> bool:
        """Takes the order away; whether there was one.

        :raises OSError: it is there, and cannot be removed.
        """
        stood = self._order.exists()
        self._order.unlink(missing_ok=True)
        return stood

    def put_answer(self, answer: Answer) -> None:
        with contextlib.suppress(OSError):
            write_document(self._answer, answer)

    def answer(self) -> Answer | None:
        text = read_document(self._answer)
        try:
            return Answer.model_validate_json(text) if text is not None else None
        except ValidationError:
            return None


def write_document(path: Path, document: BaseModel) -> None:
    """Writes it so that the folder's owner, the agent's user, can read it and nobody else.

    :raises OSError: the folder is not there, or not this user's.
    """
    write_whole(path, document.model_dump_json().encode(), 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def read_document(path: Path) -> str | None:
    """What stands there, or as much of it as a document may be long; ``None`` where nothing does."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None
