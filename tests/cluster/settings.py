"""What a run is asked to do."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RANDOM = 200
SEED = 1
MINUTES = 30.0
NEARD = "HAFAILOVER_NEARD_BINARY"


@dataclass(frozen=True, slots=True)
class Settings:
    """``kinds``: those to strike by name, or ``""`` for all of them, once each."""

    command: str
    seed: int
    random: int
    kinds: str
    minutes: float
    out: Path
    neard: str | None


def parse(arguments: Sequence[str]) -> Settings:
    """Reads the command line; ends the process with code 2 where it is no good."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description="A cluster of three hosts in network namespaces under real faults. As root, on Linux.",
        epilog=f"A real neard instead of the stand-in: its path in {NEARD}.",
    )
    parser.add_argument("command", nargs="?", choices=("run", "soak"), default="run")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of what is drawn (default: {SEED})")
    parser.add_argument("--random", type=int, help=f"random faults (default: {RANDOM}; 0 with --kinds)")
    parser.add_argument(
        "--kinds", default="", help="strike only these by name, with commas between; & joins some at once"
    )
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"how long a soak lasts (default: {MINUTES:g})"
    )
    parser.add_argument(
        "--neard",
        default=os.environ.get(NEARD) or None,
        help=f"a real neard (default: {NEARD}, or the stand-in)",
    )
    parser.add_argument("--out", type=Path, help="the report (default: build/cluster.json, build/soak.json)")
    given = parser.parse_args(arguments)
    drawn = given.random if given.random is not None else 0 if given.kinds else RANDOM
    if drawn < 0 or given.minutes <= 0:
        parser.error("--random and --minutes must not be negative")
    out = given.out or Path("build") / ("soak.json" if given.command == "soak" else "cluster.json")
    return Settings(given.command, given.seed, drawn, given.kinds, given.minutes, out.absolute(), given.neard)
