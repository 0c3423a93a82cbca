"""neard's home: nothing in it that would sign by itself, and the configuration of a standby."""

from __future__ import annotations

from typing import Any

from hafailover.config.settings import Settings
from hafailover.doctor.checks import routing
from hafailover.doctor.facts.home import HomeFacts
from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning
from hafailover.near.home import DEFAULT_RPC_ADDR
from hafailover.near.overlay import (
    OLD_SHARD_KEYS,
    OWN_FILES,
    check,
    effective_shards,
    explain_old_shards,
)

MEMTRIES = "load_mem_tries_for_tracked_shards"
UNTIL_RESTART = "and restart neard there (on the active, hand over first)"


def judge(facts: HomeFacts, settings: Settings, chain_id: str, neard: str = "") -> list[Finding]:
    """:param chain_id: of the running neard; empty if that is not known.

    :param neard: the newest release that runs or would be started here; empty likewise.
    """
    if facts.path is None:
        return [skipped("home.config", "neard.home is not set; the guard needs it")]
    if facts.hidden:
        return [skipped("home.config", facts.hidden, "run this as root, or as neard's user")]
    found = _keys(facts)
    if facts.error:
        return [
            *found,
            error("home.config", facts.error, "do what the text says; neard does not start like this"),
        ]
    found += [
        error("home.reload", one, "neard would refuse the reload that drops its key: mend the file")
        for one in facts.obstacles
    ]
    found += _config(facts.config, settings, chain_id, neard)
    found += routing.judge(facts.config, settings, neard)
    if facts.node_key_error:
        found.append(error("home.node-key", facts.node_key_error, "do what the text says"))
    return found


def _keys(facts: HomeFacts) -> list[Finding]:
    if facts.real_key is not None:
        return [
            error(
                "home.key",
                f"{facts.real_key}: a real key file: every start of this neard would sign, whoever is active",
                "make sure that this neard is stopped, move the file out of the home and point "
                "validator_key_file at it",
            )
        ]
    if facts.key_link is not None:
        return [info("home.key", "the guard's link is in place: this host signs, or is about to")]
    return [ok("home.key", "no validator key lies in neard's home")]


def _config(config: dict[str, Any], settings: Settings, chain_id: str, neard: str) -> list[Finding]:
    hot = settings.promotion == "hot"
    own = {name: value for name, value in config.items() if name not in OWN_FILES}
    old: list[str] = []
    if own.get("tracked_shards_config") is None:
        # An overlay may leave it out; a whole config.json without it says it by what came before it, or
        # tracks nothing.
        old = list(explain_old_shards(own))
        own["tracked_shards_config"] = effective_shards(own) or "NoShards"
        own = {name: value for name, value in own.items() if name not in OLD_SHARD_KEYS}
    shadow = hot and settings.standby.require_shadow
    result = check(own, settings.account_id, chain_id, hot=shadow, neard=neard)
    found = [
        error("home.config", f"config.json: {one}", f"correct config.json, {UNTIL_RESTART}")
        for one in result.errors
    ]
    found += [
        warning("home.config", f"config.json: {one}", f"change config.json, {UNTIL_RESTART}")
        for one in (*result.warnings, *old)
    ]
    rpc = config.get("rpc", {})
    if isinstance(rpc, dict) and "addr" not in rpc:
        found.append(
            warning(
                "home.config",
                f"config.json: rpc.addr is left out, and neard's default {DEFAULT_RPC_ADDR} lets other "
                "machines reach neard's RPC; 127.0.0.1 is enough",
                f"set rpc.addr, {UNTIL_RESTART}",
            )
        )
    store = config.get("store")
    if not isinstance(store, dict) or MEMTRIES not in store:
        found.append(
            warning(
                "home.memtries",
                f"config.json: store.{MEMTRIES} is not set, which makes the first chunks after a "
                "takeover slow",
                f"set it to true, {UNTIL_RESTART}",
            )
        )
    return found or [ok("home.config", "config.json is that of a standby")]
