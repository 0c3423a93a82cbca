"""The connection with Consul: kept from call to call, never with an answer of before, and over TLS."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hafailover.lab.place import Place
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError, Kind, LimitError
from hafailover.lock.roster import Roster
from hafailover.lock.token import Token

from .fake_consul import TOKEN, Behaviour, FakeConsul, answer, failure, fake, full_listener

DEADLINE_S = 2.0
MOMENT_S = 0.05
RECORD = b'[{"Key": "k", "Value": "e30=", "ModifyIndex": 5, "Session": "s", "Flags": 0, "LockIndex": 0}]'


def whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Consul-Index: 5\r\n\r\n%s" % (len(body), body)


def roster(port: int) -> Roster:
    return Roster(Address(port=port), "pool.near", DEADLINE_S)


class Keeping(FakeConsul):
    """Answers request after request on one connection, as Consul does, and counts the connections."""

    connections = 0

    def _talk(self, connection: socket.socket) -> None:
        self.connections += 1
        super()._talk(connection)


def again_and_again(connection: socket.socket, head: bytes) -> None:
    while head:
        connection.sendall(whole(b"[]"))
        head = connection.recv(65536)


def once_and_then_closed(connection: socket.socket, head: bytes) -> None:
    connection.sendall(whole(b"[]"))


def one_too_many(connection: socket.socket, head: bytes) -> None:
    """Two answers to each request, a moment apart: the second one is nobody's."""
    while head:
        connection.sendall(whole(b"[]"))
        time.sleep(MOMENT_S)
        connection.sendall(whole(RECORD))
        head = connection.recv(65536)


def test_one_connection_does_for_many_calls() -> None:
    server = Keeping(again_and_again)
    try:
        pool = roster(server.port)
        for _ in range(3):
            assert pool.entries() == []
        assert server.connections == 1
    finally:
        server.close()


def test_a_connection_that_the_other_side_has_ended_is_made_anew() -> None:
    with fake(once_and_then_closed) as server:
        pool = roster(server.port)
        for _ in range(3):
            assert pool.entries() == []


def test_an_answer_that_nobody_asked_for_is_no_answer_to_the_next_call() -> None:
    with fake(one_too_many) as server:
        pool = roster(server.port)
        for _ in range(3):
            assert pool.entries() == []
            time.sleep(4 * MOMENT_S)


def test_half_a_body_is_no_answer() -> None:
    def half(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nX-Consul-Index: 5\r\n\r\n[]")

    with fake(half) as server:
        assert failure(lambda: roster(server.port).entries()).kind is Kind.UNREACHABLE


@pytest.mark.parametrize("status", [b"102 Processing", b"103 Early Hints", b"204 No Content"])
def test_what_comes_after_a_head_without_a_body_is_no_answer_to_the_next_call(status: bytes) -> None:
    """The answer proper may be late, and then it would confirm what nobody has done."""

    def early(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 %s\r\n\r\n" % status)
        # The next call's request, on a connection that goes on.
        if connection.recv(65536):
            connection.sendall(whole(b"true"))

    with fake(early) as server:
        pool = roster(server.port)
        assert failure(lambda: pool.close_session("one")).kind is Kind.SERVER
        assert failure(lambda: pool.close_session("another")).kind is Kind.SERVER


def test_a_request_that_could_not_be_made_leaves_nothing_behind() -> None:
    token = Token("token-\u20ac")
    with fake(answer(b"true")) as server:
        pool = Roster(Address(port=server.port, token=token), "pool.near", DEADLINE_S)
        for _ in range(3):
            assert failure(lambda: pool.close_session("one")).kind is Kind.GARBAGE
        token._value = TOKEN
        pool.close_session("another")
        assert server.requests[0].count(b"PUT ") == 1


@pytest.mark.parametrize("index", [b"", b"X-Consul-Index: 5\r\nX-Consul-Index: 6\r\n"])
def test_an_answer_without_one_index_is_not_consuls(index: bytes) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\n[]" % index)

    with fake(behave) as server:
        assert failure(roster(server.port).entries).kind is Kind.GARBAGE


@pytest.mark.parametrize(
    "length",
    [
        b"Content-Length: 4\r\nContent-Length: 9",
        b"Content-Length: 9\r\nContent-Length: 4",
        b"Content-Length: 4\r\nTransfer-Encoding: gzip",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        b"Content-Length: 4, 9",
        b"Content-Length: -4",
        b"Content-Length: 0_4",
        b"Transfer-Encoding: gzip, chunked",
    ],
)
def test_a_body_that_may_end_here_or_there_is_no_answer(length: bytes) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n\r\ntrue\r\n0\r\n\r\n" % length)

    with fake(behave) as server:
        assert failure(lambda: roster(server.port).close_session("one")).kind is Kind.UNREACHABLE


def test_what_consul_says_before_it_hangs_up_is_heard() -> None:
    """Over its limit it answers without reading the request, which cannot be sent to its end then."""

    def full(connection: socket.socket, _: bytes) -> None:
        text = b"Your IP is issuing too many concurrent connections"
        connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\n\r\n" + text)

    heard = 0
    for _ in range(10):
        with fake(full, reads=False) as server:
            error = failure(lambda: roster(server.port).append_history("1", {"text": "x" * 9000}))
            heard += isinstance(error, LimitError)
    assert heard >= 5


def test_a_reply_to_half_a_request_is_no_success() -> None:
    def hasty(connection: socket.socket, _: bytes) -> None:
        connection.sendall(whole(b"true"))

    with fake(hasty, reads=False) as server:
        pool, big = roster(server.port), {"text": "x" * (32 << 20)}
        assert failure(lambda: pool.append_history("1", big)).kind is Kind.UNREACHABLE


def test_words_of_another_protocol_are_no_denial() -> None:
    def other(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"Permission denied\r\n")

    with fake(other) as server:
        assert failure(roster(server.port).entries).kind is Kind.UNREACHABLE


def deaf(connection: socket.socket, _: bytes) -> None:
    """Reads nothing."""
    threading.Event().wait(3 * DEADLINE_S)


class TestEnd:
    """However slow each step is, the call ends in time."""

    @staticmethod
    def took(call: Callable[[], object]) -> float:
        began = time.monotonic()
        assert failure(call).kind is Kind.UNREACHABLE
        return time.monotonic() - began

    def test_several_addresses_that_do_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with full_listener() as port:
            found = socket.getaddrinfo("127.0.0.1", port, 0, socket.SOCK_STREAM)
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found * 4)
            assert self.took(roster(port).entries) < DEADLINE_S + 0.5

    def test_after_one_that_does_not_answer_the_next_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with full_listener() as full, fake(answer(b"[]")) as server:
            found = [
                socket.getaddrinfo("127.0.0.1", port, 0, socket.SOCK_STREAM)[0]
                for port in (full, server.port)
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
            assert roster(full).entries() == []

    def test_a_denial_that_takes_its_time_and_then_nobody(self) -> None:
        """The second try, with the file's new token, has what the first one left."""
        denied: list[FakeConsul] = []

        def behave(connection: socket.socket, head: bytes) -> None:
            if len(denied[0].requests) == 1:
                time.sleep(DEADLINE_S * 0.7)
                answer(b"Permission denied", "403 Forbidden")(connection, head)
            else:
                connection.recv(1)

        with fake(behave) as server:
            denied.append(server)
            token = Token("one", lambda: "another")
            pool = Roster(Address(port=server.port, token=token), "pool.near", DEADLINE_S)
            assert self.took(pool.entries) < DEADLINE_S + 0.5

    def test_a_request_that_nobody_takes(self) -> None:
        with fake(deaf, reads=False) as server:
            pool, big = roster(server.port), {"text": "x" * (32 << 20)}
            assert self.took(lambda: pool.append_history("1", big)) < DEADLINE_S + 1.0


class Authority:
    """A certificate authority, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate(self._name, self._key, True).public_bytes(PEM))

    def sign(
        self,
        name: str,
        passphrase: bytes = b"",
        ends_in: dt.timedelta = dt.timedelta(hours=1),
        alternative: bool = True,
    ) -> tuple[str, str]:
        """Certificate and key for 127.0.0.1, as server and as client.

        :param alternative: whether it says so as an alternative name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert, private = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        made = self._certificate(subject, key, False, ends_in, alternative)
        cert.write_bytes(made.public_bytes(PEM))
        how: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            how = serialization.BestAvailableEncryption(passphrase)
        private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how))
        return str(cert), str(private)

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        ca: bool,
        ends_in: dt.timedelta = dt.timedelta(hours=1),
        alternative: bool = True,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + ends_in)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            if alternative:
                made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
            made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return made.sign(self._key, hashes.SHA256())


PEM = serialization.Encoding.PEM
NO_PORTS = {"serf_wan": -1, "dns": -1, "grpc": -1}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def port(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory, consul_binary: Path
) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("consul")
    cert, key = authority.sign("server")
    port, serf, rpc = Place().ports(8501, 8301, 8300)
    config = {
        "ports": {"http": -1, "https": port, "serf_lan": serf, "server": rpc, **NO_PORTS},
        "ca_file": str(authority.file),
        "cert_file": cert,
        "key_file": key,
        "verify_incoming_https": True,
    }
    (folder / "consul.json").write_text(json.dumps(config))
    command = [str(consul_binary), "agent", "-dev", "-bind=127.0.0.1", f"-config-dir={folder}"]
    with ManagedProcess.start("consul", command, log_path=folder / "log") as process:
        wait_until(lambda: "New leader elected" in process.log_tail(200), timeout_s=30, what="a leader")
        yield port


@pytest.mark.consul
class TestTls:
    """A real Consul that speaks HTTPS alone, and asks for a certificate."""

    @staticmethod
    def roster(port: int, ca_file: Path, pair: tuple[str, str] | None) -> Roster:
        cert, key = pair if pair is not None else (None, None)
        where = Address(port=port, scheme="https", ca_file=str(ca_file), cert_file=cert, key_file=key)
        return Roster(where, "pool.near", DEADLINE_S)

    def test_with_the_right_certificates_it_works(self, port: int, authority: Authority) -> None:
        pool = self.roster(port, authority.file, authority.sign("host1"))
        pool.record_public_key("ed25519:a")
        for _ in range(3):
            assert pool.pool_public_key() == "ed25519:a"

    def test_a_server_of_another_authority_is_not_believed(
        self, port: int, authority: Authority, tmp_path: Path
    ) -> None:
        pool = self.roster(port, Authority(tmp_path, "another").file, authority.sign("host2"))
        with pytest.raises(CallError, match=r"TLS with Consul failed; check consul\.ca_file") as error:
            pool.pool_public_key()
        assert error.value.kind is Kind.UNREACHABLE

    def test_without_a_certificate_it_is_not_let_in(self, port: int, authority: Authority) -> None:
        with pytest.raises(CallError) as error:
            self.roster(port, authority.file, None).pool_public_key()
        assert error.value.kind is Kind.UNREACHABLE

    def test_a_file_that_is_missing_is_no_proof(self, port: int, tmp_path: Path) -> None:
        with pytest.raises(CallError) as error:
            self.roster(port, tmp_path / "missing.pem", None).pool_public_key()
        assert error.value.kind is Kind.UNREACHABLE


class TlsServer(FakeConsul):
    """Over TLS. Asks for a certificate where it is given an authority for it."""

    def __init__(self, behaviour: Behaviour, pair: tuple[str, str], clients: Path | None = None) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients)
        self.shown: list[str] = []
        super().__init__(behaviour)

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as inner:
            peer = inner.getpeercert() or {}
            self.shown.append(str(peer.get("subject")))
            super()._talk(inner)


@contextmanager
def fake_tls(behaviour: Behaviour, pair: tuple[str, str], clients: Path | None = None) -> Iterator[TlsServer]:
    server = TlsServer(behaviour, pair, clients)
    try:
        yield server
    finally:
        server.close()


ASKING = """
import sys
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.lock.roster import Roster

port, ca, cert, key = sys.argv[1:]
where = Address(port=int(port), scheme="https", ca_file=ca, cert_file=cert, key_file=key)
try:
    Roster(where, "pool.near", 1.0).entries()
except CallError as error:
    print(error)
"""


class TestHostileTls:
    @staticmethod
    def roster(
        server: FakeConsul, ca_file: Path | str, pair: tuple[str, str] | None = None, host: str = "127.0.0.1"
    ) -> Roster:
        cert, key = pair if pair is not None else (None, None)
        where = Address(
            host=host,
            port=server.port,
            scheme="https",
            token=TOKEN,
            ca_file=str(ca_file),
            cert_file=cert,
            key_file=key,
        )
        return Roster(where, "pool.near", DEADLINE_S)

    def test_what_is_left_within_tls_is_no_answer_to_the_next_call(self, authority: Authority) -> None:
        """It has left the kernel with the answer before, and one read takes 8 KiB of it."""

        def two(connection: socket.socket, head: bytes) -> None:
            if len(server.requests) > 1:
                answer(b"no leader", "500 Internal Server Error")(connection, head)
                return
            begin = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 5\r\nContent-Length: %d\r\n\r\n"
            body = 8192 - len(begin % 8000)
            connection.sendall(begin % body + b" " * (body - 2) + b"[]" + whole(b"true"))
            connection.recv(1)

        with fake_tls(two, authority.sign("server")) as server:
            pool = self.roster(server, authority.file)
            assert pool.entries() == []
            assert failure(lambda: pool.close_session("one")).kind is Kind.SERVER

    @pytest.mark.parametrize(
        ("host", "how"),
        [
            ("127.0.0.1", {"ends_in": dt.timedelta(minutes=-1)}),
            ("localhost", {}),
            ("localhost", {"alternative": False}),
        ],
        ids=["expired", "another name", "no alternative name"],
    )
    def test_a_certificate_that_is_none_for_it(
        self, authority: Authority, host: str, how: dict[str, Any]
    ) -> None:
        pair = authority.sign("localhost", **how)
        with fake_tls(answer(b"[]"), pair) as server:
            pool = self.roster(server, authority.file, host=host)
            error = failure(pool.entries)
            assert server.requests == []
        assert error.kind is Kind.UNREACHABLE
        assert "TLS with Consul failed" in str(error)

    def test_new_certificates_count_from_the_next_connection_on(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        """Whoever renews them does so while the agent runs."""
        server_pair, (cert, key) = authority.sign("server"), authority.sign("before")
        with fake_tls(answer(b"[]"), server_pair, authority.file) as server:
            pool = self.roster(server, authority.file, (cert, key))
            assert pool.entries() == []
            for there, now in zip((cert, key), authority.sign("after"), strict=True):
                Path(there).write_bytes(Path(now).read_bytes())
            assert pool.entries() == []
            assert "before" in server.shown[0]
            assert "after" in server.shown[1]

    def test_new_authorities_do_too(self, authority: Authority, tmp_path: Path) -> None:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(Authority(tmp_path, "another").file.read_bytes())
        with fake_tls(answer(b"[]"), authority.sign("server")) as server:
            pool = self.roster(server, ca_file)
            failure(pool.entries)
            ca_file.write_bytes(authority.file.read_bytes())
            assert pool.entries() == []

    def test_nobody_is_asked_for_the_passphrase_of_a_key(self, authority: Authority) -> None:
        """OpenSSL would ask the terminal, or else its input, and wait for as long as nobody answers."""
        cert, key = authority.sign("locked", passphrase=b"secret")
        with fake_tls(answer(b"[]"), authority.sign("server")) as server:
            command = [sys.executable, "-c", ASKING, str(server.port), str(authority.file), cert, key]
            asking = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            try:
                asking.wait(10)
            finally:
                asking.kill()
                told, _ = asking.communicate()
        assert "TLS with Consul failed" in told

    def test_a_file_that_may_not_be_read_is_no_denial(self, authority: Authority, tmp_path: Path) -> None:
        with fake_tls(answer(b"[]"), authority.sign("server")) as server:
            error = failure(self.roster(server, authority.file, (str(tmp_path), str(tmp_path))).entries)
        assert error.kind is Kind.UNREACHABLE
        assert "check consul.ca_file and consul.cert_file" in str(error)
