"""The pool at a glance: from the lease and the hosts' records, who signs, who could, and if that is safe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.views import LockView, Role
from hafailover.core.work import IDLE_ACTIVE_S
from hafailover.lock.roster import Entry
from hafailover.observe.budget import early_words, pools_budget, unknown_to_pool
from hafailover.observe.history import Change, changes, drills
from hafailover.observe.production import (
    advice,
    epoch_words,
    is_producing,
    is_unwell,
    of_active,
    trouble,
    words,
)
from hafailover.observe.records import Budget, NodeRecord, TermRecord, parse_record
from hafailover.observe.warnings import ConsulView, Still, of_junk, warnings
from hafailover.orders.documents import OrderBook
from hafailover.text import one_line

LONGEST_TEXT = 500
"""What is shown at most of a text that another host wrote."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What ``hafailover status`` shows."""

    account_id: str
    ok: bool
    """Exactly one host is active and is known to do its duties, a standby is ready, nobody else signs, and no
    guard has an alarm."""
    verdict: str
    active: str | None
    term: int | None
    active_since: str | None
    """UTC, of the active's wall clock."""
    hosts: tuple[NodeRecord, ...]
    paused: str | None = None
    """Until when nobody takes over by itself, by whose order and why."""
    drained: tuple[str, ...] = ()
    """Hosts that are not to sign, by whose order and why."""
    plan: str | None = None
    """The switchover that is planned."""
    last_change: Change | None = None
    consul: ConsulView | None = None
    """``None`` if Consul did not tell."""
    warnings: tuple[str, ...] = ()
    last_drill: TermRecord | None = None
    duties: str = ""
    """Since when no duty of the active was seen done; empty where one was of late, or it is not known."""
    production: str = ""
    """What the active does of its duties by the chain, and if it fails why that may be; empty: not known."""
    producing: bool | None = None
    """Whether what the active signs gets into the chain; ``None``: not known, or nothing was due yet."""
    this_epoch: str = ""
    """What the account did in this epoch, by whichever host; empty: not known, or nothing was due."""
    window: tuple[int, int] | None = None
    """The next heights without a duty, from the first up to but without the second; ``None``: not known."""
    stale: bool = False
    """Consul has no leader: this is what one of its servers knew last, and nothing is ``ok``."""
    stuck: str | None = None
    """Consul carries no write out, and what to do: nobody's lease can be proved, and nothing is ``ok``."""
    beat_still_s: float | None = None
    """For how long at least the newest beat has not been followed by another; ``None``: it moves."""
    junk: str | None = None
    """What lies below the pool's prefix in Consul and is no record, in a sentence."""
    budget: Budget | None = None
    """What the validator may still miss in this epoch; ``None``: not known, or it is none."""
    early_kickout: str = ""
    """How many chunks may still be missed on each shard; empty: the rule is not in force, or nobody knows."""
    budget_unknown: str = ""
    """That no host knows what may still be missed, and why; empty: one does, or the account has no seat."""

    @property
    def standbys(self) -> list[NodeRecord]:
        """The hosts beside the active that could take over, best first."""
        return ready_standbys(self.hosts, self.active)

    def to_plain(self) -> dict[str, Any]:
        """For ``--json``."""
        plain = asdict(self)
        plain["hosts"] = [host.model_dump() for host in self.hosts]
        plain["budget"] = self.budget.model_dump() if self.budget is not None else None
        plain["last_drill"] = self.last_drill.model_dump() if self.last_drill is not None else None
        return plain


def ready_standbys(hosts: Iterable[NodeRecord], active: str | None) -> list[NodeRecord]:
    """Those beside the active that could take over, in the order in which the core takes them."""
    ready = [host for host in hosts if host.ready and host.node != active]
    return sorted(ready, key=lambda host: (-host.priority, host.lag, host.node))


def overview(
    account_id: str,
    lock: LockView,
    heartbeat: StoredBeat | None,
    entries: list[Entry],
    history: list[TermRecord],
    book: OrderBook | None = None,
    consul: ConsulView | None = None,
    *,
    stale: bool = False,
    junk: Sequence[str] = (),
    still: Still | None = None,
) -> Overview:
    """Puts together what Consul holds of a pool. Pure but for the wall clock, which ends a pause.

    A host counts as active when it holds the lock, its last beat says so, and its own record does not differ.

    :param junk: keys below the pool's prefix that are no records.
    :param still: the newest beat does not move, or Consul does not commit.
    """
    hosts = tuple(_host(entry) for entry in entries)
    if stale:
        hosts = tuple(host.model_copy(update={"lease_left_s": None}) for host in hosts)
    claims = [host.node for host in hosts if host.role == Role.ACTIVE]
    beat = heartbeat.beat if heartbeat else None
    holder = beat.node if lock.session and beat and beat.phase is Phase.ACTIVE else None
    active = holder if holder in claims else None
    ready = [host for host in hosts if host.ready and host.node != active]
    budget, unknown = pools_budget(hosts, active), unknown_to_pool(hosts, active)
    book = book or OrderBook()
    paused = _paused(book)
    rows, held = changes(history), drills(history)
    foreign = next((one_line(host.foreign[:LONGEST_TEXT]) for host in hosts if host.foreign), "")
    signer = next((host for host in hosts if host.node == active), None)
    duties, idle = duties_of(signer)
    found = of_active(signer)
    unwell = is_unwell(found)
    verdict = _verdict(active, claims, ready, holder, hosts) + (f"; paused {paused}" if paused else "")
    if foreign:
        verdict = f"{foreign}; {verdict}"
    elif unwell:
        rest = verdict.removeprefix(f"{active} signs, ").removeprefix("and ").removeprefix("but ")
        verdict = f"{active} {words(found)}; {rest}"
    elif idle:
        verdict = f"{verdict}, but {duties}"
    alarmed = [host.node for host in hosts if host.alarm and host.role not in ("gone", "unknown")]
    if alarmed:
        verdict = f"ALARM on {' and '.join(alarmed)}: see the warnings; {verdict}"
    if still is not None:
        verdict, active = _of_still(still, beat.node if beat else "", active, verdict)
    began = [record for record in history if record.event == "began" and beat and record.term == beat.term]
    return Overview(
        account_id=account_id,
        ok=active is not None
        and len(claims) == 1
        and bool(ready)
        and paused is None
        and not (stale or foreign or idle or unwell or alarmed)
        and still is None,
        verdict=f"Consul has no leader; before that: {verdict}" if stale else verdict,
        active=active,
        term=beat.term if active and beat else None,
        active_since=began[-1].at if active and began else None,
        hosts=hosts,
        paused=paused,
        drained=tuple(f"{one.node}{_by(one.by, one.reason)}" for one in book.drains),
        plan=_plan(book),
        last_change=rows[-1] if rows else None,
        consul=consul,
        warnings=warnings(hosts, consul, junk, active),
        stuck=(still.stuck or None) if still is not None else None,
        beat_still_s=round(still.age_s, 1) if still is not None and still.age_s else None,
        junk=next(iter(of_junk(junk)), None),
        last_drill=held[-1] if held else None,
        budget=budget,
        early_kickout=early_words(budget),
        budget_unknown=unknown.text if unknown is not None else "",
        duties=duties,
        production="; ".join(filter(None, (words(found), advice(found)))),
        producing=is_producing(found),
        this_epoch=epoch_words(found),
        stale=stale,
    )


def _of_still(still: Still, holder: str, active: str | None, verdict: str) -> tuple[str, str | None]:
    """The verdict where the newest beat stands still, and who is the active as far as it can be said."""
    age = f"the last beat, of {holder}, is {still.age_s:.0f} s old" if still.age_s else "nobody can take over"
    if still.stuck:
        # The holder has fenced itself, or soon does, and cannot write that it has.
        return f"{still.stuck}; {age}", None
    return f"{age}: its agent or guard hangs, or its way to Consul; before that: {verdict}", active


def forced_words(host: NodeRecord) -> str:
    """What is to be said of a host that signs without a lease; empty of any other.

    Without figures where it produces, since it is read out whenever it changes.

    :param host: by its own agent: what Consul holds of it is of before its death.
    """
    if host.role != Role.FORCED:
        return ""
    found = host.production
    does = "signs, and produces" if is_producing(found) else trouble(found)
    return "; ".join(
        filter(
            None,
            (
                f"{host.node} signs without a lease, by order: nothing but people keeps others from signing",
                f"it {does}" if does else "",
                advice(found),
            ),
        )
    )


def with_forced(view: Overview, host: NodeRecord) -> Overview:
    """The pool on a host that signs without a lease, with what its own agent says of it."""
    told = forced_words(host)
    if not told:
        return view
    others = tuple(one for one in view.hosts if one.node != host.node)
    hosts = tuple(sorted((*others, host), key=lambda one: one.node))
    return replace(view, ok=False, verdict=f"{told}; {view.verdict}", hosts=hosts)


def duties_of(active: NodeRecord | None) -> tuple[str, bool]:
    """Since when the active has done no duty, in words, and whether that is too long."""
    if active is None or active.duties_due is None or not active.no_duty_since:
        return "", False
    since = one_line(active.no_duty_since[:40])
    if active.duties_due == 0:
        return f"no duty was due since {since}", False
    idle = (active.duties_due_s or 0.0) >= IDLE_ACTIVE_S
    return f"0 of {active.duties_due} duties were seen done since {since}", idle


def _paused(book: OrderBook) -> str | None:
    pause = book.pause
    if pause is None or pause.until_unix <= time.time():
        return None
    return f"until {pause.until}{_by(pause.by, pause.reason)}"


def _plan(book: OrderBook) -> str | None:
    if book.plan is None or book.plan.plan.over:
        return None
    plan = book.plan.plan
    return f"to {plan.to or 'the best standby'}: {plan.text or 'waiting'}"


def _by(who: str, why: str) -> str:
    return (f" by {who}" if who else "") + (f" ({why})" if why else "")


def _host(entry: Entry) -> NodeRecord:
    record = parse_record(entry)
    if entry.session is not None:
        return record
    # What its gates were when it was there says nothing of now.
    gone = {
        "role": "gone",
        "reason": "its agent has no session with Consul",
        "ready": False,
        "gates": {},
        "foreign": "",
    }
    return record.model_copy(update={**gone, "lease_left_s": None})


def _verdict(
    active: str | None,
    claims: list[str],
    ready: list[NodeRecord],
    holder: str | None,
    hosts: tuple[NodeRecord, ...],
) -> str:
    if not hosts:
        return "no host has ever joined this pool"
    if len(claims) > 1:
        return f"{' and '.join(claims)} both say that they are active: see who holds the lock, below"
    if active is None:
        promoting = [host.node for host in hosts if host.role == Role.PROMOTING]
        if promoting:
            return f"no host of this pool signs yet: {promoting[0]} is about to"
        held = f": {holder} holds the lock but does not say that it is active" if holder else ""
        return f"no host of this pool signs{held}"
    if not ready:
        return f"{active} signs, but no standby is ready to take over"
    return f"{active} signs, and {_list([host.node for host in ready])} ready to take over"


def _list(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"
