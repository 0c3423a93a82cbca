"""Key files in neard's form, made from names."""

import json
from pathlib import Path
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ACCOUNT = "pool.poolv1.near"


def public_key(name: str) -> str:
    return _pair(name)[0]


def secret_key(name: str) -> str:
    return _pair(name)[1]


def _pair(name: str) -> tuple[str, str]:
    seed = name.encode().ljust(32)[:32]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return _encoded(public), _encoded(seed + public)


def _encoded(raw: bytes) -> str:
    return "ed25519:" + base58.b58encode(raw).decode()


def key_document(name: str, account_id: str = ACCOUNT) -> dict[str, Any]:
    return {"account_id": account_id, "public_key": public_key(name), "secret_key": secret_key(name)}


def write_key(path: Path, name: str, account_id: str = ACCOUNT) -> Path:
    """Writes the key made from ``name``, readable by its owner alone."""
    return write_private(path, json.dumps(key_document(name, account_id), indent=2))


def write_private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path
