"""Who may stand and who may sign: each gate is a sentence when it is shut."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from hafailover.core.beat import Phase
from hafailover.core.state import Config, State
from hafailover.core.views import KNOWN_BY_BLOCKS, KeyState, Member, NeardPhase, seconded
from hafailover.timing import GUARD_SILENCE_S, LONGEST_GONE_WITHIN_S

PAUSED = "automatic failover is paused"
DRAINED = "drained by an operator"

FASTEST_BLOCKS_PER_S = 20.0
"""No chain makes more: NEAR's mainnet and testnet some 1.7, a localnet for tests ten at the most."""
SLACK_S = 10.0
"""For what is old in a head's age and in another's claim: how often both are told, and a late block."""

OLD_S = 5.0
"""A head that is older may well be behind: blocks come every 0.6 to 1.3 s, seldom several turns late."""

VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def known_height(state: State) -> int:
    """The highest block height that is believed to be reached, by what the hosts of the pool report.

    Each host's record is one claim. The holder's beat, which its lease vouches for, is believed by itself. Of
    the records the highest is believed only if another host supports it, where there is another to ask: one
    host alone must not disqualify all others, unless their own heads are old. Nobody is believed to be where
    no chain could be by now.
    """
    neard, limit = state.neard, _reachable(state)
    claims = {m.node: m.height for m in state.members if m.alive and m.height <= limit}
    if neard is not None:
        claims[state.config.node] = neard.height
    beat = state.heartbeat.beat if state.heartbeat else None
    vouched = 0
    if beat is not None and beat.height <= limit:
        vouched = beat.height
        claims[beat.node] = max(beat.height, claims.get(beat.node, 0))
    if neard is None or neard.head_age_s > OLD_S:
        return max(claims.values(), default=0)
    return max(vouched, seconded(claims.values()))


def _reachable(state: State) -> float:
    """The height that no chain can be above by now, as far as this host's own head tells."""
    neard = state.neard
    return neard.height + (neard.head_age_s + SLACK_S) * FASTEST_BLOCKS_PER_S if neard else math.inf


def head_height(state: State) -> int:
    """The highest head that this host's neard is known to have had."""
    return max(state.last_head, state.guard.height if state.guard else 0)


def lag(state: State) -> int:
    """How many blocks this host's neard is behind what the others report."""
    return known_height(state) - state.neard.height if state.neard else 0


def is_paused(state: State, now: float) -> bool:
    """Whether nobody may take over by itself."""
    return now < state.orders.paused_until


def is_drained(state: State) -> bool:
    """Whether this host is not to sign."""
    return state.config.node in state.orders.drained


def guard_is_silent(state: State, now: float) -> bool:
    """Whether a connected guard has said nothing for too long; it answers every second."""
    return state.guard is not None and now - state.guard_at > GUARD_SILENCE_S


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. ``shut``: why it is not met now, or an empty text, also where that is not ``known``."""

    name: str
    shut: Callable[[State, float], str]
    known: Callable[[State], bool] = lambda _: True


def _guard_connected(state: State, _: float) -> str:
    return "the guard is not connected" if state.guard is None else ""


def _guard_answers(state: State, now: float) -> str:
    return (
        f"the guard has been silent for {now - state.guard_at:.0f} s" if guard_is_silent(state, now) else ""
    )


def _neard_runs(state: State, _: float) -> str:
    up = state.guard is not None and state.guard.neard is NeardPhase.UP
    return "" if up or state.guard is None else f"neard is {state.guard.neard}"


def _rpc_has_answered(state: State, _: float) -> str:
    silent = state.neard is None or state.neard_at is None
    return f"neard's RPC does not answer{_detail(state.neard_error)}" if silent else ""


def _rpc_answers(state: State, now: float) -> str:
    since = now - (state.neard_at if state.neard_at is not None else now)
    if since <= state.config.rpc_silent_s:
        return ""
    return f"neard's RPC has not answered for {since:.0f} s{_detail(state.neard_error)}"


def _in_sync(state: State, _: float) -> str:
    return "neard is syncing" if state.neard is not None and state.neard.syncing else ""


def _not_behind(state: State, _: float) -> str:
    behind, most = lag(state), state.config.max_lag_blocks
    return f"neard is {behind} blocks behind, more than {most}" if behind > most else ""


def _head_moves(state: State, now: float) -> str:
    age = now - state.height_at
    # A chain that stands still for everybody is no fault of this host: its pool may be what it waits for.
    still = age > state.config.max_head_age_s and lag(state) > 0
    return f"neard's head has not moved for {age:.0f} s" if still else ""


def _has_peers(state: State, _: float) -> str:
    peers, least = state.neard.peers if state.neard else None, state.config.min_peers
    return f"neard has {peers} peers, fewer than {least}" if peers is not None and peers < least else ""


def _not_drained(state: State, _: float) -> str:
    return DRAINED if is_drained(state) else ""


def _has_session(state: State, _: float) -> str:
    return "no session with Consul" if state.session is None else ""


def _in_roster(state: State, _: float) -> str:
    """Whom the others do not see, they do not hand over to, and its operator sees it as gone."""
    if state.session is None or state.members_at < 0:
        return ""
    if any(m.node == state.config.node and m.alive for m in state.members):
        return ""
    return "this host's record is missing from the pool's in Consul"


def _key_is_good(state: State, _: float) -> str:
    return "; ".join(key_problems(state))


def _tracks_shards(state: State, _: float) -> str:
    config = state.config
    asked = config.hot_swap and config.require_shadow
    if not asked or state.neard is None or state.neard.shadow is not False:
        return ""
    return (
        "neard does not track the pool's shards: set tracked_shards_config to "
        f'{{"ShadowValidator": "{config.account_id}"}} in config.json'
    )


def _not_older(state: State, _: float) -> str:
    return older_than_active(state) or ""


NEARD_AT_ALL = (
    Gate("guard connected", _guard_connected),
    Gate("guard answers", _guard_answers),
    Gate("neard runs", _neard_runs),
    Gate("neard's RPC has answered", _rpc_has_answered),
)
"""Where one of these is shut, the rest of neard is not known."""
NEARD_FIT = (
    Gate("neard's RPC answers", _rpc_answers),
    Gate("neard in sync", _in_sync),
    Gate("neard not behind", _not_behind),
    Gate("neard's head moves", _head_moves),
    Gate("neard has peers", _has_peers),
)
STANDBY_BEFORE = (
    Gate("not drained", _not_drained),
    Gate("session with Consul", _has_session),
    Gate("in the pool's roster", _in_roster),
)
STANDBY_AFTER = (
    Gate("key good", _key_is_good, lambda state: state.guard is not None),
    Gate("neard tracks the pool's shards", _tracks_shards, lambda state: state.neard is not None),
    Gate("neard not older than the active's", _not_older, lambda state: state.neard is not None),
)


def neard_problems(state: State, now: float) -> list[str]:
    """Why this host's neard is not fit to sign now; empty if it is."""
    for gate in NEARD_AT_ALL:
        if text := gate.shut(state, now):
            return [text]
    return _shut(NEARD_FIT, state, now)


def standby_problems(state: State, now: float) -> list[str]:
    """Why this host could not take over now; empty if it is a ready standby."""
    return [
        *_shut(STANDBY_BEFORE, state, now),
        *neard_problems(state, now),
        *_shut(STANDBY_AFTER, state, now),
    ]


def checklist(state: State, now: float) -> dict[str, str | None]:
    """Every gate of a standby by name: an empty text where it is open, ``None`` where nothing is known."""
    found: dict[str, str | None] = {gate.name: gate.shut(state, now) for gate in STANDBY_BEFORE}
    known = True
    for gate in NEARD_AT_ALL:
        found[gate.name] = gate.shut(state, now) if known else None
        known = known and not found[gate.name]
    for gate in NEARD_FIT:
        found[gate.name] = gate.shut(state, now) if known else None
    return found | {g.name: g.shut(state, now) if g.known(state) else None for g in STANDBY_AFTER}


def _shut(gates: tuple[Gate, ...], state: State, now: float) -> list[str]:
    return [text for gate in gates if (text := gate.shut(state, now))]


def promise_s(state: State) -> float:
    """What a beat of this host may promise as ``gone_within``, in seconds.

    The guard goes by the drop budget that it was started with, perhaps by other settings than the agent's.
    """
    profile, guard = state.config.profile, state.guard
    return profile.fence_after_s + max(profile.drop_budget_s, guard.drop_budget_s if guard else 0.0)


def key_problems(state: State) -> list[str]:
    """What is wrong with the credential that the guard would load."""
    guard = state.guard
    if guard is None:
        return []
    problems = [guard.problem] if guard.problem else []
    if promise_s(state) > LONGEST_GONE_WITHIN_S:
        problems.append(
            f"the guard was started with a drop budget of {guard.drop_budget_s:g} s; "
            "restart it with the present settings"
        )
    if guard.account_id and guard.account_id != state.config.account_id:
        problems.append(f"the guard's key is of account {guard.account_id}, not {state.config.account_id}")
    if state.pool_public_key and guard.public_key and guard.public_key != state.pool_public_key:
        problems.append("the credential's public key is not the one on record for the pool")
    return problems


def older_than_active(state: State) -> str | None:
    """A neard older than the active's may be kicked out for its protocol version."""
    version = state.neard.version if state.neard else ""
    mine = _version(version)
    if mine is None or state.heartbeat is None or state.heartbeat.beat.phase is not Phase.ACTIVE:
        return None
    for member in state.members:
        if member.node == state.heartbeat.beat.node and member.alive and member.node != state.config.node:
            theirs = _version(member.neard_version)
            if theirs is not None and mine < theirs:
                return f"neard {version} is older than the active's {member.neard_version}"
    return None


def arming_problems(state: State, now: float) -> list[str]:
    """Why a holder whose wait is over must not arm yet."""
    hold = state.hold
    assert hold is not None
    problems = neard_problems(state, now) + key_problems(state)
    if problems:
        return problems
    assert state.neard is not None and state.neard_at is not None and state.guard is not None
    if state.neard_at < hold.acquired_at:
        return ["neard was not looked at since the lock was acquired"]
    if state.guard.key is not KeyState.ABSENT:
        return [f"the key is {state.guard.key}, not absent"]
    predecessor = hold.predecessor.beat if hold.predecessor else None
    if predecessor is not None:
        full_wait = hold.acquired_at + state.config.profile.successor_wait_s(predecessor.gone_within_s)
        if state.neard.height < predecessor.height and now < full_wait:
            problems.append(
                f"head {state.neard.height} is below {predecessor.height}, which the predecessor had"
            )
    if hold.wait.unplanned and now < hold.wait.not_before + state.config.settle_s:
        problems.append("the predecessor's last block may still be under way")
    # The chain as a witness: the predecessor's key was gone by then, so a new block means another signer.
    # One with nobody before it goes by all of the account's work: hafailover.core.foreign.
    witnessed = hold.witnessed_at if not hold.first else None
    if witnessed is not None and witnessed > hold.wait.suspicious_after:
        problems.append("the chain shows a new block of the pool: somebody else still signs")
    return problems


def stale_head(state: State, now: float) -> str:
    """Why this host must not arm although its neard is fit: it may not know yet what its predecessor signed.

    After a cut, neard's connections take as long again to recover, and until then nothing tells an old head
    from a chain at rest. Whoever is armed in between signs heights that the predecessor has signed already.
    """
    hold, neard = state.hold, state.neard
    assert hold is not None
    if neard is None or state.neard_at is None:
        return ""
    looked_at = neard.looked_at if neard.looked_at is not None else state.neard_at
    gone_at = max(hold.wait.gone_at, hold.doubt_until - state.config.profile.margin_s)
    if _is_below_the_predecessor(state):
        gone_at = max(gone_at, hold.acquired_at)
    elif hold.wait.at_once and neard.live and looked_at >= hold.wait.gone_at and not hold.doubt_until:
        # All blocks have come in time, and the last one has had its time, too.
        return ""
    made_at = looked_at - neard.head_age_s
    if made_at >= gone_at or now - max(state.height_at, state.quiet_since) > state.config.max_head_age_s:
        return ""
    return f"head {neard.height} is from before the predecessor's key was gone; waiting for a newer block"


def _is_below_the_predecessor(state: State) -> bool:
    assert state.hold is not None and state.neard is not None
    predecessor = state.hold.predecessor
    return predecessor is not None and state.neard.height < predecessor.beat.height


def is_behind_a_ready_standby(state: State) -> bool:
    """Whether another host that could sign knows more of the chain, and not more than can be."""
    return any(head_height(state) < member.height <= _reachable(state) for member in ready_standbys(state))


def better_standby(state: State) -> bool:
    """Whether another ready standby ranks above this host: operator's priority first, then lag."""
    mine = (state.config.priority, -_lag_class(lag(state), state.config))
    return any(
        m.alive
        and m.ready
        and m.node != state.config.node
        and (m.priority, -_lag_class(m.lag, state.config)) > mine
        for m in state.members
    )


def ready_standbys(state: State) -> list[Member]:
    """The other hosts that could take over, best first."""
    ready = [m for m in state.members if m.alive and m.ready and m.node != state.config.node]
    return sorted(ready, key=lambda m: (-m.priority, m.lag, m.node))


def is_steady(state: State) -> bool:
    """Whether a planned handover to this host costs nothing: no block is awaited, and no restart is due."""
    tainted = state.guard is not None and state.guard.tainted
    restart_due = tainted and state.config.restart_after_drop
    neard = state.neard
    return neard is not None and neard.steady and neard.blocks_lacking == 0 and not restart_due


def why_head_age_is_unknown(state: State) -> str:
    """How far this host still is from knowing how old its head is; empty if it knows."""
    lacking = state.neard.blocks_lacking if state.neard else 0
    seen = max(0, KNOWN_BY_BLOCKS - lacking)
    return f"it knows {seen} of {KNOWN_BY_BLOCKS} blocks" if lacking else ""


def _lag_class(blocks: int, config: Config) -> int:
    # Reports are seconds old, so a block or two is no difference.
    return 0 if blocks <= max(2, config.max_lag_blocks // 2) else 1


def _version(text: str) -> tuple[int, ...] | None:
    match = VERSION.search(text)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def _detail(text: str) -> str:
    return f" ({text})" if text else ""
