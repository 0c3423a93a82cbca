"""What the chain shows of the active's duties, as a record holds it and in words. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from hafailover.core.production import BAD, LEAST, LONG, NOT_WELL, UNKNOWN_S, Grade, Kind, Share, Tally
from hafailover.core.work import Counts
from hafailover.observe.records import DutyRecord, NodeRecord, ProductionRecord
from hafailover.text import one_line

MOST = (1 << 63) - 1
"""What neard counts is not to be believed beyond reason: a record holds 63 bits."""
LONGEST_TIME = 40
LONGEST_WHY = 200
RUNBOOK = "docs/runbook.md#hafailovernotproducing"
UNKNOWN_RUNBOOK = "docs/runbook.md#hafailoverproductionunknown"
UNTOLD = "look how long its neard takes to answer the RPC's validators, and at its load"
TRAVELS_S = 60.0
"""So long the news of a new holder may take on its way: up to neard 2.13, 10 s for each hop after the first
(docs/decisions/validator-routing.md)."""
OUTLIVE_S = 20 * 60.0
"""Connections with a host that has vanished are over by then: Linux gives them up in some 15 min."""
DIRECT = (
    "peers may still send to the host before it (TIER1 connections that nobody has closed): restart its "
    "neard, or bring that machine's network back; another switchover changes nothing"
)
RELAYED_YOUNG = (
    "the news of the new holder may not have reached all validators yet (10 s a hop up to neard 2.13): "
    "wait a minute; then restart the neard of the host before it, which may still name itself"
)
RELAYED = (
    "the neard of the host before it may still name itself as the holder (its restart failed, or "
    "standby.restart_after_drop is false): restart it; else look at this neard's own peers and load"
)
ENOUGH_BEFORE = 10
"""So many duties, three quarters of them done, show that the network had found the host."""
ITS_OWN = "look at its neard's peers, port and load; if a standby is ready, hafailover switchover --now"
CAUSE = (
    "if the key came here lately, peers may still send to the host before it (with direct routing: TIER1 "
    "connections that nobody has closed): restart the neard there; else look at its neard's peers and ports"
)
"""Where the host does not tell how its messages are routed."""
CUT_OFF = (
    "if others have newer blocks (an explorer, a neard elsewhere), look at this site's uplink, its firewall "
    "and neard's port; a standby at another site produces after hafailover switchover --now --to HOST"
)
SEAT_RUNBOOK = "docs/runbook.md#hafailoveractivenotvalidating"
SEATLESS = "the account has no seat yet, or has lost it: compare its stake with the price of a seat"
OTHER_KEY = (
    "find out who holds the staked key; then stake again with this pool's key (it counts two epochs later), "
    "or put the staked key on every host of the pool"
)
ALONE = "look at its neard: log, disk, peers; if a standby is ready, hafailover switchover --now"


def record_of(tally: Tally | None, now: float, routing: str = "") -> ProductionRecord | None:
    """As the host that signs publishes it; ``None`` where there is nothing to tell.

    :param routing: the setting ``neard.validator_routing``.
    :param now: CLOCK_BOOTTIME.
    """
    if tally is None or tally.began is None:
        return None
    done, due = (tally.work.produced, tally.work.expected) if tally.work is not None else (Counts(), Counts())
    blocks, chunks, endorsements = tally.recents
    began = datetime.fromtimestamp(datetime.now(UTC).timestamp() - (now - tally.began), UTC)
    return ProductionRecord(
        grade=str(tally.grade),
        since=began.strftime("%H:%M:%S UTC"),
        blocks=_duty(tally.blocks, blocks, Share(done.blocks, due.blocks), now),
        chunks=_duty(tally.chunks, chunks, Share(done.chunks, due.chunks), now),
        endorsements=_duty(tally.endorsements, endorsements, Share(done.endorsements, due.endorsements), now),
        head_age_s=round(max(0.0, now - tally.head_made_at), 1) if tally.head_made_at is not None else None,
        alone=tally.alone,
        unknown_s=round(max(0.0, now - tally.unknown_since), 1) if tally.unknown_since is not None else 0.0,
        why=tally.why[:LONGEST_WHY],
        routing=routing,
        signs_s=round(max(0.0, now - tally.began), 1),
    )


def _duty(kind: Kind, recent: Share, epoch: Share, now: float) -> DutyRecord:
    longer = kind.last(LONG)
    return DutyRecord(
        produced=min(kind.whole.produced, MOST),
        expected=min(kind.whole.expected, MOST),
        recent_produced=min(recent.produced, MOST),
        recent_expected=min(recent.expected, MOST),
        long_produced=min(longer.produced, MOST),
        long_expected=min(longer.expected, MOST),
        epoch_produced=min(epoch.produced, MOST),
        epoch_expected=min(epoch.expected, MOST),
        last_s=round(max(0.0, now - kind.done_at), 1) if kind.done_at is not None else None,
    )


def is_bad(production: ProductionRecord | None) -> bool:
    """Whether the host holds the key and its work does not arrive, or is not yet seen to."""
    return is_producing(production) is False


def is_producing(production: ProductionRecord | None) -> bool | None:
    """``None`` where it is not known, or nothing was due yet."""
    if production is None:
        return None
    grade = _grade(production)
    return True if grade is Grade.GOOD else False if grade in NOT_WELL else None


def is_seatless(production: ProductionRecord | None) -> bool:
    """Whether the host signs for an account that is no validator of this epoch."""
    return production is not None and _grade(production) is Grade.NO_VALIDATOR


def is_unknown(production: ProductionRecord | None) -> bool:
    """Whether the host signs and nobody has known for long what comes of it."""
    if production is None or _grade(production) is not Grade.UNKNOWN:
        return False
    return production.unknown_s >= UNKNOWN_S


def is_unwell(production: ProductionRecord | None) -> bool:
    """Whether a host that signs is never to be called well: what it does is bad, unknown, or for nothing."""
    return is_bad(production) or is_unknown(production) or is_seatless(production)


def is_alarming(production: ProductionRecord | None) -> bool:
    """Whether somebody is woken for it: nothing arrives, or nobody would see it if that were so."""
    return production is not None and (_grade(production) in BAD or is_unknown(production))


def trouble(production: ProductionRecord | None) -> str:
    """The same as :func:`words` where that is not well; else empty."""
    return words(production) if is_unwell(production) else ""


def brief_trouble(tally: Tally | None, now: float) -> str:
    """The same without figures and what came from neard, for where it stands until the next change."""
    if tally is None or tally.grade in (Grade.GOOD, Grade.NOT_DUE):
        # Asked at every step, and a record is dear.
        return ""
    return trouble(record_of(tally, now)).partition(":")[0]


def _grade(production: ProductionRecord) -> Grade:
    try:
        return Grade(production.grade)
    except ValueError:
        return Grade.UNKNOWN


def words(production: ProductionRecord | None) -> str:
    """What is to be said of a host that signs, after its name; empty where nothing is known."""
    if production is None:
        return ""
    since = one_line(production.since[:LONGEST_TIME])
    match _grade(production):
        case Grade.GOOD:
            return f"signs, and produces{low(production)} ({_last(production)}{_all(production)})"
        case Grade.NOT_DUE:
            return f"signs, and no duty has been due since {since}"
        case Grade.NO_VALIDATOR:
            return "holds the key, but the account is no validator of this epoch: nothing is due"
        case Grade.OTHER_KEY:
            return "holds the key, but the account's stake is with another key: nothing that it signs counts"
        case Grade.DOUBT:
            return f"holds the key, and what it does is not seen to arrive yet: {_worst(production, since)}"
        case Grade.DEAF:
            much = "nothing" if _is_nothing(production) else "little"
            return f"holds the key, and {much} of it arrives: {_worst(production, since)}"
        case Grade.STILL:
            age = f"last block {_ago(production.head_age_s or 0.0)} ago"
            if production.alone:
                return f"holds the key, but its neard stands still while other hosts' go on: {age}"
            return f"holds the key, but the chain stands still, or this site is cut off from it: {age}"
        case Grade.UNKNOWN if is_unknown(production):
            why = one_line(production.why[:LONGEST_WHY]) or "no answer"
            silent = f"neard has not told for {_ago(production.unknown_s)} ({why})"
            return f"signs; whether it produces is not known: {silent}"
    return ""


def low(production: ProductionRecord | None) -> str:
    """How much of its duties a host does that does too few to be well, and enough to be heard; else empty."""
    if production is None or _grade(production) is not Grade.GOOD:
        return ""
    found = [
        (one.long_produced / one.long_expected, one, name)
        for name, one in _kinds(production)
        if one.long_expected >= LONG and one.long_produced < LEAST * one.long_expected
    ]
    if not found:
        return ""
    part, duty, name = min(found, key=lambda one: one[0])
    counts = f"{duty.long_produced} of the last {duty.long_expected} {name}s"
    return f" {math.floor(100 * part)} % of its duties: {counts}"


def epoch_words(production: ProductionRecord | None) -> str:
    """What the account did in this epoch, by whichever host; empty where it is not known or none was due."""
    if production is None:
        return ""
    counts = [
        f"{duty.epoch_produced} of {duty.epoch_expected} {name}s"
        for name, duty in _kinds(production)
        if duty.epoch_expected
    ]
    return f"in this epoch {', '.join(counts)}" if counts else ""


def advice(production: ProductionRecord | None) -> str:
    """The likely cause and what to do; empty where all is well."""
    if is_unknown(production):
        return f"{UNTOLD}; see {UNKNOWN_RUNBOOK}"
    if is_seatless(production):
        return f"{SEATLESS}; see {SEAT_RUNBOOK}"
    if production is None or not is_bad(production):
        return ""
    return f"{_cause(production)}; see {RUNBOOK}"


def _cause(production: ProductionRecord) -> str:
    if _grade(production) is Grade.OTHER_KEY:
        return OTHER_KEY
    if _grade(production) is Grade.STILL:
        return ALONE if production.alone else CUT_OFF
    signs_s = production.signs_s
    if _produced_before(production):
        return ITS_OWN
    if signs_s is None or production.routing not in ("relayed", "direct"):
        return CAUSE
    if production.routing == "direct":
        return DIRECT if signs_s < OUTLIVE_S else ITS_OWN
    return RELAYED_YOUNG if signs_s < TRAVELS_S else RELAYED


def _produced_before(production: ProductionRecord) -> bool:
    """Whether what is missed now was done since the key was loaded: then peers have found this host."""
    found = [duty for _, duty in _suffering(production)]
    done = sum(one.produced - one.recent_produced for one in found)
    due = sum(one.expected - one.recent_expected for one in found)
    return due >= ENOUGH_BEFORE and 4 * done >= 3 * due


def of_active(active: NodeRecord | None) -> ProductionRecord | None:
    return active.production if active is not None else None


def _kinds(production: ProductionRecord) -> list[tuple[str, DutyRecord]]:
    return [
        ("block", production.blocks),
        ("chunk", production.chunks),
        ("endorsement", production.endorsements),
    ]


def _last(production: ProductionRecord) -> str:
    """When a duty was last done, of the most telling kind that was."""
    for name, duty in _kinds(production):
        if duty.last_s is not None:
            return f"last {name} {_ago(duty.last_s)} ago, "
    return ""


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _all(production: ProductionRecord) -> str:
    done = sum(duty.produced for _, duty in _kinds(production))
    return f"{done} of {sum(duty.expected for _, duty in _kinds(production))} duties"


def _suffering(production: ProductionRecord) -> list[tuple[str, DutyRecord]]:
    """The kinds that are missed, or where none stands out, all that were due."""
    due = [(name, duty) for name, duty in _kinds(production) if duty.recent_expected]
    return [one for one in due if 2 * one[1].recent_produced < one[1].recent_expected] or due


def _is_nothing(production: ProductionRecord) -> bool:
    found = [duty for _, duty in _suffering(production)]
    return 10 * sum(one.recent_produced for one in found) <= sum(one.recent_expected for one in found)


def _worst(production: ProductionRecord, since: str) -> str:
    found = _suffering(production)
    if all(duty.recent_expected == duty.expected for _, duty in found):
        counts = ", ".join(f"{duty.produced} of {duty.expected} {name}s" for name, duty in found)
        return f"{counts} since {since}"
    counts = ", ".join(
        f"{duty.recent_produced} of the last {duty.recent_expected} {name}s" for name, duty in found
    )
    whole = ", ".join(f"{duty.produced} of {duty.expected} {name}s" for name, duty in found)
    return f"{counts} ({whole} since {since})"
