"""The connection with Consul: kept from call to call, never with an answer of before, and over TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hafailover.lab.place import Place
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.roster import Roster

from .fake_consul import FakeConsul, failure, fake

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


@pytest.mark.parametrize("index", [b"", b"X-Consul-Index: 5\r\nX-Consul-Index: 6\r\n"])
def test_an_answer_without_one_index_is_not_consuls(index: bytes) -> None:
    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\n[]" % index)

    with fake(behave) as server:
        assert failure(roster(server.port).entries).kind is Kind.GARBAGE


def test_words_of_another_protocol_are_no_denial() -> None:
    def other(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"Permission denied\r\n")

    with fake(other) as server:
        assert failure(roster(server.port).entries).kind is Kind.UNREACHABLE


class Authority:
    """A certificate authority, and what it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate(self._name, self._key, True).public_bytes(PEM))

    def sign(self, name: str) -> tuple[str, str]:
        """Certificate and key for 127.0.0.1, as server and as client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        cert, private = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        cert.write_bytes(self._certificate(subject, key, False).public_bytes(PEM))
        plain = serialization.NoEncryption()
        private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain))
        return str(cert), str(private)

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ca: bool) -> x509.Certificate:
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
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
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
