"""The words that guards give each other, and the key that only they can derive.

All guards of a pool hold the same validator key, so they can authenticate what lets a successor arm before
the timed wait is over. Agents, tokens and Consul carry these words, and can make none. The MAC key is derived
when the guard reads the credential, and never leaves the guard: HKDF (RFC 5869) with SHA-256, so that nothing
can be learned of the validator key from it, or from any word.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

from hafailover.core.words import Claim, Scope
from hafailover.near.keyfile import derived_from

LABEL = b"hafailover word v1 "
ARMED, ABSENT = "gone", "absent"
"""Kinds of words: a guard that armed in that very term knows of all before it; any other knows of itself."""


class WordKey:
    """Makes and checks words. Shows nothing of its secret.

    :param seed: the 32-byte seed of the pool's ed25519 key.
    """

    __slots__ = ("_account", "_key")

    def __init__(self, seed: bytes, account_id: str) -> None:
        self._account = account_id
        extracted = hmac.digest(bytes(hashlib.sha256().digest_size), seed, "sha256")
        self._key = hmac.digest(extracted, LABEL + account_id.encode() + b"\x01", "sha256")

    def __repr__(self) -> str:
        return "WordKey(...)"

    def __reduce__(self) -> str:
        raise TypeError("a WordKey goes nowhere")

    def give(self, claim: Claim, armed: bool) -> Claim:
        """The claim with this guard's word.

        :param armed: whether this guard armed in that very term.
        """
        return replace(claim, word=self._word(ARMED if armed else ABSENT, claim))

    def check(self, claim: Claim) -> Scope:
        """What the claim's word says, if a guard of the pool gave it."""
        for kind, scope in ((ARMED, Scope.ALL), (ABSENT, Scope.NODE)):
            if hmac.compare_digest(self._word(kind, claim).encode(), claim.word.encode()):
                return scope
        return Scope.BAD

    def _word(self, kind: str, claim: Claim) -> str:
        # A list in JSON: no two claims have one encoding.
        said = [
            kind,
            self._account,
            claim.history,
            claim.term,
            claim.node,
            claim.height,
            claim.handover_to or "",
        ]
        return hmac.digest(self._key, json.dumps(said).encode(), "sha256").hex()


def read_word_key(path: Path, account_id: str) -> WordKey:
    """Derives the key from the pool's credential.

    :raises KeyFileError: as :func:`hafailover.near.keyfile.read_key` does.
    """
    return derived_from(path, account_id, lambda seed: WordKey(seed, account_id))
