"""Room for neard and for the agent's notes."""

from __future__ import annotations

from hafailover.doctor.facts.disk import DiskFacts
from hafailover.doctor.finding import Finding, error, ok, skipped, warning

GIB, TB = 1 << 30, 10**12
LEAST_TOTAL = {"mainnet": TB, "testnet": TB}
"""The least that near/node-docs names for any validator (validator/hardware-validator.md)."""
LITTLE, VERY_LITTLE = 0.10, 0.02
"""Fractions of the space or the inodes. Ours."""


def judge(facts: DiskFacts, chain_id: str) -> list[Finding]:
    """:param chain_id: empty if it is not known."""
    if facts.error:
        return [skipped(f"disk.{facts.what}", f"{facts.path} cannot be looked at: {facts.error}")]
    found = []
    id_ = f"disk.{facts.what}"
    if facts.read_only:
        found.append(
            error(
                id_,
                f"{facts.path} lies on a file system that is mounted read-only",
                "look at dmesg for errors of the disk; then mount it anew",
            )
        )
    found += _share(id_, f"free space at {facts.path}", facts.free, facts.total, _size(facts.free))
    if facts.inodes:
        found += _share(
            id_, f"free inodes at {facts.path}", facts.inodes_free, facts.inodes, str(facts.inodes_free)
        )
    if facts.what == "neard":
        found += _large_enough(id_, facts, chain_id)
    return found or [ok(id_, f"{facts.path}: {_size(facts.free)} of {_size(facts.total)} free")]


def _share(id_: str, what: str, free: int, total: int, text: str) -> list[Finding]:
    share = free / total if total else 1.0
    remedy = "make room, or move it to a larger disk; until then hand over: hafailover switchover"
    if share < VERY_LITTLE:
        return [error(id_, f"{what}: {text}, {share * 100:.1f} %", remedy)]
    if share < LITTLE:
        return [warning(id_, f"{what}: {text}, {share * 100:.1f} %", remedy)]
    return []


def _large_enough(id_: str, facts: DiskFacts, chain_id: str) -> list[Finding]:
    least = LEAST_TOTAL.get(chain_id, 0)
    if facts.total >= least:
        return []
    return [
        warning(
            id_,
            f"{facts.path} lies on a disk of {_size(facts.total)}; {chain_id} needs "
            f"{_size(least)} at the least",
            "see NEAR's hardware requirements for validators",
        )
    ]


def _size(count: int) -> str:
    return f"{count / TB:.2f} TB" if count >= TB else f"{count / GIB:.1f} GiB"
