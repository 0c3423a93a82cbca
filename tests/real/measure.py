"""What an arrangement costs where no key moves, and how soon the first duty is done where one does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from hafailover.bench.duties import Duties, DutyBench
from hafailover.bench.rows import Row
from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.guardlog import loaded_at
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.near.rpc import Production

from .figures import FINE, LATENCY, Samples, kinds, mean, mean_hops, scrape, tiers

FIRST_WITHIN_S = 60.0
LOOK_S = 0.2
SEEN_AT_ONCE_S = 1.0
SENT = ("BlockApproval", "ChunkEndorsement")
"""Part of neard's names of the messages whose delay is told."""
NOT_MEASURED = "NOT MEASURED: the stand-in has no such metric"
NO_SUCH = "neard's /metrics hold no such observation"


class ArrangementBench(DutyBench):
    """Beside the changes of signer: quiet times, and a vanished standby."""

    def __init__(self, pool: LabPool, observer: ChainObserver, say: Callable[[str], None]) -> None:
        super().__init__(pool, observer, say)
        self._loads: list[float] = []
        self._first: list[float] = []
        self._unseen = 0
        self._watches: list[threading.Thread] = []

    def normal(self, hold_s: float) -> list[Row]:
        """Nothing happens for ``hold_s`` seconds."""
        rows = self._rows("normal", f"nothing happens for {hold_s:g} s")
        with self._noted(rows[0], 0):
            active = self.pool.host(self._settled(steady=True))
            metrics = self._metrics(active)
            before, since = self._production(), boottime()
            self._until(since + hold_s)
            after, now = self._production(), boottime()
            self._count(rows, before, after, self.observer.own_between(since, now))
            rows += self._delays(metrics, self._metrics(active))
            if loaded := [host.name for host in self.pool.hosts if loaded_at(host.guard_log, since)]:
                raise LabError(f"{loaded[0]} loaded the key meanwhile")
        return rows

    def standby_vanished(self, runs: int, hold_s: float) -> list[Row]:
        """A standby's link is cut for ``hold_s`` seconds; the active is well. Needs networks."""
        rows = self._rows("standby-vanished", f"a standby's link cut for {hold_s:g} s, the active's duties")
        for run in range(runs):
            with self._noted(rows[0], run):
                active = self._settled(steady=True)
                standby = next(host for host in self.pool.hosts if host.name != active)
                if standby.network is None:
                    raise LabError("a link can only be cut where each host has a network of its own")
                before, since = self._production(), boottime()
                standby.network.link(False)
                try:
                    self._until(since + hold_s)
                    after, now = self._production(), boottime()
                finally:
                    standby.network.link(True)
                    self._nudge()
                self._count(rows, before, after, self.observer.own_between(since, now))
                if loaded := [host.name for host in self.pool.hosts if loaded_at(host.guard_log, since)]:
                    raise LabError(f"{loaded[0]} loaded the key meanwhile, so this is another figure")
        return rows

    def firsts(self, name: str) -> list[Row]:
        """From each loaded key so far to the first duty done, once what follows them has been watched.

        The first of all duties is told where the key was seen at once; a planned handover's is not, since its
        command goes on to watch what follows, and the old holder's last duties are counted meanwhile.
        """
        for watch in self._watches:
            watch.join(FIRST_WITHIN_S + 10)
        block = Row(f"{name}-first-block", "loaded key to the pool's first block", "s", None)
        duty = Row(
            f"{name}-first-duty",
            "loaded key to the first block, chunk or endorsement that the chain counts",
            "s",
            None,
        )
        for at in self._loads:
            if (first := self.observer.first_own_block(at)) is not None:
                block.runs.append(first - at)
        duty.runs += self._first
        missing = len(self._loads) - len(block.runs)
        block.remark = f"{missing} times none was seen" if missing else ""
        duty.remark = f"{self._unseen} times none within {FIRST_WITHIN_S:g} s" if self._unseen else ""
        if not self._loads:
            block.problems.append("no key was loaded")
        rows = [block, duty] if self._watches else [block]
        self._loads, self._first, self._unseen, self._watches = [], [], 0, []
        return rows

    def _await_key(self, old: str, since: float) -> tuple[FailoverHost, float]:
        host, at = super()._await_key(old, since)
        self._loads.append(at)
        if boottime() - at > SEEN_AT_ONCE_S:
            return host, at
        watch = threading.Thread(target=self._await_duty, args=(at,), name="first-duty", daemon=True)
        self._watches.append(watch)
        watch.start()
        return host, at

    def _await_duty(self, loaded: float) -> None:
        first: int | None = None
        while boottime() < loaded + FIRST_WITHIN_S:
            found = self.observer.production()
            if found is not None:
                done = found.produced_blocks + found.produced_chunks + found.produced_endorsements
                first = done if first is None else first
                if done > first:
                    self._first.append(boottime() - loaded)
                    return
            time.sleep(LOOK_S)
        self._unseen += 1

    @staticmethod
    def _rows(name: str, what: str) -> list[Row]:
        return [
            Row(f"{name}-blocks", f"{what}: blocks missed", "blocks", 0),
            Row(f"{name}-chunks", f"{what}: chunks missed", "chunks", None),
            Row(f"{name}-endorsements", f"{what}: endorsements missed", "%", 2.0),
        ]

    def _count(self, rows: list[Row], before: Production, after: Production, seen: int) -> None:
        duties = Duties()
        duties.add(before, after, seen)
        blocks, chunks, endorsements = rows[:3]
        blocks.runs.append(float(duties.blocks_missed))
        chunks.runs.append(float(duties.chunks_due - duties.chunks_done))
        if duties.endorsements_due:
            endorsements.runs.append(duties.endorsements_missed_percent)
        if not duties.blocks_due:
            raise LabError("no block was due, so none could be missed: give --hold more time")
        total = {key: value + (blocks.duties or {}).get(key, 0) for key, value in duties.to_plain().items()}
        self._told(blocks, Duties(**total), endorsements)
        self.say(f"{blocks.name}: {duties}")

    def _metrics(self, active: FailoverHost) -> dict[str, list[Samples]]:
        plain = [scrape(node.rpc_url) for node in self.pool.localnet.validators]
        return {"pool": [scrape(active.node.rpc_url, active.network)], "others": plain}

    def _delays(self, before: Mapping[str, list[Samples]], after: Mapping[str, list[Samples]]) -> list[Row]:
        rows = []
        for whose, where in (("pool", "the pool's active"), ("others", "the three plain validators")):
            looks = list(zip(before[whose], after[whose], strict=True))
            for name, unit, factor in FINE:
                row = Row(f"normal-{name}-{whose}", f"{name} at {where}: mean", unit, None)
                for old, new in looks:
                    if (found := mean(old, new, name)) is not None:
                        row.runs.append(found.value * factor)
                self._none(row)
                rows.append(row)
            rows += [self._latency(part, whose, where, looks) for part in SENT]
        return rows

    def _latency(self, part: str, whose: str, where: str, looks: list[tuple[Samples, Samples]]) -> Row:
        """How old a message is when it comes, over which tier, and over how many hops."""
        row = Row(
            f"normal-{part}-{whose}",
            f"{LATENCY} of {part} at {where}: mean; its clock counts whole seconds",
            "ms",
            None,
        )
        said = []
        for old, new in looks:
            for kind in [one for one in kinds(new) if part in one and "Spice" not in one]:
                found = mean(old, new, LATENCY, routed=kind)
                if found is None:
                    continue
                row.runs.append(found.value * 1000)
                hops = mean_hops(old, new, kind)
                over = ", ".join(f"{count} by {tier}" for tier, count in tiers(old, new, kind).items())
                said.append(over + (f", {hops.value:.2f} hops" if hops else ""))
        row.remark = "; ".join(said)
        self._none(row)
        return row

    def _none(self, row: Row) -> None:
        if row.runs:
            return
        if self.pool.neard.stand_in:
            row.remark = NOT_MEASURED
        else:
            row.problems.append(NO_SUCH)
