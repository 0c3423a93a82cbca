"""The Unix socket on which the agent commands the guard. One agent at a time: the newest."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hafailover.guard import model as m
from hafailover.guard import protocol

log = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1 << 20
MOST_REFUSED_USERS = 16


class SocketTakenError(Exception):
    """The socket's place is not free; the text names the setting."""


class AgentSocket:
    """Accepts the agent's connection, turns its lines into events, and sends it reports.

    :param feed: takes an event, or ``None`` for a mere question; the report that follows is the answer.
    :param agent_uid: the user that may command the guard, beside root and the guard's own. The socket's group
        is not enough: others may be in it.
    """

    def __init__(
        self, path: Path, feed: Callable[[m.GuardEvent | None], None], agent_uid: int | None = None
    ) -> None:
        self._path = path
        self._feed = feed
        self._allowed = {0, os.geteuid()} | ({agent_uid} if agent_uid is not None else set())
        self._refused: set[int] = set()
        self._server: asyncio.AbstractServer | None = None
        self._agent: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """:raises OSError: the socket cannot be made."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._clear_place()
        self._server = await asyncio.start_unix_server(
            self._serve, path=self._path, limit=protocol.MAX_LINE_BYTES
        )
        # The agent runs as a user of its own, in the same group.
        os.chmod(self._path, 0o660)  # noqa: PTH101

    def _clear_place(self) -> None:
        """Removes a socket that a dead guard has left; anything else stays where it is."""
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise SocketTakenError(
                f"guard_socket: {self._path} is there and is no socket; choose another path"
            )
        # A socket of another type is never let in, so asking costs the other guard nothing; a connection
        # would take its agent's place. The kernel still tells one that is in use from one that is dead.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
        raise SocketTakenError(f"guard_socket: another guard listens on {self._path}; give each its own path")

    def send(self, message: dict[str, Any]) -> None:
        """Sends a report if an agent is there. One that does not read is disconnected, never waited for."""
        writer = self._agent
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            log.warning("the agent does not read what it is told; disconnecting it")
            self._drop(writer)
            return
        writer.write(protocol.encode(message))

    def close(self) -> None:
        if self._agent is not None:
            self._drop(self._agent)
        if self._server is not None:
            self._server.close()

    def remove(self) -> None:
        """Takes the socket's file away, once it is closed. That may wait for a disk."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._may_command(writer):
            self._drop(writer)
            return
        if self._agent is not None:
            log.info("another agent has connected; the one before it is disconnected")
            self._drop(self._agent)
        self._agent = writer
        self._feed(None)
        try:
            while self._agent is writer:
                line = await reader.readline()
                # What an agent sent before it was replaced is void.
                if not line or self._agent is not writer:
                    break
                self._feed(protocol.parse_command(protocol.decode(line)))
        except (protocol.ProtocolError, ValueError) as error:
            log.warning("the agent sent %s; disconnecting it", error)
        except OSError as error:
            log.info("the agent's connection broke: %s", error.strerror)
        except asyncio.CancelledError:
            # The guard ends; there is nothing to tell anybody.
            return
        finally:
            if self._agent is writer:
                self._agent = None
                log.info("the agent is gone; the key stays until its grant runs out")
            self._drop(writer)

    def _may_command(self, writer: asyncio.StreamWriter) -> bool:
        """By the kernel's word on who has connected, SO_PEERCRED of unix(7). It stands from connect() on."""
        connection: socket.socket = writer.get_extra_info("socket")
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        if uid in self._allowed:
            return True
        # Once for each user: whoever tries again and again must not fill the log.
        if uid not in self._refused and len(self._refused) < MOST_REFUSED_USERS:
            self._refused.add(uid)
            log.warning(
                "pid %d of user %d may not command the guard and is disconnected; if the agent runs as that "
                "user, set guard_agent_user",
                pid,
                uid,
            )
        return False

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        if self._agent is writer:
            self._agent = None
        writer.transport.abort()
