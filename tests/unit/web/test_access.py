"""Who may ask: tokens, names of this machine, certificates; and files that are none."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socket
import ssl
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hafailover.config.load import ConfigError
from hafailover.config.settings import HttpSettings
from hafailover.web import connection
from hafailover.web.access import tls_of, token_of
from hafailover.web.site import API, OTHERS, PAGE

from ..observe.tiny_consul import until
from .served import Served, dial

TOKEN = "b4c0ffee-not-a-guess-5d1e"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(TOKEN.encode()).decode()},
        basic(TOKEN, ""),
        basic("admin", "admin"),
    ],
)
def test_without_the_token_there_is_nothing(headers: dict[str, str]) -> None:
    with Served(token=TOKEN) as served:
        for path in (*PAGE, *OTHERS, *API, "/nothing"):
            answer = served.get(path, headers=headers)
            assert answer.status_code == 401
            assert "Basic realm=" in answer.headers["WWW-Authenticate"]
            assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {TOKEN}"}, basic("", TOKEN), basic("anybody", TOKEN)]
)
def test_with_the_token_there_is_all(headers: dict[str, str]) -> None:
    with Served(token=TOKEN) as served:
        for path in (*PAGE, *OTHERS, *API):
            assert served.get(path, headers=headers).status_code == 200
        assert served.get("/healthz", headers={**headers, "Host": "a.example"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:2233", 200),
        ("localhost:8000", 200),
        ("localhost", 200),
        ("[::1]:2233", 200),
        ("[::1]", 200),
        ("10.0.0.2", 200),
        ("evil.example", 421),
        ("evil.example:2233", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:2233", 421),
        ("", 421),
        ("host1:2233", 200),
        ("HOST1.Example.COM.:2233", 200),
        ("other.example.com", 421),
        (socket.gethostname(), 200),
    ],
)
def test_a_name_that_was_made_to_lead_here_leads_nowhere(host: str, status: int) -> None:
    with Served(names=("host1.example.com",)) as served:
        assert served.get("/healthz", headers={"Host": host}).status_code == status


# --- the files


def test_a_token_comes_from_its_file(tmp_path: Path) -> None:
    assert token_of(HttpSettings()) is None
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_of(HttpSettings(token_file=file)) == TOKEN


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("a b c d e f g h i j k", "one line"), ("shortone", "16")]
)
def test_a_token_file_that_holds_none_is_named_without_what_it_holds(
    tmp_path: Path, content: str | None, why: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"http\.token_file") as error:
        token_of(HttpSettings(token_file=file))
    assert str(file) in str(error.value)
    assert why in str(error.value)
    assert content is None or content not in str(error.value)


class Pair:
    """A certificate for 127.0.0.1 that it signs itself."""

    def __init__(self, folder: Path, name: str = "own", passphrase: bytes | None = None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
            )
            .sign(key, hashes.SHA256())
        )
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        how = (
            serialization.BestAvailableEncryption(passphrase)
            if passphrase is not None
            else serialization.NoEncryption()
        )
        self.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
        )

    @property
    def context(self) -> ssl.SSLContext:
        context = tls_of(HttpSettings(tls_cert_file=self.cert, tls_key_file=self.key))
        assert context is not None
        return context


def test_https_is_spoken_and_plain_http_is_not(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    with Served(tls=pair.context) as served:
        assert served.server.url.startswith("https://127.0.0.1:")
        with requests.Session() as session:
            session.trust_env = False
            for path in (*PAGE, *OTHERS, *API):
                url = served.server.url.rstrip("/") + path
                assert session.get(url, timeout=5, verify=str(pair.cert)).status_code == 200
            with pytest.raises(requests.exceptions.SSLError):
                session.get(served.server.url, timeout=5)
            with pytest.raises(requests.exceptions.ConnectionError):
                session.get(served.server.url.replace("https", "http"), timeout=5)
            assert session.get(served.server.url, timeout=5, verify=str(pair.cert)).status_code == 200


def test_old_tls_is_refused(tmp_path: Path) -> None:
    assert Pair(tmp_path).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_handshake_that_stops_holds_nobody_up_and_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HANDSHAKE_S", 1.5)
    pair = Pair(tmp_path)
    with Served(tls=pair.context) as served:
        stuck: list[socket.socket] = [dial(served.server) for _ in range(10)]
        for sock in stuck:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert served.get("/healthz", verify=str(pair.cert)).status_code == 200
        for sock in stuck:
            assert sock.recv(1) == b""
            sock.close()
        until(lambda: len(served.server._parked) == 0, "the end of all of them")


def test_silent_handshakes_lock_nobody_out(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    with Served(tls=pair.context) as served:
        silent = [dial(served.server) for _ in range(130)]
        assert served.get("/healthz", verify=str(pair.cert)).status_code == 200
        for sock in silent:
            sock.close()


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    one, other = Pair(tmp_path, "one"), Pair(tmp_path, "other")
    locked = Pair(tmp_path, "locked", b"a passphrase")
    nothing = tmp_path / "nothing.pem"
    for cert, key, setting, why in (
        (nothing, one.key, "http.tls_cert_file", "missing"),
        (one.cert, nothing, "http.tls_key_file", "missing"),
        (one.cert, other.key, "http.tls_key_file", "no pair"),
        (one.key, one.cert, "http.tls_cert_file", "not PEM"),
        (locked.cert, locked.key, "http.tls_key_file", "passphrase"),
    ):
        with pytest.raises(ConfigError, match=why) as error:
            tls_of(HttpSettings(tls_cert_file=cert, tls_key_file=key))
        assert setting in str(error.value)
        assert "BEGIN" not in str(error.value)
