"""The pool at a glance: from the lease and the hosts' records, who signs, who could, and if that is safe."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hafailover.core.beat import Phase, StoredBeat
from hafailover.core.views import LockView, Role
from hafailover.lock.roster import Entry
from hafailover.observe.history import Change, changes, drills
from hafailover.observe.records import NodeRecord, TermRecord, parse_record
from hafailover.observe.warnings import ConsulView, warnings
from hafailover.orders.documents import OrderBook


@dataclass(frozen=True, slots=True)
class Overview:
    """What ``hafailover status`` shows."""

    account_id: str
    ok: bool
    """Exactly one host is active, at least one standby is ready, and no guard has an alarm."""
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
    window: tuple[int, int] | None = None
    """The next heights without a duty, from the first up to but without the second; ``None``: not known."""
    stale: bool = False
    """Consul has no leader: this is what one of its servers knew last, and nothing is ``ok``."""

    @property
    def standbys(self) -> list[NodeRecord]:
        """The hosts beside the active that could take over, best first."""
        return ready_standbys(self.hosts, self.active)

    def to_plain(self) -> dict[str, Any]:
        """For ``--json``."""
        plain = asdict(self)
        plain["hosts"] = [host.model_dump() for host in self.hosts]
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
) -> Overview:
    """Puts together what Consul holds of a pool. Pure but for the wall clock, which ends a pause.

    A host counts as active when it holds the lock, its last beat says so, and its own record does not differ.
    """
    hosts = tuple(_host(entry) for entry in entries)
    if stale:
        hosts = tuple(host.model_copy(update={"lease_left_s": None}) for host in hosts)
    claims = [host.node for host in hosts if host.role == Role.ACTIVE]
    beat = heartbeat.beat if heartbeat else None
    holder = beat.node if lock.session and beat and beat.phase is Phase.ACTIVE else None
    active = holder if holder in claims else None
    ready = [host for host in hosts if host.ready and host.node != active]
    book = book or OrderBook()
    paused = _paused(book)
    rows, held = changes(history), drills(history)
    verdict = _verdict(active, claims, ready, holder, hosts) + (f"; paused {paused}" if paused else "")
    alarmed = [host.node for host in hosts if host.alarm and host.role not in ("gone", "unknown")]
    if alarmed:
        verdict = f"ALARM on {' and '.join(alarmed)}: see the warnings; {verdict}"
    began = [record for record in history if record.event == "began" and beat and record.term == beat.term]
    return Overview(
        account_id=account_id,
        ok=active is not None
        and len(claims) == 1
        and bool(ready)
        and paused is None
        and not stale
        and not alarmed,
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
        warnings=warnings(hosts, consul),
        last_drill=held[-1] if held else None,
        stale=stale,
    )


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
    gone = {"role": "gone", "reason": "its agent has no session with Consul", "ready": False, "gates": {}}
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
            return f"nobody signs yet: {promoting[0]} is about to"
        return (
            f"nobody signs{f': {holder} holds the lock but does not say that it is active' if holder else ''}"
        )
    if not ready:
        return f"{active} signs, but no standby is ready to take over"
    return f"{active} signs, and {_list([host.node for host in ready])} ready to take over"


def _list(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"
