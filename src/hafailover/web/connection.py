"""One client's connection. No call here waits: whoever calls is told what the connection waits for."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from enum import Enum, auto
from http import HTTPStatus

import h11

from hafailover.clock import boottime
from hafailover.web.messages import BROKEN, NO_BODIES, NOT_HTTP, TOO_LARGE, Answer, Request, Respond

log = logging.getLogger(__name__)

HANDSHAKE_S = 3.0
"""From a connection's beginning to the end of TLS's handshake."""
HEAD_S = 5.0
"""From there to a request's first byte, and from that to the whole of it."""
REQUEST_DEADLINE_S = 10.0
"""From a request's first byte to its answer's last."""
IDLE_S = 15.0
"""How long a connection is kept for the next request."""
LEAVE_S = 1.0
"""How long a client may take to see the end of a connection."""
MAX_REQUEST_BYTES = 8192
READ_BYTES = 2048
"""At once: so much larger than allowed a request may get before it shows."""
CHUNK_BYTES = 65536


class Wants(Enum):
    """What a connection waits for."""

    READ = auto()
    WRITE = auto()
    TURN = auto()
    """Nothing: it has more to do, but others should come first."""
    END = auto()


class Connection:
    """Speaks HTTP/1.1 with one client, in steps.

    :param sock: accepted; it becomes non-blocking.
    :param tls: for HTTPS.
    :param machine: whose it is, as :func:`hafailover.web.places.machine_of` says it.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None, machine: str = "") -> None:
        sock.setblocking(False)
        # An answer goes out in one or two writes, and the second must not wait for the first's receipt.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        if tls is not None:
            self.sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.quiet_since = boottime()
        """When it was made, or its last answer had gone."""
        self.deadline = self.quiet_since + (HEAD_S if tls is None else HANDSHAKE_S)
        self.machine = machine
        self._answer_by = self.deadline
        self._shaking = tls is not None
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES)
        self._request: h11.Request | None = None
        self._out = memoryview(b"")
        self._begun = False
        self._last = False
        self._leaving = False

    @property
    def idle(self) -> bool:
        """Between two requests."""
        return not (self._shaking or self._begun or self._leaving)

    @property
    def unheard(self) -> bool:
        """Whether nothing would be lost for a request that has been made whole."""
        return not self._out

    def has_ended(self) -> bool:
        """Whether the client has closed it and nothing is left to say, as far as that shows from outside."""
        if self._out or isinstance(self.sock, ssl.SSLSocket):
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self.sock.close()

    def refuse(self, answer: Answer) -> None:
        """Answers without having read the request, as far as that takes no time, and ends the connection."""
        if not self._shaking:
            with contextlib.suppress(OSError, h11.ProtocolError):
                self._queue(answer, last=True)
                self.sock.send(self._out)
                # What came in and was not read would turn the end into a reset, and the answer be lost.
                self.sock.recv(CHUNK_BYTES)
        self.close()

    def step(self, respond: Respond) -> Wants:
        """Goes on as far as it can without waiting, at most by one request. Never raises."""
        try:
            return self._step(respond)
        except (BlockingIOError, ssl.SSLWantReadError):
            return Wants.READ
        except ssl.SSLWantWriteError:
            return Wants.WRITE
        except OSError:
            return Wants.END
        except Exception:
            # One client's words are to end its own connection, and not the agent.
            log.exception("a connection of %s has a defect; it ends", self.machine)
            return Wants.END

    def _step(self, respond: Respond) -> Wants:
        if self._leaving:
            return Wants.TURN if self.sock.recv(CHUNK_BYTES) else Wants.END
        if self._shaking:
            assert isinstance(self.sock, ssl.SSLSocket)
            self.sock.do_handshake()
            self._shaking = False
            self.deadline = boottime() + HEAD_S
        if not self._out and not self._read(respond):
            return Wants.END
        while self._out:
            try:
                sent = self.sock.send(self._out[:CHUNK_BYTES])
            except BlockingIOError:
                return Wants.WRITE
            self._out = self._out[sent:]
        if self._last or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return self._leave()
        self._http.start_next_cycle()
        self._request = None
        self._begun = False
        self.quiet_since = boottime()
        self.deadline = self.quiet_since + IDLE_S
        # What the client sent ahead is in memory, where no wait for its socket would see it.
        ahead = self._http.trailing_data[0] or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())
        return Wants.TURN if ahead else Wants.READ

    def _leave(self) -> Wants:
        """The client may still be sending, and a close would be a reset that overtakes the answer."""
        self.sock.shutdown(socket.SHUT_WR)
        self._leaving = True
        self.deadline = boottime() + LEAVE_S
        return Wants.READ

    def _read(self, respond: Respond) -> bool:
        """Reads until there is an answer to send; whether there is one."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._queue(TOO_LARGE if error.error_status_hint == 431 else NOT_HTTP, last=True)
                return True
            if event is h11.NEED_DATA:
                data = self.sock.recv(READ_BYTES)
                if not self._begun:
                    self._begun = True
                    now = boottime()
                    self.deadline, self._answer_by = now + HEAD_S, now + REQUEST_DEADLINE_S
                self._http.receive_data(data)
            elif isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                self._queue(NO_BODIES, last=True)
                return True
            elif isinstance(event, h11.EndOfMessage):
                self._answer(respond)
                return True
            else:
                return False

    def _answer(self, respond: Respond) -> None:
        assert self._request is not None
        request = self._request
        path = request.target.decode("latin-1").partition("?")[0]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        try:
            answer = respond(Request(request.method.decode("latin-1"), path, headers))
        except Exception:
            # Whatever it is, one request must not take the others' thread with it.
            log.exception("no answer to a request for %r", path)
            answer = BROKEN
        self._queue(answer)

    def _queue(self, answer: Answer, last: bool = False) -> None:
        headers = answer.all_headers()
        self.deadline = self._answer_by
        if last:
            headers.append(("Connection", "close"))
            self._last = True
        body = b"" if self._request is not None and self._request.method == b"HEAD" else answer.body
        parts = [
            self._http.send(
                h11.Response(
                    status_code=answer.status,
                    headers=headers,
                    reason=HTTPStatus(answer.status).phrase.encode(),
                )
            ),
            self._http.send(h11.Data(data=body)),
            self._http.send(h11.EndOfMessage()),
        ]
        self._out = memoryview(b"".join(part or b"" for part in parts))
