"""This host's neard: it answers, follows the chain, and is of the same version as the others'."""

from __future__ import annotations

from hafailover.config.settings import Settings
from hafailover.doctor.facts.neard import NeardFacts
from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning
from hafailover.near.rpc import Status


def judge(facts: NeardFacts, settings: Settings, public_key: str | None) -> list[Finding]:
    """:param public_key: the pool's, of this host's key or on record."""
    found = _binary(facts)
    if facts.launcher:
        found.append(
            warning("neard.launcher", facts.launcher, "then: systemctl restart neard, on a standby first")
        )
    status = facts.status
    if status is None:
        return [
            *found,
            error("neard.rpc", f"neard's RPC: {facts.rpc_error}", "look at: journalctl -u neard -n 50"),
        ]
    found.append(ok("neard.rpc", f"neard {status.version} on {status.chain_id}, height {status.height}"))
    found += _sync(status, facts.peers, settings.standby.min_peers)
    found += _restart_due(status.version, facts.binary_release)
    found += _tracking(facts, settings)
    found += _stake(facts.staked_key, settings.account_id, public_key)
    return found


def _binary(facts: NeardFacts) -> list[Finding]:
    if facts.binary_error:
        return [
            error("neard.binary", f"neard.binary: {facts.binary_error}", "set neard.binary to neard's path")
        ]
    return [ok("neard.binary", f"release {facts.binary_release or 'unknown'}")]


def _sync(status: Status, peers: int | None, least: int) -> list[Finding]:
    found = []
    if status.syncing:
        found.append(warning("neard.sync", "neard is syncing: this host cannot take over yet", "wait"))
    if peers is not None and peers < least:
        found.append(
            error(
                "neard.peers",
                f"{peers} peers, and standby.min_peers is {least}",
                "look at the network, network.boot_nodes, and whether port 24567 is reachable",
            )
        )
    return found


def _restart_due(running: str, binary: str) -> list[Finding]:
    if binary and running and running != binary:
        return [
            info(
                "neard.version",
                f"neard {running} runs, and the next start would run {binary}",
                "hafailover upgrade-plan says in which order to restart",
            )
        ]
    return []


def _tracking(facts: NeardFacts, settings: Settings) -> list[Finding]:
    if settings.promotion != "hot" or not settings.standby.require_shadow:
        return []
    wanted = {"ShadowValidator": settings.account_id}
    if facts.tracked is None:
        return [skipped("neard.tracking", "this neard does not tell what it tracks")]
    if facts.tracked != wanted:
        return [
            error(
                "neard.tracking",
                f"the running neard does not track the pool's shards (tracked_shards_config {facts.tracked})",
                "set it in config.json as the check home says, and restart neard",
            )
        ]
    return [ok("neard.tracking", "the running neard tracks what the pool's validator needs")]


def _stake(staked: str | None, account_id: str, public_key: str | None) -> list[Finding]:
    if staked is None:
        return [skipped("neard.stake", "neard does not tell who validates")]
    if staked == "":
        return [
            warning(
                "neard.stake",
                f"{account_id} is no validator in this epoch: nothing is signed, whoever is active",
                "if it should be: is the pool staked enough, and pinged?",
            )
        ]
    if public_key is not None and staked != public_key:
        return [
            error(
                "neard.stake",
                f"{account_id} validates in this epoch with another key ({staked[:20]}...) than this pool's",
                "the key of the stake must be on all hosts; a new one counts two epochs after its proposal",
            )
        ]
    return [ok("neard.stake", f"{account_id} validates in this epoch")]
