"""A webhook: the message as JSON in a POST, signed if there is a secret for it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time

import requests
import urllib3

from hafailover import __version__
from hafailover.deadline import DeadlineAdapter, deadline
from hafailover.notify.channel import Channel, SendError, again
from hafailover.notify.notice import Message

RAISED = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


class Webhook(Channel):
    """:param timeout_s: for one try as a whole, in seconds.

    :param secret: key of the signature; ``None`` for none.
    """

    def __init__(
        self, name: str, events: frozenset[str] | None, url: str, secret: bytes | None, timeout_s: float
    ) -> None:
        super().__init__(name, events)
        self._url = url
        self._secret = secret
        self._timeout_s = timeout_s

    def send(self, message: Message) -> str:
        body = json.dumps(message.document).encode()
        try:
            with (
                requests.Session() as session,
                deadline(self._timeout_s),
            ):
                # Credentials for a host in ~/.netrc are not for us to give away, and they would take the
                # place of those in the URL. What may come from the environment is named here.
                session.trust_env = False
                session.verify = _authorities()
                for scheme in ("http://", "https://"):
                    session.mount(scheme, DeadlineAdapter())
                with session.post(
                    self._url,
                    data=body,
                    headers=self._headers(message, body),
                    timeout=self._timeout_s,
                    proxies=requests.utils.get_environ_proxies(self._url),
                    stream=True,
                    allow_redirects=False,
                ) as response:
                    status = response.status_code
        except RAISED as error:
            raise SendError(self._words(error)) from None
        if 200 <= status < 300:
            return f"HTTP {status}"
        if 300 <= status < 400:
            raise SendError(f"HTTP {status}: it redirects; give the URL that it leads to", final=True)
        raise SendError(f"HTTP {status}", final=not again(status))

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"hafailover/{__version__}",
            "X-Hafailover-Event": message.what,
            "X-Hafailover-Delivery": message.id,
        }
        if self._secret is not None:
            now = str(int(time.time()))
            headers["X-Hafailover-Timestamp"] = now
            headers["X-Hafailover-Signature"] = signature(self._secret, now, body)
        return headers

    def _words(self, error: Exception) -> str:
        """In words of our own: the library's name the URL."""
        if isinstance(error, requests.exceptions.SSLError):
            return "TLS failed; is its certificate good, and of an authority that this machine trusts?"
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if "NameResolution" in repr(error):
            return "its host's name cannot be resolved"
        if isinstance(error, requests.exceptions.ConnectionError | urllib3.exceptions.HTTPError | OSError):
            return "no connection"
        return f"it cannot be sent to ({type(error).__name__})"


def _authorities() -> str | bool:
    """A file or folder of certificates from the environment, as the library itself would take it."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256, in hex, of the timestamp, a full stop and the body."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
