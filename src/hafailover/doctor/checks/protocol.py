"""Whether this neard keeps up with the network's protocol, and may run a validator on this processor."""

from __future__ import annotations

from hafailover.doctor.facts.neard import NeardFacts, Protocol
from hafailover.doctor.finding import Finding, error, ok, skipped, warning
from hafailover.near.overlay import PUBLIC_CHAINS
from hafailover.near.routing import release_of

X86_64 = ("x86_64", "amd64")
X86_64_ALONE = (2, 14)
"""nearcore pull request 15919 of 2026-06: neard ends at a start with a key on mainnet and testnet."""
UPGRADE = "bring a newer neard: hafailover upgrade-plan says in which order"


def judge(facts: NeardFacts, release: str) -> list[Finding]:
    """:param release: the newest that runs or would be started here; empty if that is not known."""
    if facts.status is None:
        return []
    return [*_protocol(facts.protocol), *_processor(facts.machine, facts.status.chain_id, release)]


def _protocol(protocol: Protocol | None) -> list[Finding]:
    if protocol is None:
        return [skipped("neard.protocol", "neard does not tell the protocol's version")]
    if protocol.current > protocol.own:
        return [
            error(
                "neard.protocol",
                f"the network runs protocol {protocol.current}, and this neard knows {protocol.own} at the "
                "most: it does not follow the chain",
                UPGRADE,
            )
        ]
    ahead = [version for version in protocol.producers if version > protocol.own]
    if ahead:
        return [
            warning(
                "neard.protocol",
                f"{len(ahead)} of the last {len(protocol.producers)} blocks are of neards that know protocol "
                f"{max(ahead)}; this one knows {protocol.own} at the most: the network moves on once enough "
                "stake has voted for it, and a validator that voted for an old one loses its seat "
                "(ProtocolVersionTooOld)",
                UPGRADE,
            )
        ]
    return [ok("neard.protocol", f"protocol {protocol.current}; this neard knows up to {protocol.own}")]


def _processor(machine: str, chain_id: str, release: str) -> list[Finding]:
    if machine in X86_64 or chain_id not in PUBLIC_CHAINS or release_of(release) < X86_64_ALONE:
        return []
    return [
        error(
            "neard.processor",
            f"neard {release} on {chain_id} supports validators on x86_64 alone, and this is {machine}: it "
            "ends at a start with the key (promotion = restart), and a key that is swapped in may sign what "
            "the network does not accept",
            "run this host on x86_64",
        )
    ]
