"""Keys in neard's encodings, and the files that hold them."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from localneard.errors import BadFileError
from localneard.keys import Key, decode, encode, is_public_key, seed_of_name, verify

# From nearcore's docs/architecture/how/epoch.md.
VECTORS = {
    "node0": "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX",
    "node1": "ed25519:6DSjZ8mvsRZDvFqFxo8tCKePG96omXW7eVYVSySmDk8e",
    "node2": "ed25519:GkDv7nSMS3xcqA45cpMvFmfV1o4fRF6zYo1JRR6mNqg5",
}


@pytest.mark.parametrize(("name", "public_key"), VECTORS.items())
def test_names_make_the_keys_that_neard_makes_of_them(name: str, public_key: str) -> None:
    assert Key.from_name(name, name).public_key == public_key


def test_a_seed_is_the_name_cut_or_padded() -> None:
    assert seed_of_name("node0") == b"node0" + b" " * 27
    assert seed_of_name("x" * 40) == b"x" * 32


def test_a_key_file_is_as_neard_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "validator_key.json"
    key = Key.from_name("pool.near", "node0")
    key.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = json.loads(path.read_text())
    assert list(document) == ["account_id", "public_key", "secret_key"]
    seed_and_public = decode(document["secret_key"], 64)
    assert seed_and_public == seed_of_name("node0") + decode(VECTORS["node0"], 32)
    read = Key.read(path)
    assert read == key
    assert verify(read.public_key, read.sign(b"message"), b"message")
    assert not verify(read.public_key, read.sign(b"message"), b"another")
    assert document["secret_key"] not in repr(read)


def test_what_neard_takes_is_taken(tmp_path: Path) -> None:
    Key.from_name("pool.near", "node0").write(tmp_path / "key")
    document = json.loads((tmp_path / "key").read_text())
    secret = document.pop("secret_key")
    bare = {
        **document,
        "private_key": secret.removeprefix("ed25519:"),
        "public_key": VECTORS["node0"][8:],
        "x": 1,
    }
    (tmp_path / "key").write_text("// comment\n" + json.dumps(bare))
    assert Key.read(tmp_path / "key").public_key == VECTORS["node0"]
    # neard does not check that the two belong together.
    (tmp_path / "key").write_text(json.dumps({**bare, "public_key": VECTORS["node1"]}))
    assert Key.read(tmp_path / "key").public_key == VECTORS["node1"]
    node = {**document, "account_id": "", "secret_key": secret, "private_key": "not its own"}
    (tmp_path / "key").write_text(json.dumps(node))
    assert Key.read(tmp_path / "key", account_needed=False).account_id == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"account_id": ""}, "account_id is missing or not a NEAR account name"),
        ({"account_id": "No Account"}, "account_id is missing or not a NEAR account name"),
        ({"public_key": None}, "public_key is missing or not a string"),
        ({"public_key": "secp256k1:abc"}, "public_key is not an ed25519 key"),
        ({"secret_key": "ed25519:abc"}, "secret_key must have 64 bytes, not 3"),
        ({"secret_key": "ed25519:0OIl"}, "secret_key is not base58"),
        ({"private_key": "ed25519:abc"}, "holds both secret_key and private_key"),
        ({"public_key": VECTORS["node0"] + " "}, "public_key is not base58"),
        ({"public_key": VECTORS["node0"] + "\n"}, "public_key is not base58"),
        ({"public_key": VECTORS["node0"][7:]}, "public_key is not an ed25519 key"),
    ],
)
def test_a_bad_key_file_is_refused_without_showing_the_secret(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.json"
    Key.from_name("pool.near", "node0").write(path)
    document = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps(document))
    with pytest.raises(BadFileError) as caught:
        Key.read(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert document["secret_key"] not in str(caught.value)


def test_half_a_key_file_shows_nothing_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    Key.from_name("pool.near", "node0").write(path)
    text = path.read_text()
    path.write_text(text[:-20])
    with pytest.raises(BadFileError) as caught:
        Key.read(path)
    assert json.loads(text)["secret_key"][:20] not in str(caught.value)


def test_public_keys_are_told_from_other_strings() -> None:
    assert is_public_key(VECTORS["node0"])
    for other in (VECTORS["node0"][8:], "ed25519:", "ed25519:" + "1" * 31, encode(b"x" * 64), None, 5):
        assert not is_public_key(other)
    assert not verify(VECTORS["node0"], "rubbish", b"")


def test_a_node_key_has_no_other_name_for_its_secret(tmp_path: Path) -> None:
    Key.from_name("node", "node0").write(tmp_path / "key")
    text = (tmp_path / "key").read_text().replace("secret_key", "private_key")
    (tmp_path / "key").write_text(text)
    assert Key.read(tmp_path / "key").public_key == VECTORS["node0"]
    with pytest.raises(BadFileError, match="secret_key is missing"):
        Key.read(tmp_path / "key", account_needed=False)


@pytest.mark.parametrize("more", ['"account_id": "node", ', '"x": NaN, ', '"x": 1e999, '])
def test_what_serde_refuses_is_refused(tmp_path: Path, more: str) -> None:
    Key.from_name("node", "node0").write(tmp_path / "key")
    text = (tmp_path / "key").read_text()
    (tmp_path / "key").write_text(text.replace("{", "{" + more, 1))
    with pytest.raises(BadFileError, match="is not valid JSON: "):
        Key.read(tmp_path / "key")
