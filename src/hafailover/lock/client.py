"""python-consul2 made safe: every call has a deadline for its whole length, and the environment no say.

The library leaves timeouts to its HTTP client and lets ``CONSUL_HTTP_*`` variables override its arguments.
This gives it a client that bounds connection, answer and body together, and clears those variables.
"""

from __future__ import annotations

import http.client
import os
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from consul import base

from hafailover.deadline import deadline
from hafailover.lock.listener import believed, check_listener
from hafailover.lock.token import Token
from hafailover.lock.wire import Wire
from hafailover.text import one_line

MAX_BODY_BYTES = 8 << 20
INDEX = "X-Consul-Index"
LONGEST_PATH = 120
OVERRIDING = (
    "CONSUL_HTTP_ADDR",
    "CONSUL_HTTP_TOKEN",
    "CONSUL_HTTP_SSL",
    "CONSUL_HTTP_SSL_VERIFY",
)


class Address:
    """How to reach Consul's HTTP API.

    :param token: one that all clients share and that may change, or one that stays as it is.
    :param users: whose listener on loopback is taken for Consul's, by number, where there is no TLS; default
        as :func:`hafailover.lock.listener.believed` has it.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8500,
        scheme: str = "http",
        token: Token | str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        users: frozenset[int] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.scheme = scheme
        self.token = token if isinstance(token, Token) else Token(token)
        self.ca_file = ca_file
        self.cert_file = cert_file
        self.key_file = key_file
        self.users = believed(None) if users is None else users

    def __repr__(self) -> str:
        # The token must not show up in a log or a traceback.
        return f"Address({self.scheme}://{self.host}:{self.port})"


class UnknownTokenError(base.ACLPermissionDenied):  # type: ignore[misc]
    """Consul does not know the token, and there is no other one. The text says what to do."""


class DeadlineClient(base.HTTPClient):  # type: ignore[misc]
    """HTTP for python-consul2 whose calls end within ``timeout`` seconds, dripping bodies included.

    The environment has no say, with its proxies, .netrc and CA bundles.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._token = Token(None)
        self._wire: Wire | None = None

    def talk_to(self, address: Address) -> None:
        """Whose token is shown, and who must be there to be shown it."""
        self._token = address.token
        self._wire = Wire(
            self.base_uri,
            self.verify,
            self.cert,
            lambda made: check_listener(made, address.users),
        )

    def get(self, callback: Callable[[Any], Any], path: str, params: Any = None, headers: Any = None) -> Any:
        return self._call("GET", callback, path, params, headers, None)

    def put(
        self,
        callback: Callable[[Any], Any],
        path: str,
        params: Any = None,
        data: Any = "",
        headers: Any = None,
    ) -> Any:
        return self._call("PUT", callback, path, params, headers, data)

    def delete(
        self,
        callback: Callable[[Any], Any],
        path: str,
        params: Any = None,
        data: Any = "",
        headers: Any = None,
    ) -> Any:
        return self._call("DELETE", callback, path, params, headers, data)

    def post(
        self,
        callback: Callable[[Any], Any],
        path: str,
        params: Any = None,
        data: Any = "",
        headers: Any = None,
    ) -> Any:
        return self._call("POST", callback, path, params, headers, data)

    def _call(
        self, method: str, callback: Callable[[Any], Any], path: str, params: Any, headers: Any, data: Any
    ) -> Any:
        with deadline(self.timeout):
            token = self._token.value
            answer = self._exchange(method, path, params, headers, data, token)
            # What was denied was not done.
            if _is_denied(answer) and self._token.differs_from(token):
                answer = self._exchange(method, path, params, headers, data, self._token.value)
            if answer.code == 403 and "ACL not found" in answer.body:
                raise UnknownTokenError(self._token.hint)
        return callback(answer)

    def _exchange(
        self, method: str, path: str, params: Any, headers: Any, data: Any, token: str | None
    ) -> base.Response:
        assert self._wire is not None
        target = self.uri(path, params).removeprefix(self.base_uri)
        sent = data.encode() if isinstance(data, str) else data
        shown = {**(headers or {}), **({"X-Consul-Token": token} if token else {})}
        response, body = self._wire.call(method, target, sent or None, shown, partial(_read, target))
        text = body.decode("utf-8", "replace")
        if response.status != 200:
            # An error's text goes into the log, and may repeat what Consul was given.
            text = text.replace(token, "...") if token else text
            if not 400 <= response.status < 600:
                # To the library this is a success, but a redirection or half a body proves nothing.
                raise base.ConsulException(f"{response.status} {text}")
        return base.Response(response.status, _index(response), text, body)


def connect(address: Address, deadline_s: float) -> base.Consul:
    """A python-consul2 client whose every call ends within ``deadline_s`` seconds.

    One client is for one thread, and for calls of one deadline.
    """
    for name in OVERRIDING:
        os.environ.pop(name, None)
    cert = (address.cert_file, address.key_file) if address.cert_file else None
    with warnings.catch_warnings():
        # The library warns of its own deprecated parts, which are not used here.
        warnings.simplefilter("ignore", DeprecationWarning)
        consul = _Consul(
            host=f"[{address.host}]" if ":" in address.host else address.host,
            port=address.port,
            scheme=address.scheme,
            verify=address.ca_file or True,
            cert=cert,
            timeout=deadline_s,
        )
    consul.http.talk_to(address)
    return consul


class _Consul(base.Consul):  # type: ignore[misc]
    @staticmethod
    def http_connect(
        host: str, port: int, scheme: str, verify: Any = True, cert: Any = None, timeout: float = 1.0
    ) -> DeadlineClient:
        return DeadlineClient(host, port, scheme, verify, cert, timeout)


def _is_denied(answer: base.Response) -> bool:
    """A transaction is denied with 409, among what may be wrong with it."""
    return answer.code == 403 or (answer.code == 409 and "ermission denied" in answer.body)


def _path(target: str) -> str:
    """What was asked for, without the query."""
    return one_line(unquote(urlsplit(target).path))[:LONGEST_PATH]


class TooBigError(Exception):
    """An answer of more than :data:`MAX_BODY_BYTES`."""


def _index(response: http.client.HTTPResponse) -> dict[str, str]:
    """The one header that python-consul2 looks at; without it, what should have it is no answer."""
    found = response.headers.get_all(INDEX, [])
    return {INDEX: found[0]} if len(found) == 1 else {}


def _read(target: str, response: http.client.HTTPResponse) -> bytes:
    # No list: chunks of a byte or two would take many times their size.
    taken = bytearray()
    while chunk := response.read1(65536):
        taken += chunk
        if len(taken) > MAX_BODY_BYTES:
            raise TooBigError(f"Consul's answer for {_path(target)} has more than 8 MiB")
    return bytes(taken)
