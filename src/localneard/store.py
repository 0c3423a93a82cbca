"""What a node keeps on disk: ``data/chain.sqlite3`` beside a lock that keeps a second process out.

SQLite's write-ahead log drops a transaction that a kill cut short, so the chain on disk always ends with a
whole block. Every signed block that was ever seen is kept, those outside the chain too: they are what double
signing shows by.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localneard.block import Block
from localneard.errors import NodeError

FILE_NAME = "chain.sqlite3"
LOCK_NAME = "LOCK"
# Not application data: tells this file from any other SQLite one.
_APPLICATION_ID = 0x4C4E5245

_SCHEMA = """
create table if not exists meta (name text primary key, value text not null) without rowid;
create table if not exists blocks (
  hash text primary key, height integer not null, public_key text not null, attached integer not null,
  first_seen real not null, body text not null
) without rowid;
create index if not exists blocks_by_height on blocks (height, public_key);
create table if not exists chain (height integer primary key, hash text not null);
create table if not exists epochs (epoch_id text primary key, body text not null) without rowid;
create table if not exists results (last_hash text primary key, epoch_id text not null, body text not null)
  without rowid;
"""


class DataLock:
    """Exclusive use of a data folder, for as long as the process lives or until `release`."""

    def __init__(self, folder: Path) -> None:
        """Take it. Raises NodeError if another process has it, or the folder cannot be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise NodeError(f"{folder}: cannot open the database: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise NodeError(
                f"{folder}: cannot open the database: another process holds {LOCK_NAME}; "
                "stop the node that runs on this home"
            ) from None

    def release(self) -> None:
        """Give it up."""
        os.close(self._descriptor)


class Store:
    """The tables. For one thread; sqlite3.Error from any method means that the disk no longer serves."""

    def __init__(self, folder: Path, genesis_hash: str) -> None:
        """Open or create the database.

        Raises NodeError if it cannot be opened, is damaged, or belongs to another genesis.
        """
        path = folder / FILE_NAME
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            # In this mode a power cut may lose the last blocks, but never what was whole before.
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute("pragma cache_size = -1024")
            if self._db.execute("pragma application_id").fetchone()[0] not in (0, _APPLICATION_ID):
                raise NodeError(f"{path}: is not a database of localneard; move it away")
            self._db.execute(f"pragma application_id = {_APPLICATION_ID}")
            self._db.executescript(_SCHEMA)
            known = self.meta("genesis")
            if known is None:
                self._db.execute("insert into meta values ('genesis', ?)", (genesis_hash,))
        except sqlite3.Error as error:
            raise NodeError(
                f"{path}: cannot open the database: {error}; move it away to start anew"
            ) from None
        if known not in (None, genesis_hash):
            raise NodeError(
                f"{path}: holds the chain of another genesis.json; put that one back, or remove {folder}"
            )

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing of what is done inside."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def meta(self, name: str) -> str | None:
        """Return a single value."""
        return self._one("select value from meta where name = ?", name)

    # ---- blocks ----

    def add_block(self, block: Block, *, attached: bool, first_seen: float) -> None:
        """Keep a block. `attached` says that it was checked against its predecessor."""
        self._db.execute(
            "insert into blocks values (?, ?, ?, ?, ?, ?) "
            "on conflict (hash) do update set attached = max(attached, excluded.attached)",
            (
                block.hash,
                block.height,
                block.public_key,
                attached,
                first_seen,
                json.dumps(block.to_wire(), separators=(",", ":")),
            ),
        )

    def block(self, block_hash: str) -> tuple[Block, bool] | None:
        """Return a block and whether it is attached."""
        row = self._db.execute("select body, attached from blocks where hash = ?", (block_hash,)).fetchone()
        return None if row is None else (Block.from_wire(json.loads(row[0])), bool(row[1]))

    def hashes_signed(self, height: int, public_key: str) -> list[str]:
        """Return the hashes of all blocks at a height that a key has signed."""
        rows = self._db.execute(
            "select hash from blocks where height = ? and public_key = ?", (height, public_key)
        )
        return [row[0] for row in rows]

    # ---- the chain ----

    def set_chain(self, fork_height: int, branch: list[Block]) -> None:
        """Replace the chain above a height by a branch that builds on its block there."""
        self._db.execute("delete from chain where height > ?", (fork_height,))
        rows = [(block.height, block.hash) for block in branch]
        self._db.executemany("insert into chain values (?, ?)", rows)

    def head_hash(self) -> str | None:
        """Return the hash of the highest block of the chain, None for a new one."""
        return self._one("select hash from chain order by height desc limit 1")

    def hash_at(self, height: int) -> str | None:
        """Return the hash of the chain's block at a height, None if it was skipped or is not reached."""
        return self._one("select hash from chain where height = ?", height)

    def hash_at_or_below(self, height: int) -> str | None:
        """Return the hash of the chain's highest block that is not above a height."""
        return self._one("select hash from chain where height <= ? order by height desc limit 1", height)

    def blocks_from(self, height: int, limit: int) -> list[Block]:
        """Return the chain's blocks from a height on, lowest first."""
        rows = self._db.execute(
            "select body from chain join blocks using (hash) "
            "where chain.height >= ? order by chain.height limit ?",
            (height, limit),
        )
        return [Block.from_wire(json.loads(row[0])) for row in rows]

    def seen_from(self, height: int, to: int, limit: int) -> list[tuple[Block, float]]:
        """Return the chain's blocks in a range, with the boot time at which each was first seen here."""
        rows = self._db.execute(
            "select body, first_seen from chain join blocks using (hash) "
            "where chain.height between ? and ? order by chain.height limit ?",
            (height, to, limit),
        )
        return [(Block.from_wire(json.loads(row[0])), row[1]) for row in rows]

    # ---- epochs ----

    def add_epoch(self, epoch_id: str, document: Mapping[str, Any]) -> None:
        """Keep an epoch's validators."""
        self._db.execute("insert or replace into epochs values (?, ?)", (epoch_id, json.dumps(document)))

    def epoch(self, epoch_id: str) -> Any:
        """Return what was kept of an epoch, None if there is nothing."""
        text = self._one("select body from epochs where epoch_id = ?", epoch_id)
        return None if text is None else json.loads(text)

    def add_result(self, last_hash: str, epoch_id: str, document: Mapping[str, Any]) -> None:
        """Keep how an epoch went that ended with a block."""
        self._db.execute(
            "insert or replace into results values (?, ?, ?)", (last_hash, epoch_id, json.dumps(document))
        )

    def result(self, last_hash: str) -> Any:
        """Return how the epoch went that ended with this block, None if none did."""
        text = self._one("select body from results where last_hash = ?", last_hash)
        return None if text is None else json.loads(text)

    def result_hashes(self, epoch_id: str) -> list[str]:
        """Return the blocks with which an epoch ended, one for each fork."""
        rows = self._db.execute("select last_hash from results where epoch_id = ?", (epoch_id,))
        return [row[0] for row in rows]

    def _one(self, query: str, *values: Any) -> str | None:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else str(row[0])
