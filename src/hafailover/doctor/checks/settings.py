"""Settings that are allowed, and are seldom meant."""

from __future__ import annotations

import ipaddress

from hafailover.config.settings import Settings
from hafailover.doctor.finding import Finding, info, ok, warning
from hafailover.timing import PROFILES

MOST_LAG_BLOCKS = 20
"""Ours: some 12 s on mainnet."""


def judge(settings: Settings) -> list[Finding]:
    found = []
    profile = PROFILES[settings.timing.profile]
    changed = [name for name in settings.timing.model_fields_set - {"profile"} if _differs(settings, name)]
    if changed:
        found.append(
            info(
                "settings.timing",
                f"changed from profile {profile.name}: {', '.join(sorted(changed))}; the rules of "
                "safety hold, but the figures measured are those of the profiles",
            )
        )
    if not settings.standby.require_shadow and settings.promotion == "hot":
        found.append(
            warning(
                "settings.require_shadow",
                "standby.require_shadow is off: a standby without the pool's state may take over, "
                "and sign nothing",
                "switch it on, and let neard track ShadowValidator",
            )
        )
    if settings.standby.min_peers == 0:
        found.append(
            warning(
                "settings.min_peers", "standby.min_peers is 0: a lonely neard is ready", "set it to 1 or more"
            )
        )
    if settings.standby.max_lag_blocks > MOST_LAG_BLOCKS:
        found.append(
            warning(
                "settings.max_lag_blocks",
                f"standby.max_lag_blocks is {settings.standby.max_lag_blocks}: a standby far behind is ready",
                "the default is 5",
            )
        )
    if not settings.listens_on_loopback and settings.http.token_file is None:
        found.append(
            info(
                "settings.listen",
                f"page and metrics can be read by whoever reaches {settings.listen}; no secret is there",
            )
        )
    if not settings.consul.address.startswith("https") and not _is_local(settings.consul.address):
        found.append(
            warning(
                "settings.consul",
                f"consul.address is another host's ({settings.consul.address}), unencrypted: "
                "the token can be read",
                "run a Consul agent on this host, and use that",
            )
        )
    return found or [ok("settings.all", f"profile {profile.name}, nothing unusual")]


def _differs(settings: Settings, name: str) -> bool:
    value = getattr(settings.timing, name)
    return value is not None and value != getattr(PROFILES[settings.timing.profile], name)


def _is_local(url: str) -> bool:
    host = url.partition("://")[2].rstrip("/")
    return _is_loopback(host.rpartition("]")[0].lstrip("[") if "]" in host else host.partition(":")[0])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
