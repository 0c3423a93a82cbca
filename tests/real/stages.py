"""The parts of a run: each makes what it needs, gives rows, and leaves nothing behind but logs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hafailover.bench.rows import Row
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.pool import LabPool
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.identity import OPEN_FILES, Binary

from .arrangements import DIRECT, FLOATING, FLOATING_ADDRESS, RELAYED, arrange, few_open_files, routing
from .floating import FloatingAddress
from .measure import ArrangementBench
from .settings import LARGE, WITHOUT_ARRANGEMENT, Settings
from .topology import RELAYS, Graph, connect, ring, ring_order, through_one, wall_off

ROOT = Path(__file__).resolve().parents[2]
EPOCH_BLOCKS = 20_000
"""Longer than any stage, so that duties are counted in one epoch."""
KIND_S = 240.0
"""The longest that one kind of fault may take, the 120 s of the longest included."""
CLUSTER_START_S = 300.0
DEMO_S = 900.0
MOST_HANDOVERS_ELSEWHERE = 8
"""Of each way in those: for a look, not for a share."""
STORE_FILES = 2000
"""A node's store may have so many files open where a process may have fewer than neard wants; its default is
10 000."""

Say = Callable[[str], None]


@dataclass
class Run:
    """What all parts share, and what they found."""

    settings: Settings
    binary: Binary
    consul: Path
    folder: Path
    say: Say
    rows: list[Row] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)
    """Heights signed twice, with the part that they came of."""
    looked_at: int = 0
    """Heights whose blocks every plain validator was asked for."""
    blind: list[str] = field(default_factory=list)
    """Parts whose heights could not be looked through."""
    more: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def pool(
        self,
        name: str,
        *,
        arrangement: str | None = None,
        relays: int = 0,
        graph: Callable[[LabPool], Graph] | None = None,
    ) -> Iterator[ArrangementBench]:
        """A pool of its own, whole and watched.

        :param arrangement: of neard's network settings; by default the one that was asked for.
        :param graph: who is connected with whom; by default all with all.
        :raises LabError: it does not come up, or its nodes are not connected like that.
        """
        arrangement = arrangement or self.settings.arrangement
        pool = LabPool(
            self.folder / name,
            self.consul,
            neard=self.settings.neard,
            links=False,
            block_time_s=self.settings.block_s,
            networks=True,
            epoch_length=EPOCH_BLOCKS,
            routing=routing(arrangement),
            relays=relays,
        )
        observer = ChainObserver(pool.localnet.validators, pool.account_id)
        address = FloatingAddress(pool.hosts, FLOATING_ADDRESS, self.say)
        started = False
        try:
            self._spare_files(pool)
            as_connected = connect(pool, graph(pool)) if graph is not None else None
            as_arranged = arrange(pool, arrangement)
            if name == "third":
                wall_off(pool)
            pool.start_network(self.say)
            observer.start()
            if arrangement == FLOATING:
                address.start()
            started = True
            for host in pool.hosts:
                host.start()
            if as_connected is not None:
                as_connected()
            yield ArrangementBench(pool, observer, self.say)
            as_arranged()
            if as_connected is not None:
                pool.wait_settled()
                as_connected()
        finally:
            if started:
                self.looked_at += observer.heights_seen()
                try:
                    self.twice |= {f"{height} ({name})" for height in observer.signed_twice()}
                except LabError as error:
                    self.blind.append(f"{name}: {error}")
                observer.stop()
                if arrangement == FLOATING:
                    address.stop()
                    self.rows.append(moved(name, address))
            pool.stop()

    def part(self, name: str) -> None:
        """One part. What goes wrong with it as a whole is a row's problem, and the next one follows."""
        self.say(f"== {name}")
        first = len(self.rows)
        try:
            STAGES[name](self)
        except (LabError, LocalnetError, subprocess.TimeoutExpired, OSError, ValueError) as error:
            self.rows.append(Row(name, "could not be measured", "", None, problems=[str(error)[:2000]]))
            self.say(f"{name}: FAILED: {error}")
        if name in WITHOUT_ARRANGEMENT:
            return
        for row in self.rows[first:]:
            row.arrangement = self.settings.arrangement
            if row.arrangement != RELAYED or name in LARGE:
                # The limits are those of the product's default in a network where all are connected.
                row.limit = None

    def _spare_files(self, pool: LabPool) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most == resource.RLIM_INFINITY or most >= OPEN_FILES:
            return
        self.more["store_max_open_files"] = STORE_FILES
        for node in pool.localnet.nodes:
            few_open_files(node, STORE_FILES)


def moved(name: str, address: FloatingAddress) -> Row:
    row = Row(f"{name}-address", "loaded key to the floating address in its place", "ms", None)
    row.runs += [1000 * delay for delay in address.delays]
    row.problems += address.problems
    if not row.runs:
        row.problems.append("the address never moved")
    return row


def vanished(run: Run) -> None:
    with run.pool("vanished") as bench:
        run.rows += bench.vanished(run.settings.vanishings, run.settings.hold_s)
        run.rows += bench.firsts("host-vanished")


def handovers(way: str) -> Callable[[Run], None]:
    def stage(run: Run) -> None:
        with run.pool(way) as bench:
            run.rows += bench.handovers(way, run.settings.handovers)

    return stage


def killed(run: Run) -> None:
    with run.pool("killed") as bench:
        run.rows += bench.neard_killed(run.settings.kills)


def normal(run: Run) -> None:
    with run.pool("normal") as bench:
        run.rows += bench.normal(run.settings.hold_s)


def standby_vanished(run: Run) -> None:
    with run.pool("standby-vanished") as bench:
        run.rows += bench.standby_vanished(run.settings.vanishings, run.settings.hold_s)


def third(run: Run) -> None:
    """The pool's hosts reach validator 3 alone, and the others through it."""

    def graph(pool: LabPool) -> Graph:
        validators = [node.name for node in pool.localnet.validators]
        return through_one(validators, [host.name for host in pool.hosts])

    with run.pool("third", graph=graph) as bench:
        run.rows += named("third", bench.handovers("window", few(run.settings.handovers)))
        run.rows += named("third", bench.handovers("now", few(run.settings.handovers)))
        run.rows += bench.firsts("third-handover")
        run.rows += named("third", bench.vanished(1, run.settings.hold_s))
        run.rows += bench.firsts("third-host-vanished")


def many(run: Run) -> None:
    """Twelve nodes with four peers each: the pool's hosts are two or three hops from the validators."""

    def graph(pool: LabPool) -> Graph:
        validators = [node.name for node in pool.localnet.validators]
        relays = [node.name for node in pool.relays]
        return ring(ring_order(validators, [host.name for host in pool.hosts], relays))

    with run.pool("many", graph=graph, relays=RELAYS) as bench:
        run.rows += named("many", bench.handovers("now", few(run.settings.handovers)))
        run.rows += bench.firsts("many-handover-now")
        run.rows += named("many", bench.vanished(1, run.settings.hold_s))
        run.rows += bench.firsts("many-host-vanished")


def few(handovers: int) -> int:
    return min(handovers, MOST_HANDOVERS_ELSEWHERE)


def named(part: str, rows: list[Row]) -> list[Row]:
    for row in rows:
        row.name = f"{part}-{row.name}"
    return rows


def deaf(run: Run) -> None:
    """Peers that go on sending to a vanished host: the command must say that nothing arrives."""
    with run.pool("deaf", arrangement=DIRECT) as bench:
        run.rows += bench.deaf()


def cluster(run: Run) -> None:
    """The cluster's own command, in a room of its own."""
    out = run.settings.out.with_name("real-cluster.json")
    kinds = run.settings.kinds
    out.unlink(missing_ok=True)
    program = [sys.executable, "-m", "tests.cluster", "run", "--kinds", kinds, "--out", str(out)]
    count = kinds.count(",") + 1
    code = subprocess.run(
        [*program, "--neard", run.settings.neard],
        cwd=ROOT,
        env=environment(run),
        timeout=CLUSTER_START_S + count * KIND_S,
        check=False,
    ).returncode
    found = json.loads(out.read_text())
    run.more["cluster"] = {name: found[name] for name in ("ok", "failures", "neard", "totals", "rows")}
    row = Row("cluster", f"kinds of faults on real hosts, {kinds}: failures", "failures", 0)
    row.runs.append(float(len(found["failures"])))
    row.problems += found["failures"]
    if code != 0 and not row.problems:
        row.problems.append(f"the cluster ended with code {code}")
    run.rows.append(row)
    for one in found["rows"]:
        of_kind = Row(f"cluster-{one['name']}", f"{one['expected']}; blocks missed", "blocks", None)
        of_kind.runs.append(float(one["missed"]))
        of_kind.duties = one["duties"]
        of_kind.remark = f"one signs again after {one['recovered_worst_s']:.1f} s"
        run.rows.append(of_kind)


def demo(run: Run) -> None:
    """The demo's own command, in a room of its own."""
    words = [sys.executable, "-P", "-m", "hafailover", "demo", "--json", "--neard", run.settings.neard]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(run), stdout=subprocess.PIPE, text=True, timeout=DEMO_S, check=False
    )
    row = Row("demo", "hafailover demo: scenarios that were not as expected", "scenarios", 0)
    run.rows.append(row)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        row.problems.append(f"no report, code {done.returncode}")
        return
    run.more["demo"] = found
    run.twice |= {f"{height} (demo)" for height in found["double_signed_heights"]}
    row.runs.append(float(sum(not one["ok"] for one in found["scenarios"])))
    row.problems += [
        f"{one['name']}: {'; '.join(one['problems'])}" for one in found["scenarios"] if not one["ok"]
    ]
    row.remark = f"{len(found['scenarios'])} scenarios"


def environment(run: Run) -> dict[str, str]:
    """Of a command that makes a room of its own."""
    return {**os.environ, "HAFAILOVER_CONSUL_BINARY": str(run.consul)}


STAGES: dict[str, Callable[[Run], None]] = {
    "vanished": vanished,
    "window": handovers("window"),
    "now": handovers("now"),
    "at-once": handovers("at-once"),
    "killed": killed,
    "normal": normal,
    "standby-vanished": standby_vanished,
    "third": third,
    "many": many,
    "deaf": deaf,
    "cluster": cluster,
    "demo": demo,
}
