"""Key files: whose key it is, what must not be used, and that the secret never comes out."""

import json
import os
from pathlib import Path
from typing import Any

import base58
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hafailover.near.keyfile import KeyFileError, KeyIdentity, check_modes, is_account_id, read_key

from .keys import ACCOUNT, key_document, public_key, secret_key, write_key, write_private

SECRET = secret_key("pool").removeprefix("ed25519:")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "key.json"


def written(path: Path, **changes: Any) -> Path:
    document = {**key_document("pool"), **changes}
    kept = {name: value for name, value in document.items() if value is not ...}
    return write_private(path, json.dumps(kept))


def refusal(path: Path, account_id: str | None = ACCOUNT) -> str:
    with pytest.raises(KeyFileError) as caught:
        read_key(path, account_id)
    text = str(caught.value)
    assert str(path) in text
    assert SECRET not in text
    assert SECRET[:10] not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return text


# --- good keys


def test_a_key_as_neard_writes_it(path: Path) -> None:
    write_key(path, "pool")
    assert read_key(path, ACCOUNT) == KeyIdentity(ACCOUNT, public_key("pool"))
    assert read_key(path) == read_key(path, ACCOUNT)


def test_nearcores_own_vector(path: Path) -> None:
    """Key of node0 of a localnet (nearcore docs/architecture/how/epoch.md)."""
    write_key(path, "node0", "node0")
    assert read_key(path, "node0").public_key == "ed25519:7PGseFbWxvYVgZ89K1uTJKYoKetWs7BJtbyXDzfbAcqX"


def test_what_neard_accepts_besides(path: Path) -> None:
    written(path, secret_key=..., private_key=secret_key("pool"))
    assert read_key(path, ACCOUNT).public_key == public_key("pool")
    written(path, public_key=public_key("pool").removeprefix("ed25519:"), secret_key=SECRET, more=[1])
    assert read_key(path, ACCOUNT).public_key == public_key("pool")
    write_private(path, "// the pool's\n" + json.dumps(key_document("pool")) + "/* end */ # really\n")
    assert read_key(path, ACCOUNT).public_key == public_key("pool")


def test_the_kind_of_a_key_is_read_as_neard_reads_it(path: Path) -> None:
    written(path, public_key=public_key("pool").replace("ed25519", "Ed25519"))
    assert read_key(path, ACCOUNT).public_key == public_key("pool")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('"account_id": "pool.poolv1.near"', "account_id stands there twice, which neard refuses"),
        ('"secret_key": "ed25519:x"', "secret_key stands there twice"),
        (f'"{SECRET}": 1, "{SECRET}": 2', "a name stands there twice"),
        ('"more": [{"a": 1, "a": 1}]', "a stands there twice"),
        ('"more": NaN', "NaN is no number"),
        ('"more": [-Infinity]', "-Infinity is no number"),
        ('"more": 1e999', "a number too large"),
    ],
    ids=lambda value: value[:12],
)
def test_what_neards_reader_refuses(path: Path, more: str, told: str) -> None:
    text = json.dumps(key_document("pool"))
    write_private(path, "{" + more + ", " + text[1:])
    assert told in refusal(path)


def test_a_node_key_has_no_other_name_for_its_secret(path: Path) -> None:
    """neard's NodeKeyFile has no alias; what it does not know, it leaves aside."""
    written(path, secret_key=..., private_key=secret_key("pool"))
    assert "has private_key, which neard does not know in a node key" in refusal(path, None)
    written(path, private_key=secret_key("other"))
    assert read_key(path).public_key == public_key("pool")


@pytest.mark.parametrize("account", ["", "node", "what ever"])
def test_a_node_keys_account_is_free_text(path: Path, account: str) -> None:
    write_key(path, "host", account)
    assert read_key(path).account_id == account


def test_the_fingerprint_is_the_public_keys_alone(path: Path) -> None:
    write_key(path, "pool")
    one = read_key(path)
    write_key(path, "pool", "else.near")
    assert read_key(path).fingerprint == one.fingerprint
    assert len(one.fingerprint) == 16
    write_key(path, "other")
    assert read_key(path).fingerprint != one.fingerprint


def test_nothing_that_is_known_of_a_key_shows_its_secret(path: Path) -> None:
    write_key(path, "pool")
    assert SECRET not in repr(read_key(path))


# --- keys that must not be used


def test_another_account(path: Path) -> None:
    write_key(path, "pool", "else.near")
    text = refusal(path)
    assert "the key is of account else.near, but account_id is set to pool.poolv1.near" in text
    assert "validator_key_file" in text


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account_id": ...}, "account_id is missing"),
        ({"account_id": 7}, "account_id is missing or not a text"),
        ({"public_key": ...}, "public_key is missing"),
        ({"secret_key": ...}, "secret_key is missing"),
        ({"secret_key": None}, "secret_key is missing"),
        ({"secret_key": [secret_key("pool")]}, "secret_key is missing or not a text"),
        ({"private_key": secret_key("pool")}, "both secret_key and private_key"),
        ({"public_key": public_key("other")}, "public_key and secret_key do not belong together"),
        ({"secret_key": secret_key("other")}, "do not belong together"),
        ({"public_key": "secp256k1:" + "1" * 64}, "not an ed25519 key"),
        ({"secret_key": secret_key("pool").replace("ed25519", "secp256k1")}, "not an ed25519 key"),
        ({"secret_key": "ed25519:ed25519:" + SECRET}, "secret_key is not base58"),
        ({"secret_key": secret_key("pool") + "0"}, "secret_key is not base58"),
        ({"secret_key": secret_key("pool") + "é"}, "secret_key is not base58"),
        ({"secret_key": secret_key("pool")[:-4]}, "secret_key has 61 bytes instead of 64"),
        ({"secret_key": public_key("pool")}, "secret_key has 32 bytes instead of 64"),
        ({"public_key": secret_key("pool")}, "public_key has 64 bytes instead of 32"),
        ({"secret_key": ""}, "secret_key has 0 bytes"),
        (
            {"secret_key": secret_key("pool") + " "},
            "secret_key is not base58, and neard refuses it; it ends with",
        ),
        ({"secret_key": secret_key("pool") + "\n"}, "it ends with a blank or a line break"),
        ({"public_key": public_key("pool") + "\r\n"}, "public_key is not base58"),
        ({"public_key": public_key("pool") + "\u2003"}, "public_key is not base58"),
        ({"public_key": " " + public_key("pool")}, "not an ed25519 key"),
        ({"public_key": public_key("pool").removeprefix("ed25519")}, "not an ed25519 key"),
        ({"account_id": "pool\ud800"}, "account_id is missing or not a text"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_field_that_is_wrong(path: Path, changes: dict[str, Any], told: str) -> None:
    written(path, **changes)
    assert told in refusal(path)


def test_a_secret_whose_two_halves_differ(path: Path) -> None:
    """neard loads it and signs with what nobody expects."""
    seed = base58.b58decode(SECRET)[:32]
    other = base58.b58decode(secret_key("other").removeprefix("ed25519:"))[32:]
    written(path, secret_key="ed25519:" + base58.b58encode(seed + other).decode())
    assert "do not belong together" in refusal(path)


@pytest.mark.parametrize("name", ["account_id", "public_key"])
def test_a_secret_in_the_wrong_field_is_not_shown_either(path: Path, name: str) -> None:
    written(path, **{name: secret_key("pool")})
    refusal(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not valid JSON"),
        (SECRET, "not valid JSON"),
        (json.dumps(key_document("pool"))[:-9], "not valid JSON"),
        ("[]", "a key file is a JSON object"),
        (json.dumps(SECRET), "a key file is a JSON object"),
        ("null", "a key file is a JSON object"),
        ("[" * 20_000, "nested too deeply"),
        ("x" * 70_000, "larger than 65536 bytes"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_file_that_is_no_key(path: Path, text: str, told: str) -> None:
    write_private(path, text)
    assert told in refusal(path)


def test_a_file_that_is_no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" + SECRET.encode())
    path.chmod(0o600)
    assert "not a text file" in refusal(path)


# --- modes


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_its_owner_may_read_it(path: Path, mode: int) -> None:
    write_key(path, "pool").chmod(mode)
    check_modes(path)


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o660, 0o777])
def test_others_may_not(path: Path, mode: int) -> None:
    write_key(path, "pool").chmod(mode)
    text = refusal(path)
    assert f"mode {mode:04o}" in text
    assert f"run: chmod 600 {path}" in text


def test_a_links_target_is_what_counts(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write_key(path, "pool"))
    assert read_key(link, ACCOUNT).public_key == public_key("pool")
    path.chmod(0o640)
    assert "chmod 600" in refusal(link)


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        (0o400, True),
        (0o440, True),
        (0o640, True),
        (0o460, False),
        (0o444, False),
        (0o450, False),
        (0o404, False),
    ],
)
def test_systemd_gives_a_service_its_credential_by_the_groups_bits(
    path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, good: bool
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    write_key(path, "pool").chmod(mode)
    if good:
        check_modes(path)
    else:
        refusal(path)


@pytest.mark.parametrize("folder", ["", "{}/sub", "{}/..", "/nowhere"])
def test_only_a_file_in_the_credentials_folder_is_a_credential(
    path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder.format(path.parent))
    write_key(path, "pool").chmod(0o440)
    refusal(path)


def test_a_missing_file(path: Path) -> None:
    assert "No such file" in refusal(path)


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_not_a_file_is_not_opened(path: Path, kind: str) -> None:
    """A FIFO would be waited on for ever."""
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    else:
        path.symlink_to("/dev/zero")
    assert "not a regular file" in refusal(path)


@pytest.mark.parametrize("name", ["\0", "a" * 300, "a/b/c\0d"])
def test_a_path_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyFileError):
        read_key(tmp_path / name)


# --- anything at all

VALUES = (
    st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from([secret_key("pool"), public_key("pool"), SECRET, "ed25519:", ":", "\ud800"])
    | st.text(alphabet="123456789ABCabc", max_size=100).map(lambda text: "ed25519:" + text)
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {"account_id": VALUES, "public_key": VALUES, "secret_key": VALUES | st.just(secret_key("pool"))},
        optional={"private_key": VALUES},
    )
)
def test_any_fields_give_a_key_or_a_refusal_without_the_secret(path: Path, document: dict[str, Any]) -> None:
    write_private(path, json.dumps(document))
    try:
        identity = read_key(path, ACCOUNT)
    except KeyFileError as error:
        assert SECRET not in str(error)
    else:
        assert identity == KeyIdentity(ACCOUNT, public_key("pool"))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 300))
@example(b"\xef\xbb\xbf", 0)
@example(b"/*", 3)
def test_any_bytes_give_a_key_or_a_refusal_without_the_secret(path: Path, junk: bytes, at: int) -> None:
    raw = json.dumps(key_document("pool")).encode()
    path.write_bytes(raw[:at] + junk + raw[at:])
    path.chmod(0o600)
    try:
        identity = read_key(path)
    except KeyFileError as error:
        assert SECRET not in str(error)
        assert SECRET[:10] not in str(error)
    else:
        assert identity.public_key == public_key("pool")


@pytest.mark.parametrize("name", ["aa", "a.b", "pool.poolv1.near", "a-b_c.d", "0" * 64, "near", "1.1"])
def test_account_ids(name: str) -> None:
    assert is_account_id(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "A.near",
        "a..b",
        ".a",
        "a.",
        "-a",
        "a-",
        "a--b",
        "a_-b",
        "a b",
        "a\n",
        "é.near",
        "0" * 65,
        "a/b",
        "٣٣",
    ],
)
def test_no_account_ids(name: str) -> None:
    assert not is_account_id(name)
