"""Key files of neard: read, checked and shown without ever letting go of the secret.

The form is nearcore's (core/crypto/src/key_file.rs): ``{"account_id", "public_key", "secret_key"}``, keys as
``ed25519:<base58>``; a secret key is 64 bytes, the 32-byte seed followed by the 32-byte public key. A
validator key may call it ``private_key`` instead; a node key may not (NodeKeyFile in nearcore/src/config.rs).
neard does not check that the two belong together, so this does. What neard refuses is refused, and the text
says so: a key that is found wanting only at the takeover is none.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hafailover.near import jsonc
from hafailover.near.files import read_regular
from hafailover.text import is_text

T = TypeVar("T")

MAX_KEY_FILE_BYTES = 64 * 1024
MAX_KEY_CHARS = 256
BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]*")
ACCOUNT_ID = re.compile(r"(?=.{2,64}$)(?:[a-z0-9]+[-_])*[a-z0-9]+(?:\.(?:[a-z0-9]+[-_])*[a-z0-9]+)*")
"""NEAR's rule for account ids (nearcore/core/account-id)."""


class KeyFileError(Exception):
    """A key file that must not be used. The text names the file and the fix, never the key."""


@dataclass(frozen=True, slots=True)
class KeyIdentity:
    """What may be known of a key file: whose key it is. The secret stays on disk."""

    account_id: str
    public_key: str

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the public key's SHA-256: short enough to compare by eye."""
        return hashlib.sha256(self.public_key.encode()).hexdigest()[:16]


def is_account_id(text: str) -> bool:
    return ACCOUNT_ID.fullmatch(text) is not None


def read_key(path: Path, account_id: str | None = None, name: str = "validator_key_file") -> KeyIdentity:
    """Reads and checks a validator or node key.

    :param account_id: the account it must be of; ``None`` for a node key, whose account is free text.
    :param name: the setting that names the file, for messages.
    :raises KeyFileError: missing, readable by others, malformed, inconsistent, or of another account.
    """
    try:
        return _checked(path, account_id, name)
    except KeyFileError as error:
        raise KeyFileError(f"{name}: {error}") from None


def derived_from(path: Path, account_id: str, derive: Callable[[bytes], T]) -> T:
    """What ``derive`` makes of the 32-byte seed of the pool's key: the one way to it, and only for the guard.

    :raises KeyFileError: as :func:`read_key` does.
    """
    name = "validator_key_file"
    read_key(path, account_id, name)
    try:
        data = jsonc.loads(_read_private(path, name))
        secret = "private_key" if "private_key" in data else "secret_key"
        return derive(_decode(path, secret, _text(path, data, secret), 64)[:32])
    except (ValueError, TypeError):
        raise KeyFileError(f"{name}: {path}: it has changed while it was read; try again") from None
    except KeyFileError as error:
        raise KeyFileError(f"{name}: {error}") from None


def _checked(path: Path, account_id: str | None, name: str) -> KeyIdentity:
    node = account_id is None
    text = _read_private(path, name)
    try:
        data = jsonc.loads(text)
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}; restore the key file from your backup") from None
    if not isinstance(data, dict):
        raise KeyFileError(f"{path}: a key file is a JSON object with account_id, public_key and secret_key")
    identity = KeyIdentity(_text(path, data, "account_id"), _public_key(path, data))
    _check_pair(path, data, identity.public_key, node)
    if account_id is not None and not is_account_id(identity.account_id):
        # Whatever stands there instead, perhaps the key itself by mistake, is not repeated.
        raise KeyFileError(
            f"{path}: account_id is not a NEAR account id; restore the key file from your backup"
        )
    if account_id is not None and identity.account_id != account_id:
        raise KeyFileError(
            f"{path}: the key is of account {identity.account_id}, but account_id is set to {account_id}; "
            "point validator_key_file at this account's key, or correct account_id"
        )
    return identity


def check_modes(path: Path, name: str = "validator_key_file") -> None:
    """Refuses a key that others than its owner can read.

    :raises KeyFileError: with the command that mends it.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise KeyFileError(f"{path}: {_plain(error)}; check {name}") from None
    except ValueError:
        raise KeyFileError(f"{str(path)!r} cannot be a path; check {name}") from None
    if not stat.S_ISREG(mode):
        raise KeyFileError(f"{path}: not a regular file; check {name}")
    loose = mode & 0o077
    if _is_credential(path):
        # systemd gives a service access by an ACL, which shows as the group's bits; the folder is private.
        loose &= 0o037
    if loose:
        raise KeyFileError(
            f"{path}: mode {stat.S_IMODE(mode):04o} lets others than its owner read the key; "
            f"run: chmod 600 {path}"
        )


def _read_private(path: Path, name: str) -> str:
    check_modes(path, name)
    try:
        raw = read_regular(path, MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: {_plain(error)}") from None
    if len(raw) > MAX_KEY_FILE_BYTES:
        raise KeyFileError(f"{path}: larger than {MAX_KEY_FILE_BYTES} bytes, which no key file is")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise KeyFileError(f"{path}: not a text file") from None


def _is_credential(path: Path) -> bool:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and Path(path).absolute().parent == Path(str(folder)).absolute()


def _text(path: Path, data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not is_text(value):
        raise KeyFileError(f"{path}: {name} is missing or not a text")
    return value


def split_key(text: str) -> tuple[str, str]:
    """Kind and base58 text of a key, as neard takes them apart (nearcore core/crypto/src/signature.rs)."""
    kind, colon, encoded = text.partition(":")
    return (kind.lower(), encoded) if colon else ("ed25519", text)


def decode_base58(encoded: str) -> bytes:
    """:raises ValueError: a sign that is none of base58's. The library would take blanks at the end."""
    import base58

    if BASE58.fullmatch(encoded) is None:
        raise ValueError("not base58")
    raw: bytes = base58.b58decode(encoded)
    return raw


def _decode(path: Path, name: str, text: str, length: int) -> bytes:
    kind, encoded = split_key(text)
    if kind != "ed25519":
        raise KeyFileError(f"{path}: {name} is not an ed25519 key, the only kind a validator may have")
    if len(encoded) > MAX_KEY_CHARS:
        # Decoding takes time by the square of the length: seconds, in which the guard does nothing.
        raise KeyFileError(f"{path}: {name} is too long to be a key")
    try:
        raw = decode_base58(encoded)
    except ValueError:
        why = "; it ends with a blank or a line break" if encoded != encoded.rstrip() else ""
        raise KeyFileError(f"{path}: {name} is not base58, and neard refuses it{why}") from None
    if len(raw) != length:
        raise KeyFileError(f"{path}: {name} has {len(raw)} bytes instead of {length}")
    return raw


def _public_key(path: Path, data: dict[str, Any]) -> str:
    import base58

    raw = _decode(path, "public_key", _text(path, data, "public_key"), 32)
    return "ed25519:" + base58.b58encode(raw).decode()


def _check_pair(path: Path, data: dict[str, Any], public_key: str, node: bool) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    name = "secret_key"
    if node and "secret_key" not in data and "private_key" in data:
        raise KeyFileError(
            f"{path}: has private_key, which neard does not know in a node key; call it secret_key"
        )
    if not node and "private_key" in data:
        if "secret_key" in data:
            raise KeyFileError(
                f"{path}: has both secret_key and private_key, which neard refuses; remove one"
            )
        name = "private_key"
    secret = _decode(path, name, _text(path, data, name), 64)
    public = _decode(path, "public_key", public_key, 32)
    derived = Ed25519PrivateKey.from_private_bytes(secret[:32]).public_key().public_bytes_raw()
    if secret[32:] != derived or public != derived:
        raise KeyFileError(
            f"{path}: public_key and {name} do not belong together; restore the key file from your backup"
        )


def _plain(error: OSError) -> str:
    return error.strerror or type(error).__name__
