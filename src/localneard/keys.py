"""ed25519 keys in neard's encodings and key files.

A key file holds ``account_id``, ``public_key`` (``ed25519:`` and 32 bytes in base58) and ``secret_key``
(``ed25519:`` and 64 bytes: the seed, then the public key). No prefix means ed25519. As in neard, the public
key is not checked against the secret one when a file is read.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from localneard.errors import BadFileError
from localneard.jsonc import read_object, write_object

_PREFIX = "ed25519:"
_ACCOUNT_ID = re.compile(r"(([a-z\d]+[-_])*[a-z\d]+\.)*([a-z\d]+[-_])*[a-z\d]+")
_BASE58 = re.compile(r"[1-9A-HJ-NP-Za-km-z]*")
SEED_BYTES = 32


@dataclass(frozen=True, repr=False)
class Key:
    """A key pair with the account it is for; its text form shows no secret."""

    account_id: str
    public_key: str
    _secret: Ed25519PrivateKey

    def __repr__(self) -> str:
        """Show the account and the public key."""
        return f"Key({self.account_id!r}, {self.public_key!r})"

    def __eq__(self, other: object) -> bool:
        """Compare by account and public key."""
        if not isinstance(other, Key):
            return NotImplemented
        return (self.account_id, self.public_key) == (other.account_id, other.public_key)

    def __hash__(self) -> int:
        """Hash by account and public key."""
        return hash((self.account_id, self.public_key))

    @classmethod
    def from_seed(cls, account_id: str, seed: bytes) -> Self:
        """Make the key pair of a 32-byte seed."""
        secret = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(account_id, encode(secret.public_key().public_bytes_raw()), secret)

    @classmethod
    def from_name(cls, account_id: str, name: str) -> Self:
        """Make the key pair that neard derives from a name (core/crypto/src/test_utils.rs)."""
        return cls.from_seed(account_id, seed_of_name(name))

    @classmethod
    def generate(cls, account_id: str) -> Self:
        """Make a new random key pair."""
        secret = Ed25519PrivateKey.generate()
        return cls(account_id, encode(secret.public_key().public_bytes_raw()), secret)

    @classmethod
    def read(cls, path: Path, *, account_needed: bool = True) -> Self:
        """Read a key file. Raises BadFileError, which names file and member and holds no secret."""
        document = read_object(path)
        # A node key has no other name for its secret, and the name is one that is not known.
        alias = account_needed and "private_key" in document
        if alias and "secret_key" in document:
            raise BadFileError(f"{path}: holds both secret_key and private_key; remove one")
        account_id = document.get("account_id", None if account_needed else "")
        if not isinstance(account_id, str) or not (
            _is_account(account_id) or not (account_needed or account_id)
        ):
            raise BadFileError(f"{path}: account_id is missing or not a NEAR account name")
        public = _member(path, document, "public_key", 32)
        secret_name = "private_key" if alias else "secret_key"
        secret = _member(path, document, secret_name, 64)
        return cls(account_id, encode(public), Ed25519PrivateKey.from_private_bytes(secret[:SEED_BYTES]))

    def write(self, path: Path) -> None:
        """Write the key file, readable by its owner only."""
        seed = self._secret.private_bytes_raw()
        secret = encode(seed + self._secret.public_key().public_bytes_raw())
        document = {"account_id": self.account_id, "public_key": self.public_key, "secret_key": secret}
        write_object(path, document, 0o600)

    def sign(self, message: bytes) -> str:
        """Sign; returns the signature as neard writes it."""
        return encode(self._secret.sign(message))


def seed_of_name(name: str) -> bytes:
    """Return a name cut or padded with blanks to the 32 bytes of a seed."""
    return name.encode()[:SEED_BYTES].ljust(SEED_BYTES)


def encode(raw: bytes) -> str:
    """Return bytes as neard writes keys and signatures."""
    return _PREFIX + base58.b58encode(raw).decode()


def decode(text: str, length: int) -> bytes:
    """Return the bytes of a key or signature. Raises ValueError, with nothing of the text."""
    kind, _, body = text.partition(":") if ":" in text else ("ed25519", "", text)
    if kind.lower() != "ed25519":
        raise ValueError("is not an ed25519 key, the only kind that the stand-in knows")
    # The library would take blanks at the end, which neard refuses.
    if _BASE58.fullmatch(body) is None:
        raise ValueError("is not base58")
    raw: bytes = base58.b58decode(body)
    if len(raw) != length:
        raise ValueError(f"must have {length} bytes, not {len(raw)}")
    return raw


def verify(public_key: str, signature: str, message: bytes) -> bool:
    """Say whether a signature is good; False too for a key or signature that is no such thing."""
    try:
        _public(public_key).verify(decode(signature, 64), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_public_key(text: object) -> bool:
    """Say whether this is an ed25519 public key as neard writes it."""
    try:
        return isinstance(text, str) and text.startswith(_PREFIX) and len(decode(text, 32)) == 32
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _public(public_key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(decode(public_key, 32))


def _is_account(text: str) -> bool:
    return 2 <= len(text) <= 64 and _ACCOUNT_ID.fullmatch(text) is not None


def check_account(text: str) -> str:
    """Return an account name. Raises ValueError if NEAR would not take it."""
    if not _is_account(text):
        raise ValueError(f"{text!r} is not a NEAR account name")
    return text


def _member(path: Path, document: dict[str, Any], name: str, length: int) -> bytes:
    value = document.get(name)
    if not isinstance(value, str):
        raise BadFileError(f"{path}: {name} is missing or not a string")
    try:
        return decode(value, length)
    except ValueError as error:
        raise BadFileError(f"{path}: {name} {error}") from None
