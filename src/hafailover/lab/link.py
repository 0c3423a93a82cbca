"""A TCP relay on loopback that can be cut like a cable, to stand between an agent and its Consul server."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from hafailover.lab.errors import LabError

Direction = Literal["both", "to_target", "from_target"]

_T = TypeVar("_T")

_CHUNK = 64 * 1024
# struct linger: on, 0 seconds (socket(7)).
_NO_LINGER = struct.pack("ii", 1, 0)
_CONTROL_TIMEOUT_S = 5.0
_CONNECT_TIMEOUT_S = 5.0


async def _passable(gate: asyncio.Event) -> None:
    # A waiter runs some time after the event was set, and it may have been cleared again by then.
    while not gate.is_set():
        await gate.wait()


def _reset(writers: list[asyncio.StreamWriter]) -> None:
    """Close connections so that the peers see a reset, not an orderly end."""
    for writer in writers:
        # One that its peer has reset is closed already.
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        writer.transport.abort()


class Link:
    """A relay from a port on 127.0.0.1 to a target, running in a thread of its own.

    While it is cut nothing passes and nothing is closed, as when a cable is pulled: connections stall, new
    ones are accepted and get no answer. What was sent meanwhile is held back, up to some 64 KiB and the
    kernel's buffers per connection, and then the sender stalls as well. After `heal` it goes through late,
    also what its sender has long given up on: that is what networks do, and what a lease has to stand.
    """

    def __init__(
        self,
        target_port: int,
        *,
        target_host: str = "127.0.0.1",
        listen_port: int = 0,
        enter: Callable[[], None] | None = None,
    ) -> None:
        """Listen on `listen_port` (0: a free one).

        `enter` takes the relay's thread to a network namespace, in which it then listens and connects. Raises
        LabError if the port cannot be had.
        """
        self.target = (target_host, target_port)
        self.port = listen_port
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._open = {"to_target": asyncio.Event(), "from_target": asyncio.Event()}
        for gate in self._open.values():
            gate.set()
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab-link", daemon=True)
        self._thread.start()
        try:
            if enter is not None:
                self._do(self._enter(enter))
            self._server = self._do(self._listen(listen_port))
        except LabError:
            self._stop_loop()
            raise
        except OSError as error:
            self._stop_loop()
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise LabError(f"cannot listen on 127.0.0.1:{listen_port}: {reason}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        """Return itself; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the link."""
        self.close()

    def is_cut(self) -> bool:
        """Whether at least one direction is cut."""
        return not all(gate.is_set() for gate in self._open.values())

    @property
    def connections(self) -> int:
        """The number of connections that go through it, stalled ones included."""
        return len(self._connections)

    def cut(self, direction: Direction = "both") -> None:
        """Let nothing through from now on, in one direction or both."""
        self._do(self._set(direction, passable=False))

    def heal(self, *, reset: bool = False) -> None:
        """Let everything through again; `reset` closes stalled connections instead of resuming them."""
        self._do(self._heal(reset=reset))

    def close(self) -> None:
        """Reset all connections and stop listening; does nothing the second time."""
        if not self._closed:
            self._closed = True
            self._do(self._shut())
            self._stop_loop()

    def _do(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CONTROL_TIMEOUT_S)

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONTROL_TIMEOUT_S)
        self._loop.close()

    @staticmethod
    async def _enter(enter: Callable[[], None]) -> None:
        enter()

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", port, limit=_CHUNK)

    async def _set(self, direction: Direction, *, passable: bool) -> None:
        for name, gate in self._open.items():
            if direction in ("both", name):
                gate.set() if passable else gate.clear()

    async def _heal(self, *, reset: bool) -> None:
        if reset:
            await self._drop_connections()
        await self._set("both", passable=True)

    async def _shut(self) -> None:
        self._server.close()
        await self._drop_connections()

    async def _drop_connections(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._relay(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            for gate in self._open.values():
                await _passable(gate)
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                target_reader, target_writer = await asyncio.open_connection(*self.target, limit=_CHUNK)
            writers.append(target_writer)
            for one in writers:
                # So that `drain` means sent, and nothing is left behind that a cut does not hold back.
                one.transport.set_write_buffer_limits(high=0)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, target_writer, self._open["to_target"]))
                pumps.create_task(self._pump(target_reader, writer, self._open["from_target"]))
        except* (OSError, TimeoutError):
            # Also a target that refuses shows as a reset: the client's connection stands already.
            _reset(writers)
        except* asyncio.CancelledError:
            _reset(writers)
        finally:
            for one in writers:
                one.close()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event) -> None:
        while data := await reader.read(_CHUNK):
            await _passable(gate)
            writer.write(data)
            await writer.drain()
        await _passable(gate)
        writer.write_eof()
        await writer.drain()
