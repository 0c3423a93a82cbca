"""What changes of signer cost a validator: blocks, chunks and endorsements that were due and not done.

The counts are the chain's own (``validators``, asked of a plain validator, which no fault touches), and
beside them the pool's blocks as they were seen in headers. The same code measures a real neard and the
stand-in.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from hafailover.bench.rows import Row
from hafailover.clock import boottime
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps
from hafailover.lab.waiting import wait_until
from hafailover.near.rpc import Production

Say = Callable[[str], None]

DEAF_S = 2.0
"""From the loaded key on: within so long a pool must produce again, whatever became of the old host."""
STATUS_AFTER_S = 5.0
KEY_WITHIN_S = 30.0
AFTER_S = 12.0
"""How long the pool is watched after a change of signer: three rounds of four validators at 1 s a block."""
SETTLE_S = 180.0
HANDOVER_S = 300.0
PER = 50
"""Handovers that the limits are for; fewer may miss their share, rounded up."""
WINDOW_BLOCKS, WINDOW_ENDORSEMENTS = 0, 10
NOW_BLOCKS, NOW_ENDORSEMENTS = 2, 40
KILLED_BLOCKS = 1
VANISHED_ENDORSEMENTS_PERCENT = 2.0
DEAF_HOLD_S = 40.0
NOT_COUNTED = "no endorsement was counted, so none could be missed"
"""A figure of a real neard that would be none; a stand-in may not count them."""


def share(most: int, runs: int) -> int:
    """What ``runs`` changes of signer may miss where 50 may miss ``most``."""
    return math.ceil(most * runs / PER)


@dataclass(slots=True)
class Duties:
    """What was due in some time, and what of it was done."""

    blocks_due: int = 0
    blocks_done: int = 0
    chunks_due: int = 0
    chunks_done: int = 0
    endorsements_due: int = 0
    endorsements_done: int = 0
    blocks_seen: int = 0
    """The pool's blocks whose headers came in that time: ``blocks_done`` by another witness, up to one either
    way at its ends."""

    def add(self, before: Production, after: Production, seen: int) -> Duties:
        """Counts what came between two looks, here and in the duties of these two alone, which are returned.

        :raises LabError: an epoch has ended between them, so that counts began anew.
        """
        if before.epoch_start != after.epoch_start:
            raise LabError("an epoch ended meanwhile, and its counts with it")
        more = after.since(before)
        one = Duties(
            more.expected_blocks,
            more.produced_blocks,
            more.expected_chunks,
            more.produced_chunks,
            more.expected_endorsements,
            more.produced_endorsements,
            seen,
        )
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(one, name))
        return one

    @property
    def blocks_missed(self) -> int:
        return max(0, self.blocks_due - self.blocks_done)

    @property
    def endorsements_missed(self) -> int:
        return max(0, self.endorsements_due - self.endorsements_done)

    @property
    def endorsements_missed_percent(self) -> float:
        return 100.0 * self.endorsements_missed / self.endorsements_due if self.endorsements_due else 0.0

    def __str__(self) -> str:
        return (
            f"{self.blocks_done} of {self.blocks_due} blocks, "
            f"{self.chunks_done} of {self.chunks_due} chunks, "
            f"{self.endorsements_done} of {self.endorsements_due} endorsements"
        )

    def to_plain(self) -> dict[str, int]:
        """For a report."""
        return asdict(self)


class DutyBench:
    """Changes of signer on one pool, and what each cost."""

    def __init__(self, pool: LabPool, observer: ChainObserver, say: Say) -> None:
        self.pool = pool
        self.observer = observer
        self.say = say
        self.statuses: list[Said] = []
        """What ``status`` on the new active said 5 s after its key was loaded."""
        self._both: list[str] = []

    def vanished(self, runs: int, hold_s: float) -> list[Row]:
        """The active's link is cut for ``hold_s`` seconds, and the others' duties go on. Needs networks.

        Nothing on the host is killed: it has to find out by itself that it may not sign any more.
        """
        name = "host-vanished"
        what = f"active's link cut for {hold_s:g} s"
        key = Row(f"{name}-key", f"{what}: to the standby's key loaded, for comparison", "s", None)
        blocks = Row(f"{name}-blocks", f"{what}: blocks missed from 2 s after the key on", "blocks", 0)
        percent = Row(
            f"{name}-endorsements",
            f"{what}: endorsements missed from 2 s after the key on",
            "%",
            VANISHED_ENDORSEMENTS_PERCENT,
        )
        outage = Row(f"{name}-outage", f"{what}: blocks missed in all, for comparison", "blocks", None)
        duties, everything = Duties(), Duties()
        for run in range(runs):
            with self._noted(blocks, run):
                one = self._vanish(hold_s, key, duties, everything)
                self.say(
                    f"{name} {run + 1}/{runs}: key loaded after {key.runs[-1]:.1f} s, then {one}; "
                    f"status 5 s after the key: {self.statuses[-1]}"
                )
        if duties.blocks_due or duties.endorsements_due:
            blocks.runs.append(float(duties.blocks_missed))
            percent.runs.append(duties.endorsements_missed_percent)
        if everything.blocks_due:
            outage.runs.append(float(everything.blocks_missed))
        self._told(blocks, duties, percent)
        outage.duties = everything.to_plain()
        return [key, blocks, percent, outage]

    def handovers(self, way: str, runs: int) -> list[Row]:
        """Planned handovers as an operator orders them: ``window``, ``now`` or ``at-once``."""
        name = f"handover-{way}"
        option = "" if way == "window" else f"--{way}"
        what = f"{runs} times hafailover switchover {option}".rstrip()
        limits: tuple[int | None, int | None] = {
            "window": (share(WINDOW_BLOCKS, runs), share(WINDOW_ENDORSEMENTS, runs)),
            "now": (share(NOW_BLOCKS, runs), share(NOW_ENDORSEMENTS, runs)),
        }.get(way, (None, None))
        gap = Row(f"{name}-gap", f"{what}: old key gone to new key loaded", "ms", None)
        blocks = Row(f"{name}-blocks", f"{what}: blocks missed in all", "blocks", limits[0])
        endorsements = Row(
            f"{name}-endorsements", f"{what}: endorsements missed in all", "endorsements", limits[1]
        )
        duties = Duties()
        for run in range(runs):
            with self._noted(blocks, run):
                one = self._hand_over([option] if option else [], gap, duties)
                self.say(f"{name} {run + 1}/{runs}: {gap.runs[-1]:.0f} ms, {one}")
        if duties.blocks_due or duties.endorsements_due:
            blocks.runs.append(float(duties.blocks_missed))
            endorsements.runs.append(float(duties.endorsements_missed))
        self._told(blocks, duties, endorsements)
        return [gap, blocks, endorsements]

    def neard_killed(self, runs: int) -> list[Row]:
        """SIGKILL for the active's neard."""
        name, what = "neard-killed", "active's neard killed"
        key = Row(f"{name}-key", f"{what}: to the standby's key loaded, for comparison", "ms", None)
        blocks = Row(f"{name}-blocks", f"{what}: blocks missed each time", "blocks", KILLED_BLOCKS)
        endorsements = Row(
            f"{name}-endorsements", f"{what}: missed in all, for comparison", "endorsements", None
        )
        duties = Duties()
        for run in range(runs):
            with self._noted(blocks, run):
                one = self._kill_neard(key, duties)
                blocks.runs.append(float(one.blocks_missed))
                self.say(f"{name} {run + 1}/{runs}: key loaded after {key.runs[-1]:.0f} ms, {one}")
        endorsements.runs.append(float(duties.endorsements_missed))
        self._told(blocks, duties, endorsements)
        return [key, blocks, endorsements]

    def deaf(self) -> list[Row]:
        """The active's link is cut while peers route to the lost host: ``status`` must see that.

        For a pool whose hosts have ``neard.validator_routing`` ``direct``. Needs networks.
        """
        what = "peers deaf to the new active (neard's own TIER1)"
        row = Row("deaf-status", f"{what}: times that status saw no harm 5 s after the key", "times", 0)
        said = len(self.statuses)
        *_, blocks, _percent, _outage = self.vanished(1, DEAF_HOLD_S)
        row.problems, row.duties = blocks.problems, blocks.duties
        if len(self.statuses) == said or blocks.duties is None:
            return [row]
        row.remark = f"{self.statuses[-1]}; {blocks.remark}"
        if blocks.duties["blocks_due"] and blocks.duties["blocks_done"] == blocks.duties["blocks_due"]:
            row.problems = [*row.problems, "the peers were not deaf, so this was NOT TESTED"]
        else:
            row.runs.append(float(not self.statuses[-1].sees_harm))
        return [row]

    def _vanish(self, hold_s: float, key: Row, duties: Duties, everything: Duties) -> Duties:
        active = self.pool.host(self._settled())
        if active.network is None:
            raise LabError("a link can only be cut where each host has a network of its own")
        before, since = self._production(), boottime()
        active.network.link(False)
        try:
            host, loaded = self._await_key(active.name, since)
            key.runs.append(loaded - since)
            self._until(loaded + DEAF_S)
            self._await_open_turn()
            from_then, then = self._production(), boottime()
            self._until(loaded + STATUS_AFTER_S)
            self.statuses.append(status(host))
            self._until(max(since + hold_s, loaded + DEAF_S + AFTER_S))
            after, now = self._production(), boottime()
        finally:
            active.network.link(True)
            self._nudge()
        everything.add(before, after, self.observer.own_between(since, now))
        one = duties.add(from_then, after, self.observer.own_between(then, now))
        self._check_holders()
        return one

    def _hand_over(self, options: list[str], gap: Row, duties: Duties) -> Duties:
        active = self._settled(steady=True)
        before, since = self._production(), boottime()
        done = command(self.pool.host(active), ["switchover", *options, "--json"], HANDOVER_S)
        if done.returncode != 0:
            raise LabError(f"hafailover switchover: code {done.returncode}: {done.stderr.strip()[:300]}")
        _, loaded = self._await_key(active, since)
        gone = gone_at(self.pool.host(active).guard_log, since)
        if gone is None:
            raise LabError("the old active's guard does not tell when the key was gone")
        gap.runs.append((loaded - gone) * 1000)
        self._until(loaded + AFTER_S)
        after, now = self._production(), boottime()
        self._check_holders()
        return duties.add(before, after, self.observer.own_between(since, now))

    def _kill_neard(self, key: Row, duties: Duties) -> Duties:
        active = self._settled(steady=True)
        neard = self.pool.host(active).neard()
        before, since = self._production(), boottime()
        neard.signal(9)
        _, loaded = self._await_key(active, since)
        key.runs.append((loaded - since) * 1000)
        self._until(loaded + AFTER_S)
        after, now = self._production(), boottime()
        self._check_holders()
        return duties.add(before, after, self.observer.own_between(since, now))

    def _settled(self, *, steady: bool = False) -> str:
        return self.pool.wait_settled(SETTLE_S, steady=steady)

    def _await_key(self, old: str, since: float) -> tuple[FailoverHost, float]:
        """The host that loaded the key after ``since``, and when. :raises LabTimeoutError: none did."""
        found: list[tuple[float, FailoverHost]] = []

        def loaded() -> bool:
            for host in self.pool.hosts:
                at = loaded_at(host.guard_log, since) if host.name != old else None
                if at is not None:
                    found.append((at, host))
            return bool(found)

        wait_until(loaded, timeout_s=KEY_WITHIN_S, what="a standby with the key loaded")
        at, host = min(found, key=lambda one: one[0])
        return host, at

    def _production(self) -> Production:
        found = self.observer.production()
        if found is None:
            raise LabError("no plain validator tells what the pool produced")
        return found

    def _await_open_turn(self) -> None:
        """Waits for the next block where its turn has begun already: if that turn is skipped, it counts only
        then, and it is none of what is due from now on."""
        if boottime() - self.observer.newest_seen_at < self.pool.localnet.block_time_s:
            return
        height = self.observer.height
        wait_until(lambda: self.observer.height > height, timeout_s=AFTER_S, what="another block")

    def _until(self, moment: float) -> None:
        time.sleep(max(0.0, moment - boottime()))

    def _nudge(self) -> None:
        """Consul's servers that have lost sight of each other try again every 30 s; this spares the wait."""
        for one in self.pool.hosts:
            for other in self.pool.hosts:
                with suppress(LabError):
                    address = f"{other.consul.place.address}:{other.consul.serf_port}"
                    one.consul.request("PUT", f"/v1/agent/join/{address}")

    def _check_holders(self) -> None:
        """:raises LabError: two hosts have had the key at once. Only a stand-in notes that."""
        new = [
            text
            for text in overlaps(self.pool.hosts, self.pool.localnet.pool.public_key)
            if text not in self._both
        ]
        self._both += new
        if new:
            raise LabError("; ".join(new))

    def _noted(self, row: Row, run: int) -> _Noted:
        return _Noted(row, run, self.say)

    def _told(self, first: Row, duties: Duties, second: Row) -> None:
        first.duties = duties.to_plain()
        first.remark = f"{duties}"
        if not duties.endorsements_due:
            second.remark = NOT_COUNTED
            if not self.pool.neard.stand_in:
                second.problems.append(NOT_COUNTED)


class _Noted:
    """What goes wrong in a run is the row's problem, and the next run follows."""

    def __init__(self, row: Row, run: int, say: Say) -> None:
        self._row = row
        self._run = run
        self._say = say

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, LabError | subprocess.TimeoutExpired):
            return False
        text = f"run {self._run + 1}: {error}"
        self._row.problems.append(text)
        self._say(f"{self._row.name}: {text}")
        return True


def command(host: FailoverHost, words: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """One of the product's commands, on this host. :raises subprocess.TimeoutExpired:"""
    program = [sys.executable, "-P", "-m", "hafailover", *words, "--config", str(host.config)]
    return subprocess.run(
        host.consul.place.command(program),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What ``hafailover status`` says of the pool. ``producing``: whether what the validator does arrives."""

    code: int
    verdict: str
    producing: bool | None

    @property
    def sees_harm(self) -> bool:
        """Whether it names that nothing of the validator arrives, not just anything that is amiss."""
        return self.code != 0 and self.producing is False

    def __str__(self) -> str:
        return f"exit code {self.code}, {self.verdict!r}, producing: {self.producing}"


def status(host: FailoverHost) -> Said:
    """The answer on this host. :raises LabError: there is none."""
    try:
        done = command(host, ["status", "--json"], KEY_WITHIN_S)
        told: Any = json.loads(done.stdout)
        return Said(done.returncode, str(told["verdict"]), told["producing"])
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise LabError(f"hafailover status gives no answer: {error}") from None
