"""Key files: a whole pair of the right account or a KeyFileError, which never holds a piece of the key."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.clock import boottime
from hafailover.near.keyfile import KeyFileError, KeyIdentity, read_key

from ..unit.near.keys import ACCOUNT, key_document, public_key
from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence
from .strategies import raw

KEY = key_document("planted")
NODE_KEY = {**KEY, "account_id": ""}
AS_A_PRIVATE_KEY = {"account_id": ACCOUNT, "public_key": KEY["public_key"], "private_key": SECRET_KEY}
BARE = {name: text.removeprefix("ed25519:") for name, text in KEY.items()}
LONGEST_S = 0.5
"""The guard reads its credential between two looks at its clock."""


@fuzz(450)
@given(
    st.sampled_from((KEY, NODE_KEY, AS_A_PRIVATE_KEY, BARE)).flatmap(raw),
    st.sampled_from((ACCOUNT, None)),
)
@example(json.dumps({**KEY, "secret_key": "ed25519:" + "z" * 65_000}).encode(), ACCOUNT)
@example(json.dumps({**KEY, "account_id": SECRET_KEY}).encode(), ACCOUNT)
@example(json.dumps(KEY).encode()[:-30], ACCOUNT)
@example(b"{" + json.dumps(SECRET_KEY).encode() + b"}", None)
def test_a_key_file_is_a_pair_or_refused(
    private: Path, silence: Silence, data: bytes, account_id: str | None
) -> None:
    private.write_bytes(data)
    began = boottime()
    error = None
    try:
        identity = read_key(private, account_id)
        sound(identity, account_id)
        came_to("test_a_key_file_is_a_pair_or_refused", "a pair")
    except KeyFileError as refusal:
        error = refusal
        assert str(private) in str(refusal)
        came_to("test_a_key_file_is_a_pair_or_refused", "refused")
    assert boottime() - began < LONGEST_S
    silence.check(error)


@fuzz(60)
@given(st.binary(min_size=32, max_size=32), st.sampled_from((ACCOUNT, "a.near", "0" * 64)))
def test_what_is_written_is_read_back(private: Path, seed: bytes, account_id: str) -> None:
    name = seed.hex()[:32]
    private.write_text(json.dumps(key_document(name, account_id)))
    assert read_key(private, account_id) == KeyIdentity(account_id, public_key(name))


def sound(identity: KeyIdentity, account_id: str | None) -> None:
    """Only the planted pair can be one: no change makes another that belongs together."""
    assert identity.public_key == KEY["public_key"]
    assert account_id is None or identity.account_id == account_id
