"""The parts of a run: each makes what it needs, gives rows, and leaves nothing behind but logs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hafailover.bench.duties import DutyBench
from hafailover.bench.rows import Row
from hafailover.demo.observer import ChainObserver
from hafailover.lab.errors import LabError
from hafailover.lab.pool import LabPool
from hafailover.localnet.configure import duration
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.identity import Binary

from .settings import Settings

ROOT = Path(__file__).resolve().parents[2]
EPOCH_BLOCKS = 20_000
"""Longer than any stage, so that duties are counted in one epoch."""
DEAF_HOLD_S = 40.0
KIND_S = 240.0
"""The longest that one kind of fault may take, the 120 s of the longest included."""
CLUSTER_START_S = 300.0
DEMO_S = 900.0
GRACE_S = 30.0

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
    more: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def pool(self, name: str, *, tier1: bool = False) -> Iterator[DutyBench]:
        """A pool of its own, whole and watched.

        :param tier1: the hosts' neards have TIER1 connections as neard has them by default.
        :raises LabError: it does not come up.
        """
        pool = LabPool(
            self.folder / name,
            self.consul,
            neard=self.settings.neard,
            links=False,
            block_time_s=self.settings.block_s,
            networks=True,
            epoch_length=EPOCH_BLOCKS,
        )
        observer = ChainObserver(pool.localnet.validators, pool.account_id)
        started = False
        try:
            if tier1:
                for node in pool.localnet.hosts:
                    with_tier1(node.home / "config.json", f"{node.network_addr}")
            pool.start_network(self.say)
            observer.start()
            started = True
            for host in pool.hosts:
                host.start()
            yield DutyBench(pool, observer, self.say)
        finally:
            if started:
                with contextlib.suppress(LabError):
                    self.twice |= {f"{height} ({name})" for height in observer.signed_twice()}
                observer.stop()
            pool.stop()

    def part(self, name: str) -> None:
        """One part. What goes wrong with it as a whole is a row's problem, and the next one follows."""
        self.say(f"== {name}")
        try:
            self.rows += STAGES[name](self)
        except (LabError, LocalnetError, subprocess.TimeoutExpired, OSError, ValueError) as error:
            self.rows.append(Row(name, "could not be measured", "", None, problems=[str(error)[:2000]]))
            self.say(f"{name}: FAILED: {error}")


def with_tier1(path: Path, address: str) -> None:
    """Sets a home's config.json as ``neard localnet`` writes it, whatever the product has made of it."""
    config = json.loads(path.read_text())
    network = config["network"]
    key = json.loads((path.parent / "node_key.json").read_text())["public_key"]
    network["public_addrs"] = [f"{key}@{address}"]
    tier1 = {"enable_inbound": True, "enable_outbound": True, "connect_interval": duration(5.0)}
    network["tier1"] = {**network.get("tier1", {}), **tier1}
    path.write_text(json.dumps(config, indent=2) + "\n")


def vanished(run: Run) -> list[Row]:
    with run.pool("vanished") as bench:
        return bench.vanished(run.settings.vanishings, run.settings.hold_s)


def handovers(way: str) -> Callable[[Run], list[Row]]:
    def stage(run: Run) -> list[Row]:
        with run.pool(way) as bench:
            return bench.handovers(way, run.settings.handovers)

    return stage


def killed(run: Run) -> list[Row]:
    with run.pool("killed") as bench:
        return bench.neard_killed(run.settings.kills)


def deaf(run: Run) -> list[Row]:
    """Peers that go on sending to a vanished host: the command must say that nothing arrives."""
    silent = Row(
        "deaf-status",
        "peers deaf to the new active (neard's own TIER1): times that status saw no harm 5 s after the key",
        "times",
        0,
    )
    with run.pool("deaf", tier1=True) as bench:
        *_, blocks, _percent, _outage = bench.vanished(1, DEAF_HOLD_S)
    silent.problems = blocks.problems
    silent.duties = blocks.duties
    if not bench.statuses or blocks.duties is None:
        return [silent]
    code, verdict = bench.statuses[-1]
    silent.remark = f"exit code {code}, {verdict!r}; {blocks.remark}"
    if blocks.duties["blocks_due"] and blocks.duties["blocks_done"] == blocks.duties["blocks_due"]:
        silent.problems = [*silent.problems, "the peers were not deaf, so this was NOT TESTED"]
    else:
        silent.runs.append(float(code == 0))
    return [silent]


def cluster(run: Run) -> list[Row]:
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
    rows = [row]
    for one in found["rows"]:
        of_kind = Row(f"cluster-{one['name']}", f"{one['expected']}; blocks missed", "blocks", None)
        of_kind.runs.append(float(one["missed"]))
        of_kind.duties = one["duties"]
        of_kind.remark = f"one signs again after {one['recovered_worst_s']:.1f} s"
        rows.append(of_kind)
    return rows


def demo(run: Run) -> list[Row]:
    """The demo's own command, in a room of its own."""
    words = [sys.executable, "-P", "-m", "hafailover", "demo", "--json", "--neard", run.settings.neard]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(run), stdout=subprocess.PIPE, text=True, timeout=DEMO_S, check=False
    )
    row = Row("demo", "hafailover demo: scenarios that were not as expected", "scenarios", 0)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        row.problems.append(f"no report, code {done.returncode}")
        return [row]
    run.more["demo"] = found
    run.twice |= {f"{height} (demo)" for height in found["double_signed_heights"]}
    row.runs.append(float(sum(not one["ok"] for one in found["scenarios"])))
    row.problems += [
        f"{one['name']}: {'; '.join(one['problems'])}" for one in found["scenarios"] if not one["ok"]
    ]
    row.remark = f"{len(found['scenarios'])} scenarios"
    return [row]


def environment(run: Run) -> dict[str, str]:
    """Of a command that makes a room of its own."""
    return {**os.environ, "HAFAILOVER_CONSUL_BINARY": str(run.consul)}


STAGES: dict[str, Callable[[Run], list[Row]]] = {
    "vanished": vanished,
    "window": handovers("window"),
    "now": handovers("now"),
    "at-once": handovers("at-once"),
    "killed": killed,
    "deaf": deaf,
    "cluster": cluster,
    "demo": demo,
}
