"""Who may ask: the token and TLS of section [http], and the names by which this machine may be asked."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import os
import socket
import ssl

from hafailover.config.load import ConfigError, read_token
from hafailover.config.place import host_name
from hafailover.config.settings import HttpSettings, Settings
from hafailover.web.messages import Answer, Request, text

SHORTEST_TOKEN = 16
REALM = 'realm="hafailover", charset="UTF-8"'
DENIED = text(
    401,
    "this needs the token of http.token_file: Authorization: Bearer, or as the password of any user",
    ("WWW-Authenticate", 'Bearer realm="hafailover"'),
    ("WWW-Authenticate", f"Basic {REALM}"),
)
ASTRAY = text(
    421,
    "ask for this machine by its address or as localhost; add other names of it to the setting http.names",
)


class Doorkeeper:
    """Lets requests through or answers them.

    :param token: what they must show; ``None``: nothing.
    :param names: then only requests that name this machine by one of these, by an address or as
        ``localhost``: no page of another site is to read here by way of a name that was made to lead to this
        machine (DNS rebinding). An address needs no such care: a page that has one for its own is this
        machine's.
        ``None``: any name will do, since a token or a certificate is in the way of such a page.
    """

    def __init__(self, token: str | None, names: frozenset[str] | None) -> None:
        self._token = token.encode() if token is not None else None
        self._names = names

    def refusal(self, request: Request) -> Answer | None:
        if self._token is not None:
            shown = _shown(request.headers.get("authorization", ""))
            if shown is None or not hmac.compare_digest(shown, self._token):
                return DENIED
        if self._names is not None and not _names_us(request.headers.get("host", ""), self._names):
            return ASTRAY
        return None


def names_of(settings: Settings) -> frozenset[str] | None:
    """The names that requests may use; ``None``: any."""
    if settings.http.guarded:
        return None
    listen, _ = settings.listen_address
    own = (listen, settings.node_name, host_name(), socket.gethostname(), *settings.http.names)
    return frozenset(_plain_name(name) for name in own)


def token_of(http: HttpSettings) -> str | None:
    """:raises ConfigError: the file is missing, unreadable, or holds no token."""
    token = read_token("http.token_file", http.token_file)
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"http.token_file: {http.token_file} holds a token of less than {SHORTEST_TOKEN} characters; "
            "make one with: openssl rand -hex 24"
        )
    return token


def tls_of(http: HttpSettings) -> ssl.SSLContext | None:
    """:raises ConfigError: a file is missing, unreadable, or no certificate or key that go together."""
    if http.tls_cert_file is None or http.tls_key_file is None:
        return None
    for name, path in (("tls_cert_file", http.tls_cert_file), ("tls_key_file", http.tls_key_file)):
        if not path.is_file() or not os.access(path, os.R_OK):
            raise ConfigError(f"http.{name}: {path} is missing or cannot be read")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(http.tls_cert_file, http.tls_key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:
        reason = "the key has a passphrase" if isinstance(error, ValueError) else "not PEM, or no pair"
        raise ConfigError(
            f"http.tls_cert_file and http.tls_key_file: {http.tls_cert_file} and {http.tls_key_file} "
            f"cannot be used: {reason}"
        ) from None
    return context


def _no_passphrase() -> str:
    # Otherwise OpenSSL asks at the terminal, and the agent waits there.
    raise ValueError("a key with a passphrase")


def _shown(header: str) -> bytes | None:
    kind, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if kind.lower() == "bearer":
        return rest.encode("latin-1")
    if kind.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(rest, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password if colon else None


def _names_us(host: str, names: frozenset[str]) -> bool:
    name = _plain_name(host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host)
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _plain_name(name: str) -> str:
    return name.lower().removesuffix(".")
