"""What a server may send over HTTP: a right answer, a nearly right one, or noise."""

from __future__ import annotations

import gzip
import json
from typing import Any

from hypothesis import strategies as st

from .strategies import changed, damaged, number, one_of, raw

STATUS_LINES = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 206 Partial Content",
    b"HTTP/1.1 301 Moved Permanently\r\nLocation: http://127.0.0.1:1/",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 400 Bad Request",
    b"HTTP/1.1 401 Unauthorized",
    b"HTTP/1.1 403 Forbidden",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.1 409 Conflict",
    b"HTTP/1.1 429 Too Many Requests",
    b"HTTP/1.1 500 Internal Server Error",
    b"HTTP/1.1 503 Service Unavailable",
    b"HTTP/1.1 999 Odd",
    b"HTTP/1.1 0 Odd",
    b"HTTP/1.1 -200 Odd",
    b"HTTP/1.1 2e2 Odd",
    b"HTTP/9.9 200 OK",
    b"HTTP/1.1200 OK",
    b"\xff\xff 200 OK",
    b"HTTP/1.1 \xb2\xb0\xb0 OK",
    b"",
)
HEADERS = (
    b"Content-Type: application/json",
    b"Content-Type: text/html; charset=utf-7",
    b"X-Consul-Index: 12",
    b"X-Consul-Index: 0",
    b"X-Consul-Index: -5",
    b"X-Consul-Index: 1e999",
    b"X-Consul-Index: " + b"9" * 5000,
    b"X-Consul-KnownLeader: false",
    b"Connection: keep-alive",
    b"Connection: close",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 1, 2",
    b"Content-Length: \xb2",
    b"Set-Cookie: a=b; Max-Age=99999999999999999999",
    b"Set-Cookie: =\xff\xff",
    b"Location: //[",
    b"no colon at all",
    b": empty name",
    b" folded",
    b"\xff\xff: \xff",
    b"X-Long: " + b"x" * 70_000,
)
ENDS = (
    b"0\r\n\r\n",
    b"0\r\n",
    b"",
    b"0;ext=1\r\nTrailer: x\r\n\r\n",
    b"-5\r\nxx\r\n",
    b"zz\r\n",
    b"f" * 40 + b"\r\nx",
)


@st.composite
def http_answers(
    draw: st.DrawFn, document: Any, *headers: bytes, line: bytes = STATUS_LINES[0], whole: bool = False
) -> bytes:
    """An answer with ``document`` as its body, more or less.

    :param headers: those that belong there.
    :param line: the status line that belongs there.
    :param whole: no byte of it is damaged or missing.
    """
    body = json.dumps(draw(changed(document))).encode() if whole else draw(raw(document))
    good = number(draw, 0, 1) == 1
    line = line if good else one_of(draw, STATUS_LINES)
    # Said by a server that hangs up, or the next example meets a connection that is about to end.
    head = [line, *headers, b"Connection: close"]
    if not good:
        head += [one_of(draw, HEADERS) for _ in range(number(draw, 0, 3))]
    match one_of(draw, ("length", "length", "length", "none", "chunked", "gzip", "bomb", "wrong")):
        case "length":
            head.append(b"Content-Length: %d" % len(body))
        case "chunked":
            head.append(b"Transfer-Encoding: chunked")
            body = _chunks(body, number(draw, 1, 2000)) + one_of(draw, ENDS)
        case "gzip":
            head.append(b"Content-Encoding: gzip")
            body = gzip.compress(body, 1, mtime=0)
        case "bomb" if not good:
            # A megabyte in a thousand bytes.
            head.append(b"Content-Encoding: gzip")
            body = gzip.compress(b" " * (1 << 20), 9, mtime=0)
        case "wrong" if not whole:
            head.append(b"Content-Length: %d" % draw(st.integers(0, 2 * len(body))))
    answer = b"\r\n".join(head) + b"\r\n\r\n" + body
    if not whole and not good and number(draw, 0, 3) == 0:
        answer = draw(damaged(answer))
    return b"HTTP/1.1 100 Continue\r\n\r\n" + answer if number(draw, 0, 15) == 15 else answer


def _chunks(body: bytes, size: int) -> bytes:
    # Few chunks, however long the body is.
    size = max(size, len(body) // 50)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def drips() -> st.SearchStrategy[bytes]:
    """Beginnings of answers whose last byte comes again and again, long after any deadline."""
    return st.sampled_from(
        (
            b"",
            b"H",
            b"HTTP/1.1 200 OK\r\nX-Long: x",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99999\r\n ",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
            b"HTTP/1.1 200 OK\r\n\r\n ",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n",
        )
    )
