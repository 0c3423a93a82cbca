"""Many clients, few threads: one that waits for all of them, and a fixed number that work."""

from __future__ import annotations

import contextlib
import logging
import queue
import selectors
import socket
import ssl
import threading
import time

from hafailover.clock import boottime
from hafailover.web.connection import Connection, Wants
from hafailover.web.messages import TOO_BUSY, Answer, Respond
from hafailover.web.pace import Pace
from hafailover.web.places import Places, machine_of

log = logging.getLogger(__name__)

WORKERS = 3
"""Each of them may keep the lease's thread from running for one switch of Python's lock (5 ms)."""
MAX_WAITING = 32
"""Requests that wait for a thread; the next one is refused with 503."""
BACKLOG = 64
SWEEP_S = 0.5


class ListenError(Exception):
    """The address cannot be listened on; the text names the setting."""


class WebServer:
    """Listens at once, and answers after :meth:`start`.

    :param respond: makes the answers; called from several threads.
    :param tls: for HTTPS.
    :raises ListenError: the address is taken or not this machine's.
    """

    def __init__(self, address: tuple[str, int], respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self._respond = respond
        self._tls = tls
        self._listener = _listen(address)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._work: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
        self._back: queue.SimpleQueue[tuple[Connection, Wants]] = queue.SimpleQueue()
        self._pace = Pace()
        self._places = Places()
        self._parked: set[Connection] = set()
        self._busy = 0
        self._stopping = False

    @property
    def url(self) -> str:
        host, port = self.address
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"

    def start(self) -> None:
        threading.Thread(target=self._watch, name="http", daemon=True).start()
        for number in range(WORKERS):
            threading.Thread(target=self._serve, name=f"http-{number}", daemon=True).start()

    def stop(self) -> None:
        """Ends soon after; nobody is waited for."""
        self._stopping = True
        self._wake()

    def _serve(self) -> None:
        while (connection := self._work.get()) is not None:
            began = time.thread_time()
            wants = connection.step(self._respond)
            spent = time.thread_time() - began
            self._back.put((connection, wants))
            self._wake()
            self._pace.spent(spent)

    def _wake(self) -> None:
        # A full pipe wakes it as well, and after the end there is none.
        with contextlib.suppress(OSError):
            self._wake_in.send(b"x")

    def _watch(self) -> None:
        sweep_at = boottime() + SWEEP_S
        while not self._stopping:
            # Without connections there is nothing to sweep.
            left = max(0.0, sweep_at - boottime()) if self._parked else None
            for key, _ in self._selector.select(left):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._wake_out:
                    self._take_back()
                else:
                    self._hand_over(key.data)
            if boottime() >= sweep_at:
                self._sweep()
                sweep_at = boottime() + SWEEP_S
        self._close()

    def _accept(self) -> None:
        try:
            sock, peer = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            log.warning("listen: no connection can be accepted: %s", error.strerror)
            time.sleep(SWEEP_S)
            return
        try:
            connection = Connection(sock, self._tls, machine_of(peer[0]))
        except OSError:
            sock.close()
            return
        in_the_way = self._places.in_the_way(connection.machine)
        if in_the_way is not None and not self._make_room(in_the_way):
            connection.refuse(TOO_BUSY)
            return
        self._places.take(connection.machine)
        self._park(connection, selectors.EVENT_READ)

    def _make_room(self, machines: set[str]) -> bool:
        """Ends one connection of these: without a request for longest, else of who has most of them.

        Whoever really asks has sent its request within some round trips; whoever is silent for longer gives
        its place to others.
        """
        theirs = [one for one in self._parked if one.machine in machines]
        if idle := [one for one in theirs if one.idle]:
            victim = min(idle, key=lambda one: one.quiet_since)
        elif unheard := [one for one in theirs if one.unheard]:
            victim = min(unheard, key=lambda one: (-self._places.taken_by(one.machine), one.quiet_since))
        else:
            return False
        self._unpark(victim)
        self._end(victim)
        return True

    def _end(self, connection: Connection, answer: Answer | None = None) -> None:
        self._places.leave(connection.machine)
        if answer is not None:
            connection.refuse(answer)
        else:
            connection.close()

    def _hand_over(self, connection: Connection) -> None:
        if connection not in self._parked:
            # It made room for one that was accepted just now, and was ready in the same look.
            return
        self._unpark(connection)
        if connection.has_ended():
            self._end(connection)
            return
        if self._busy >= WORKERS + MAX_WAITING:
            self._end(connection, TOO_BUSY)
            return
        self._busy += 1
        self._work.put(connection)

    def _take_back(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)
        while True:
            try:
                connection, wants = self._back.get_nowait()
            except queue.Empty:
                return
            match wants:
                case Wants.TURN:
                    self._work.put(connection)
                    continue
                case Wants.READ:
                    self._park(connection, selectors.EVENT_READ)
                case Wants.WRITE:
                    self._park(connection, selectors.EVENT_WRITE)
                case Wants.END:
                    self._end(connection)
            self._busy -= 1

    def _park(self, connection: Connection, event: int) -> None:
        self._parked.add(connection)
        self._selector.register(connection.sock, event, connection)

    def _unpark(self, connection: Connection) -> None:
        self._parked.discard(connection)
        self._selector.unregister(connection.sock)

    def _sweep(self) -> None:
        """Cuts off who is too slow, and who has been idle for long."""
        now = boottime()
        for connection in [one for one in self._parked if one.deadline <= now]:
            self._unpark(connection)
            self._end(connection)

    def _close(self) -> None:
        for _ in range(WORKERS):
            self._work.put(None)
        for connection in list(self._parked):
            self._unpark(connection)
            connection.close()
        self._selector.close()
        for sock in (self._listener, self._wake_in, self._wake_out):
            sock.close()


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, where = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(f"listen: {host}:{port}: {error.strerror}; choose another one") from None
    listener.setblocking(False)
    return listener
