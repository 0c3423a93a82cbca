"""Somebody else has the key: what the chain shows of work that no host of the pool did. Pure.

Consul knows nothing of an old validator that still runs, or of a second pool with a Consul of its own. The
chain does: a validator's blocks, chunks and endorsements are counted, and what was expected of it, too. A
holder with no active before it on record arms only once the chain has shown that nobody works for the account
(:func:`problem`); and every host that knows that no host of its pool signs takes growth for an alarm.
"""

from __future__ import annotations

import math

from hafailover.core import gates
from hafailover.core.beat import Beat, Phase, StoredBeat
from hafailover.core.changed import replace
from hafailover.core.effects import Effect, EndFirstTermOrder
from hafailover.core.production import NOT_WELL, UNKNOWN_S, Grade, HeadSeen, Tally, follow, stands_still
from hafailover.core.state import Hold, Stage, State
from hafailover.core.views import KeyState, NeardView
from hafailover.core.work import Counts, Duties, Evidence, Finding, Pass, Work
from hafailover.timing import LONGEST_GONE_WITHIN_S

SETTLE_S = 4.0
"""After an acquisition: by then the chain has counted what was under way, in two blocks or three."""
COUNT_S = 8.0
"""The same after the pool's last key is gone, before growth is an alarm: blocks may be slow."""
QUIET_S = 8.0
QUIET_DUTIES = 2
"""So long, and so many duties of one kind, must pass without work until it is shown that nobody works."""
IDLE_S = 90.0
"""Without any duty it takes so long: a small validator may be due for a block once a minute."""
STALE_S = 10.0
"""A look that is older says nothing."""
SURE_S = 3.0
"""An alarm waits so long for news of a signer of the pool: the watch on the heartbeat may be late."""
HEARD_S = 10.0
"""Consul must have answered within this time for its silence about a signer to count."""
BEHIND_BLOCKS = 5
"""A neard that is so far behind other hosts' catches up, so its newest block is as old as its timestamp says:
of the seven turns and more in 15 s, what is left where the others' heights are some seconds old."""
REMEMBERED_S = 600.0
"""So long an alarm stands after the last work that was seen, or until it is shown that nobody works."""


def nobody_on_record(stored: StoredBeat | None) -> bool:
    """Whether what the acquiring transaction read names nobody who may have signed before."""
    if stored is None:
        return True
    beat: Beat | None = stored.beat
    while beat is not None and beat.phase in (Phase.PASSED, Phase.WAITING):
        beat = beat.inherits
    return beat is None


def work_seen(state: State, work: Work, now: float) -> State:
    """Takes a look at the account's work in."""
    chain = state.chain
    evidence = _evidence(state, chain.evidence, work, now)
    duties = _duties(state, chain.duties, work)
    produced = follow(state.production, signs_since(state), work, _own_key(state))
    chain = replace(chain, work=work, error="", evidence=evidence, duties=duties)
    return replace(state, chain=chain, production=produced)


def work_failed(state: State, detail: str) -> State:
    return replace(state, chain=replace(state.chain, error=detail))


def own_block_seen(state: State, now: float) -> State:
    """A new block of the account, while this host waits: the time without work begins anew."""
    evidence = state.chain.evidence
    if evidence.base is None:
        return state
    evidence = replace(evidence, base=replace(evidence.base, looked_at=now), proved=False)
    return replace(state, chain=replace(state.chain, evidence=evidence))


def allowed(state: State, order: Pass | None) -> State:
    """An operator lets the pool sign first whatever the chain shows; or has taken that back."""
    return replace(state, chain=replace(state.chain, order=order))


def use_order(state: State, hold: Hold) -> tuple[State, list[Effect]]:
    """The order is for one first term: once that arms, it is over."""
    order = state.chain.order
    if not hold.first or order is None:
        return state, []
    return allowed(state, None), [EndFirstTermOrder(order.order, order.by, hold.term)]


def problem(state: State, now: float) -> str:
    """Why a holder with nobody before it on record must not arm yet; empty where it may."""
    hold, chain = state.hold, state.chain
    if hold is None or not hold.first or _is_allowed(state, now):
        return ""
    account = state.config.account_id
    if is_unknown(state, now):
        detail = f" ({chain.error})" if chain.error else ""
        return (
            f"neard does not tell what {account} does on the chain{detail}, so nothing shows that it is idle"
        )
    evidence = chain.evidence
    if evidence.proved and chain.work is not None and chain.work.looked_at >= hold.acquired_at + SETTLE_S:
        return ""
    if evidence.finding is not None:
        return text(state, now)
    return f"no active is on record; watching the chain for proof that nobody else signs for {account}"


def is_unknown(state: State, now: float) -> bool:
    """Whether no look at the account's work is recent enough to say anything."""
    work = state.chain.work
    return work is None or now - work.looked_at > STALE_S


def text(state: State, now: float) -> str:
    """What was found, and what to do; empty where nothing was."""
    finding = state.chain.evidence.finding
    if finding is None or not (finding.sure or _waits_first(state)):
        return ""
    return (
        f"somebody else signs for {state.config.account_id}: {finding.done} in {now - finding.began:.0f} s "
        "that no host of this pool did; look for another neard with this key (an old validator, a second "
        "Consul cluster) and stop it, or see hafailover allow-first-term"
    )


def is_alarm(state: State) -> bool:
    """Whether the account worked at a time when the pool had no signer."""
    finding = state.chain.evidence.finding
    return finding is not None and finding.sure


def undone(state: State, now: float) -> tuple[Counts, float] | None:
    """Duties that were due without any done, and for how long; ``None`` where this host does not sign."""
    duties, work = state.chain.duties, state.chain.work
    if duties.base is None or work is None or not _signs(state) or not _counts_known(state, now):
        return None
    # Up to the last look: what came since is not known.
    return duties.due, work.looked_at - duties.due_since if duties.due_since is not None else 0.0


def production(state: State, now: float) -> Tally | None:
    """The duties since this host signs; ``None`` where it does not.

    Nothing is called good unless neard has told of late both of its newest block and of the counts: each by
    itself looks well while the other does not. What was not well stays so until the silence is long enough to
    be told, and since when nothing arrives is known for as long as nothing shows that something does.
    """
    began, tally, head = signs_since(state), state.production, state.head_seen
    if began is None:
        return None
    if tally.began != began:
        tally = Tally(began)
    counts_known = tally.work is not None and _counts_known(state, now)
    head_known = head is not None and state.neard is not None and now - head.heard_at <= STALE_S
    # Counts that are told and bad are so whatever was known of the head before it fell silent.
    if head is not None and (head_known or not (counts_known and tally.grade in NOT_WELL)):
        tally = stands_still(tally, head)
    if (head_known and (counts_known or tally.grade is Grade.STILL)) or (
        counts_known and tally.grade in (Grade.DOUBT, Grade.DEAF, Grade.OTHER_KEY)
    ):
        return tally
    since, why = now, ""
    if not head_known:
        since, why = head.heard_at if head is not None else began, state.neard_error
    if not counts_known:
        work = state.chain.work
        since, why = min(since, work.answered_at if work is not None else began), state.chain.error or why
    since = max(began, since)
    if tally.grade in NOT_WELL and now - since < UNKNOWN_S:
        return replace(tally, unknown_since=since, why=why)
    return replace(tally, grade=Grade.UNKNOWN, alone=False, unknown_since=since, why=why)


def _own_key(state: State) -> str:
    """The pool's public key; empty if it is not known yet."""
    return state.pool_public_key or (state.guard.public_key if state.guard is not None else "")


def head_seen(state: State, neard: NeardView, now: float) -> State:
    """Takes in what neard says of its newest block: when it was made, for :func:`production`.

    That is when it was first seen here. Its timestamp makes it older only where this neard catches up: each
    block is stamped later than the one before, so a single validator whose clock is ahead shifts the stamps
    of all blocks for as long, and what is learned from those makes the blocks after them look old.
    """
    before = state.head_seen
    first_seen_at = before.first_seen_at if before is not None and before.height == neard.height else now
    lag, made_at = gates.lag(state), first_seen_at
    if (neard.syncing or lag >= BEHIND_BLOCKS) and math.isfinite(neard.head_age_s):
        made_at = min(made_at, (neard.looked_at if neard.looked_at is not None else now) - neard.head_age_s)
    return replace(state, head_seen=HeadSeen(neard.height, first_seen_at, now, made_at, lag > 0))


def _counts_known(state: State, now: float) -> bool:
    """Whether neard has told the counts of late, however long it took to answer."""
    work = state.chain.work
    return work is not None and now - work.answered_at <= STALE_S


def signs_since(state: State) -> float | None:
    """Since when this host signs, by its guard; ``None`` where it does not."""
    if not _signs(state):
        return None
    if state.forced is not None:
        return state.forced.loaded_at
    return state.hold.stage_since if state.hold is not None else None


def _is_allowed(state: State, now: float) -> bool:
    order = state.chain.order
    return order is not None and now < order.until


def _waits_first(state: State) -> bool:
    hold = state.hold
    return hold is not None and hold.stage is Stage.WAITING and hold.first


def _evidence(state: State, before: Evidence, work: Work, now: float) -> Evidence:
    start, finding = _starts_at(state, now), _checked(state, before.finding, now)
    if start is None or work.looked_at < start:
        return Evidence(None, finding)
    base = before.base
    if not work.validator:
        return Evidence(work, None, proved=True)
    if base is None or base.looked_at < start:
        return Evidence(work, finding)
    since = work.since(base)
    if since is None:
        return Evidence(work, finding)
    produced, expected = since
    if produced.total:
        return Evidence(work, _found(state, finding, base, work, produced, now))
    if work.epoch != base.epoch:
        return Evidence(work, finding)
    # neard counted at the end of that time at the latest.
    span = work.looked_at - base.looked_at - base.took_s
    if span >= IDLE_S or (span >= QUIET_S and expected.most >= QUIET_DUTIES):
        return Evidence(base, None, proved=True)
    return Evidence(base, finding)


def _found(
    state: State, finding: Finding | None, base: Work, work: Work, produced: Counts, now: float
) -> Finding:
    quiet = _quiet_since(state, now)
    grave = quiet is not None and base.looked_at >= quiet
    if finding is None or (grave and finding.grave_at is None):
        return Finding(produced, base.looked_at, work.looked_at, work.looked_at if grave else None)
    return replace(finding, done=finding.done.plus(produced), last=work.looked_at)


def _checked(state: State, finding: Finding | None, now: float) -> Finding | None:
    """The finding as what was learned since makes it: an alarm, none, or nothing that is still true."""
    if finding is None:
        return None
    if finding.sure:
        return finding if now - finding.last < REMEMBERED_S else None
    quiet = _quiet_since(state, now)
    if finding.grave_at is None or quiet is None or quiet > finding.began:
        return replace(finding, grave_at=None) if _waits_first(state) else None
    if now - finding.grave_at >= SURE_S and state.answered_at >= finding.grave_at:
        return replace(finding, sure=True)
    return finding


def _starts_at(state: State, now: float) -> float | None:
    """From when on growth says something; ``None``: not now."""
    hold = state.hold
    if hold is not None and _waits_first(state):
        return hold.acquired_at + SETTLE_S if not gates.neard_problems(state, now) else None
    return _quiet_since(state, now)


def _quiet_since(state: State, now: float) -> float | None:
    """Since when no host of the pool can have signed, with time to count what was signed before.

    ``None`` where one may sign now, or this host cannot know: without Consul's news, or without the chain's.
    """
    guard, lock, watched = state.guard, state.lock, state.watching_since
    if state.forced is not None or guard is None or guard.key is not KeyState.ABSENT:
        return None
    if watched is None or now - state.answered_at > HEARD_S:
        return None
    if gates.neard_problems(state, now) or state.neard is None or not state.neard.steady:
        return None
    hold = state.hold
    if hold is not None:
        if hold.stage is not Stage.WAITING:
            return None
        return max(hold.wait.not_before, hold.doubt_until) + COUNT_S
    if state.acquiring or lock is None or lock.session is not None or state.free_since is None:
        return None
    gone = [sight.first_seen + sight.gone_within_s for sight in state.sightings.seen]
    return max(watched + LONGEST_GONE_WITHIN_S, state.free_since, *gone) + COUNT_S


def _signs(state: State) -> bool:
    if state.forced is not None:
        return state.forced.loaded_at is not None and not state.forced.leaving
    return state.hold is not None and state.hold.stage is Stage.ARMED


def _duties(state: State, before: Duties, work: Work) -> Duties:
    if not _signs(state):
        return Duties()
    if before.base is None or not work.validator or work.epoch != before.base.epoch:
        return Duties(work)
    since = work.since(before.base)
    if since is None or since[0].total:
        return Duties(work)
    due = since[1]
    since_when = before.due_since if before.due_since is not None else work.looked_at
    return Duties(before.base, due, since_when if due.total else None)
