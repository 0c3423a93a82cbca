"""From settings to Consul: the URL's parts, and a token that is read from its file and never shown."""

from pathlib import Path
from typing import Any

import pytest

from hafailover.config.load import ConfigError, consul_address, load_settings
from hafailover.lock.client import Address
from hafailover.lock.listener import believed
from hafailover.lock.token import TokenError

from ..near.fifo import refusal_of_fifo

TOKEN = "0ac5cf1b-2b1e-4d2a-9c55-6f5b7f0a5a11"


def address(**consul: Any) -> Address:
    return consul_address(load_settings(None, None, account_id="pool.near", consul=consul))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8500", ("http", "127.0.0.1", 8500)),
        ("http://127.0.0.1:8500/", ("http", "127.0.0.1", 8500)),
        ("http://consul.local", ("http", "consul.local", 8500)),
        ("https://consul.local", ("https", "consul.local", 8501)),
        ("https://consul.local:443", ("https", "consul.local", 443)),
        ("http://[::1]:8500", ("http", "::1", 8500)),
        ("http://[fe80::1]", ("http", "fe80::1", 8500)),
    ],
)
def test_the_urls_parts(url: str, expected: tuple[str, str, int]) -> None:
    found = address(address=url)
    assert (found.scheme, found.host, found.port) == expected


@pytest.mark.parametrize("text", [TOKEN, TOKEN + "\n", f"  {TOKEN} \n\n"])
def test_the_token_is_the_files_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    found = address(token_file=str(path))
    assert found.token.value == TOKEN
    assert TOKEN not in repr(found) + repr(found.token)
    assert TOKEN not in str(found)


def test_the_systemd_credential_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert address().token.value is None
    (tmp_path / "consul_token").write_text(TOKEN)
    assert address().token.value == TOKEN
    other = tmp_path / "other"
    other.write_text("other-token")
    assert address(token_file=str(other)).token.value == "other-token"


def test_without_a_token_there_is_none() -> None:
    assert address().token.value is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"   ",
        f"{TOKEN} {TOKEN}".encode(),
        f"{TOKEN}\n{TOKEN}".encode(),
        b"\x00" + TOKEN.encode(),
        b"\xff" + TOKEN.encode(),
        f"token = {TOKEN}".encode(),
        f"{TOKEN}\t1".encode(),
        (TOKEN * 200).encode(),
    ],
    ids=lambda raw: repr(raw)[:12],
)
def test_a_token_file_that_makes_no_sense(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        address(token_file=str(path))
    assert f"consul.token_file: {path}" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("kind", ["missing", "folder", "under a file"])
def test_a_token_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "token"
    if kind == "folder":
        path.mkdir()
    elif kind == "under a file":
        path.write_text("x")
        path = path / "token"
    with pytest.raises(ConfigError, match=f"consul.token_file: {path}: "):
        address(token_file=str(path))


def test_a_fifo_is_not_a_token(tmp_path: Path) -> None:
    """Opening it would wait for ever, at every start."""
    path = tmp_path / "token"
    message = refusal_of_fifo(path, lambda: address(token_file=str(path)), ConfigError)
    assert message == f"consul.token_file: {path}: Not a regular file"


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_tls_files_must_be_readable(tmp_path: Path, name: str) -> None:
    there = tmp_path / "there.pem"
    there.write_text("pem")
    files = {"ca_file": str(there), "cert_file": str(there), "key_file": str(there)}
    found = address(address="https://c", **files)
    assert (found.ca_file, found.cert_file, found.key_file) == (str(there),) * 3
    with pytest.raises(ConfigError, match=f"consul.{name}: .*none.pem is missing or cannot be read"):
        address(address="https://c", **{**files, name: str(tmp_path / "none.pem")})


def test_a_token_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    token = address(token_file=str(path)).token
    assert not token.read_again()
    path.write_text("another-token")
    assert token.read_again()
    assert token.value == "another-token"
    path.unlink()
    with pytest.raises(TokenError, match=f"consul.token_file: {path}: No such file"):
        token.read_again()
    assert token.value == "another-token", "the one from before stays"


def test_consuls_user() -> None:
    assert address().users == believed(None)
    assert address(user="nobody").users == believed("nobody")
    assert address(user="4711").users == believed("4711")
    with pytest.raises(ConfigError, match=r"consul\.user: there is no user named no-such-user"):
        address(user="no-such-user")
