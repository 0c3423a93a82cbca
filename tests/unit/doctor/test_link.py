"""The way to Consul, as the examination sees it."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hafailover.doctor.checks.link import judge
from hafailover.doctor.facts.link import LinkFacts, look_at_link
from hafailover.doctor.finding import Severity
from hafailover.lock.client import Address
from hafailover.lock.listener import user_name

OWN = user_name(os.geteuid())


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def said(facts: LinkFacts | None) -> tuple[Severity, str]:
    (one,) = judge(facts)
    assert one.id == "consul.link"
    return one.severity, one.text


def test_loopback_says_who_listens() -> None:
    with listening() as port:
        found = look_at_link(Address(port=port))
    assert said(found) == (Severity.OK, f"{OWN} listens on 127.0.0.1:{port}, as is to be")


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: needs root, to listen as another user")
def test_another_user_on_loopback_is_an_error() -> None:
    os.seteuid(65534)
    try:
        server = socket.create_server(("127.0.0.1", 0))
    finally:
        os.seteuid(0)
    with server:
        severity, text = said(look_at_link(Address(port=server.getsockname()[1])))
    assert severity is Severity.ERROR
    assert "user nobody listens on" in text


def test_plain_http_to_another_machine_is_an_error() -> None:
    severity, text = said(LinkFacts(False, "192.0.2.1:8500"))
    assert severity is Severity.ERROR
    assert "plain http to 192.0.2.1:8500" in text


def test_where_nobody_answers_the_other_checks_speak() -> None:
    assert judge(look_at_link(Address(port=1))) == []


@pytest.mark.parametrize(("days", "severity"), [(100, Severity.OK), (10, Severity.WARNING)])
def test_with_tls_the_certificates_end_is_told(tmp_path: Path, days: int, severity: Severity) -> None:
    file = certificate(tmp_path, days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=shake_hands, args=(server, context), daemon=True).start()
        port = server.getsockname()[1]
        found = look_at_link(Address(port=port, scheme="https", ca_file=str(file)))
    assert said(found) == (severity, f"TLS to 127.0.0.1:{port}; Consul's certificate ends in {days} days")


def shake_hands(server: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        made, _ = server.accept()
        with context.wrap_socket(made, server_side=True) as wrapped:
            wrapped.recv(1)


def certificate(folder: Path, days: int) -> Path:
    """One for 127.0.0.1 that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "consul")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days, minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "consul.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file
