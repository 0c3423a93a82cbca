"""The pool's key on this host: the guard takes it, nobody else reads it, and the pool signs with it."""

from __future__ import annotations

import hashlib

from hafailover.doctor.facts.key import KeyFacts
from hafailover.doctor.finding import Finding, error, ok, skipped, warning

ALLOWED_MODES = (0o600, 0o400)


def judge(facts: KeyFacts) -> list[Finding]:
    if facts.path is None:
        return [
            skipped(
                "key.file",
                "validator_key_file is not set: the guard has the key as a systemd credential, or not at all",
                "the check running says whether the guard runs; it starts with a good key only",
            )
        ]
    found = []
    if facts.in_home:
        found.append(
            error(
                "key.place",
                f"{facts.path} lies in neard's home, where a start of neard may find it and sign",
                "move it to a folder that only the guard can read, and point validator_key_file at it",
            )
        )
    if facts.hidden:
        return [*found, skipped("key.file", f"{facts.hidden}, which only the guard's user and root should")]
    if facts.error or facts.identity is None:
        found.append(
            error("key.file", facts.error, "the guard does not start with it: do what the text says")
        )
    else:
        found.append(
            ok(
                "key.file",
                f"{facts.path}: of {facts.identity.account_id}, fingerprint {facts.identity.fingerprint}; "
                "its two halves belong together",
            )
        )
        found += _access(facts)
    if facts.node_key_error:
        found.append(error("key.node", facts.node_key_error, "do what the text says"))
    return found


def judge_against_pool(facts: KeyFacts, on_record: str | None) -> list[Finding]:
    """:param on_record: the public key that the pool was first seen with."""
    if facts.identity is None:
        return [skipped("key.pool", "this host's key was not read")]
    if on_record is None:
        return [skipped("key.pool", "the pool has no key on record yet: no agent has run")]
    if facts.identity.public_key != on_record:
        return [
            error(
                "key.pool",
                f"this host's key (fingerprint {facts.identity.fingerprint}) is not the pool's "
                f"(fingerprint {_fingerprint(on_record)})",
                "give all hosts the same key file",
            )
        ]
    return [ok("key.pool", "the same key as the pool has on record")]


def _access(facts: KeyFacts) -> list[Finding]:
    found = []
    if facts.mode not in ALLOWED_MODES:
        found.append(
            warning(
                "key.mode",
                f"{facts.path} has mode {facts.mode:04o}, more than reading and writing it needs",
                f"run: chmod 600 {facts.path}",
            )
        )
    else:
        found.append(ok("key.mode", f"mode {facts.mode:04o}, owner {facts.owner}"))
    if facts.home_owner and facts.owner not in (facts.home_owner, "root"):
        found.append(
            warning(
                "key.owner",
                f"{facts.path} belongs to {facts.owner}, and neard's home to {facts.home_owner}",
                "the guard must be able to read the key: give it to the guard's user, or as a credential",
            )
        )
    return found


def _fingerprint(public_key: str) -> str:
    return hashlib.sha256(public_key.encode()).hexdigest()[:16]
