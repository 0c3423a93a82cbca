"""A run from its first host to its report: what is struck, in which order, and what is written."""

from __future__ import annotations

import datetime
import json
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hafailover
from hafailover.clock import boottime
from hafailover.lab.consul_server import consul_version

from . import report, usage
from .cluster import Cluster
from .draw import Drawn, episodes
from .kinds import DOUBLE, available, by_name, parse
from .machine import SERVICES
from .runner import Halt, Runner
from .settings import Settings

QUIET_S = 10.0
"""How long the pool rests before it is measured."""
WARM_UP_SHARE = 0.1
WARM_UP_MIN_S = 60.0


class Session:
    """One run."""

    def __init__(self, cluster: Cluster, settings: Settings, consul_binary: Path) -> None:
        self._cluster = cluster
        self._settings = settings
        self._consul_binary = consul_binary
        self._started = boottime()
        self._began = datetime.datetime.now(datetime.UTC)
        self.kinds = available(stand_in=cluster.stand_in, hangs=cluster.disks_hang)
        self.runner = Runner(cluster, self.say)
        self._halted = ""
        self._more: dict[str, Any] = {}

    def say(self, text: str) -> None:
        """One line for whoever watches."""
        print(f"[{boottime() - self._started:7.1f} s] {text}", flush=True)

    def run(self) -> bool:
        """Strikes; whether all went as it must."""
        with self._reported():
            if refusal := self._cluster.no_disk_hangs:
                self.say(f"NO DISK CAN HANG HERE, so these kinds are NOT TESTED: {refusal}")
            self._cluster.start(self.say)
            self.say(f"{self._cluster.monitor.serving()} signs, the others are ready; a * is for the active")
            if self._settings.command == "soak":
                self._soak()
            else:
                self._strike_all()
            self._cluster.wait_whole(nudge=True)
        return not self.failures()

    def failures(self) -> list[str]:
        """Why the run is not good; empty if it is."""
        done = self.runner.episodes
        found = [one.line for one in done if one.problems]
        found += [f"false failover: {one.line}" for one in done if one.false_failover]
        broken = [f"{one.what}, at {one.at:.3f}, after {one.fault}" for one in self._cluster.monitor.broken]
        found += [text for text in broken if not any(text in line for line in found)]
        found += self._more.get("grown", [])
        if self._halted and self._halted not in found:
            found.append(self._halted)
        return found

    def _strike_all(self) -> None:
        settings = self._settings
        if settings.kinds:
            wanted = parse(settings.kinds, stand_in=self._cluster.stand_in, hangs=self._cluster.disks_hang)
        else:
            # Those that Consul suffers from come last: a standby that has lost sight of Consul takes the
            # longest wait for a quarter of a minute, whatever happens then.
            ordered = sorted(
                self.kinds.values(), key=lambda kind: kind.takes_consul or "consul" in kind.spread
            )
            wanted = [(kind.name,) for kind in ordered if kind.by_name]
            wanted += [both for both in DOUBLE if all(name in self.kinds for name in both)]
        drawn = episodes(settings.seed, settings.random, self.kinds)
        dice = random.Random(settings.seed)
        total = len(wanted) + len(drawn)
        for number, names in enumerate(wanted, 1):
            # By name as it is promised: the shortest that shows what it is to show.
            faults = [self._by_name(name, dice) for name in names]
            self.say(f"{number}/{total} {self.runner.run(faults, whole=True).line}")
        for number, faults in enumerate(drawn, len(wanted) + 1):
            self.say(f"{number}/{total} {self.runner.run(faults, whole=False).line}")

    def _by_name(self, name: str, dice: random.Random) -> Drawn:
        kind = by_name(name)
        low, high = kind.holds or (0.0, 0.0)
        return Drawn(name, kind.aim, round(dice.uniform(low, low + (high - low) / 4), 2))

    def _soak(self) -> None:
        length = self._settings.minutes * 60
        warm = max(WARM_UP_MIN_S, WARM_UP_SHARE * length)
        dice = random.Random(self._settings.seed)
        self.say(f"warming up for {warm:.0f} s")
        self._strike_until(dice, boottime() + warm)
        before = self._quiet()
        self.say(f"soaking for {self._settings.minutes:g} min")
        self._strike_until(dice, boottime() + length)
        after = self._quiet()
        self._more = {
            "before": before.plain(),
            "after": after.plain(),
            "survivors": usage.survivors(before, after),
            "grown": usage.grown(before, after),
            "bounds": {
                "mib": dict(usage.GROWTH_MIB),
                "share": usage.GROWTH_SHARE,
                "files": usage.GROWTH_FILES,
                "threads": usage.GROWTH_THREADS,
                "keys": usage.GROWTH_KEYS,
            },
        }
        if (kept := f"{self._cluster.kept}/agent") not in self._more["survivors"]:
            self._more["grown"].append(f"{kept} did not live all along, so no leak could show")

    def _strike_until(self, dice: random.Random, end: float) -> None:
        # Not those that end the kept host's processes wherever they strike.
        kinds = {name: kind for name, kind in self.kinds.items() if not kind.spread & set(SERVICES)}
        while boottime() < end:
            for faults in episodes(dice.randrange(1 << 32), 12, kinds):
                if boottime() < end:
                    self.say(self.runner.run(faults, whole=False).line)

    def _quiet(self) -> usage.Usage:
        self._cluster.wait_whole()
        # An agent that is not asked anything rests; so does its garbage.
        self.runner.rest(QUIET_S)
        self._cluster.wait_whole()
        return usage.take(self._cluster)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except Halt as error:
            self._halted = str(error)
        except BaseException as error:
            self._halted = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.runner.stop()
            self._cluster.monitor.judge(chain=True)
            self._write()

    def _write(self) -> None:
        done = self.runner.episodes
        minutes = (boottime() - self._started) / 60
        found = report.rows(done)
        settings = self._settings
        document = {
            "ok": not self.failures(),
            "failures": self.failures(),
            "command": settings.command,
            "seed": settings.seed,
            "random": settings.random,
            "began": self._began.isoformat(timespec="seconds"),
            "minutes": round(minutes, 1),
            "versions": {
                "hafailover": hafailover.__version__,
                "consul": ".".join(map(str, consul_version(self._consul_binary))),
                "neard": self._cluster.neard.version,
            },
            "neard": self._cluster.neard.to_plain(),
            "machine": report.machine(),
            "totals": report.totals(done),
            "woken_with_key_s": [round(one, 3) for one in self._cluster.monitor.woken_s],
            "rows": [report.plain_row(row) for row in found],
            "episodes": [report.plain(one) for one in done],
            **self._more,
        }
        settings.out.parent.mkdir(parents=True, exist_ok=True)
        settings.out.write_text(json.dumps(document, indent=2) + "\n")
        if done:
            print(f"\n{report.table(found)}\n\n{report.LEGEND}\n")
        totals = document["totals"]
        print(
            f"{totals['faults']} faults in {totals['episodes']} episodes and {minutes:.1f} min, seed "
            f"{settings.seed}: {totals['failovers']} failovers, {totals['false_failovers']} false ones of "
            f"{totals['none_due']} where none was due, {totals['blocks_missed']} blocks missed; two holders "
            f"or signed twice: {len(self._cluster.monitor.broken)}; written to {settings.out}"
        )
        print(f"measured on {self._cluster.neard}")
        if "after" in self._more:
            print(report.usage_table(self._more["before"]["sums"], self._more["after"]["sums"]))
        for one in self.failures():
            print(f"FAILED: {one}")

    def keep_logs(self, target: Path) -> None:
        """Copies all logs, with those of an earlier run removed."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for machine in self._cluster.machines:
            for path in (machine.host.agent_log, machine.host.guard_log, machine.host.consul.log_path):
                if path.exists():
                    shutil.copy(path, target / f"{machine.name}-{path.name}")
        for path in self._cluster.localnet.log_folder.glob("*.log"):
            shutil.copy(path, target / path.name)
