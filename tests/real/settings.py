"""What a run is asked to do."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .arrangements import ARRANGEMENTS, RELAYED

WITHOUT_ARRANGEMENT = ("deaf", "cluster", "demo")
"""Parts that settle themselves how neard is set."""
LARGE = ("third", "many")
"""Parts that run only where they are named: other networks than the one that the limits are for."""
PARTS = (
    "vanished",
    "window",
    "now",
    "at-once",
    "killed",
    "normal",
    "standby-vanished",
    *LARGE,
    *WITHOUT_ARRANGEMENT,
)
KINDS = (
    "link-down-long,link-down,deaf,mute,host-crashed,neard-killed,neard-frozen,guard-killed,agent-away,"
    "consul-killed,leader-link-down"
)
"""Of the cluster's, such as mean the same to any neard."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``neard``: the binary by path or name; the stand-in's name for the stand-in. Times in seconds."""

    neard: str
    parts: tuple[str, ...]
    arrangement: str
    handovers: int
    kills: int
    vanishings: int
    hold_s: float
    block_s: float
    kinds: str
    out: Path


def parse(arguments: Sequence[str]) -> Settings:
    """Reads the command line; ends the process with code 2 where it is no good."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.real",
        description="What changes of signer cost a validator on a real neard: a localnet of four equal "
        "validators, one of them a pool of three hosts, each in a network namespace. As root, on Linux.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--neard", help="the neard to test (make real NEARD=/path)")
    which.add_argument(
        "--stand-in", action="store_true", help="the same on localneard, which is no NEAR node"
    )
    parser.add_argument(
        "--only",
        help=f"parts, with commas between: {', '.join(PARTS)} (default: all but {' and '.join(LARGE)})",
    )
    parser.add_argument(
        "--arrangement",
        choices=ARRANGEMENTS,
        default=RELAYED,
        help=f"neard's network settings on the pool's hosts (default: {RELAYED}, as the product's); with "
        f"another one, what settles it itself is left out: {', '.join(WITHOUT_ARRANGEMENT)}",
    )
    parser.add_argument("--handovers", type=int, default=50, help="planned ones of each way (default: 50)")
    parser.add_argument("--kills", type=int, default=20, help="of the active's neard (default: 20)")
    parser.add_argument(
        "--vanishings", type=int, default=3, help="of the active's host, and of a standby's (default: 3)"
    )
    parser.add_argument(
        "--hold",
        type=float,
        default=120.0,
        help="seconds that its link is down, and that nothing happens (default: 120)",
    )
    parser.add_argument("--block-time", type=float, default=1.0, help="seconds (default: 1)")
    parser.add_argument("--kinds", default=KINDS, help=f"of the cluster's faults (default: {KINDS})")
    parser.add_argument("--out", type=Path, default=Path("build/real.json"), help="default: build/real.json")
    given = parser.parse_args(arguments)
    parts = default_parts(given.arrangement)
    if given.only is not None:
        parts = tuple(part for part in given.only.split(",") if part)
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--only: {unknown[0]} is none of {', '.join(PARTS)}")
    if min(given.handovers, given.kills, given.vanishings) < 1 or not parts:
        parser.error("--handovers, --kills and --vanishings must be at least 1, and --only must name a part")
    if given.arrangement != RELAYED and (fixed := [part for part in parts if part in WITHOUT_ARRANGEMENT]):
        parser.error(f"--arrangement: {fixed[0]} has none; leave it out of --only")
    if given.hold < 30 or given.block_time < 0.1:
        parser.error("--hold must be at least 30 s, as a takeover may take 19 s; --block-time at least 0.1 s")
    return Settings(
        neard="localneard" if given.stand_in else given.neard,
        parts=parts,
        arrangement=given.arrangement,
        handovers=given.handovers,
        kills=given.kills,
        vanishings=given.vanishings,
        hold_s=given.hold,
        block_s=given.block_time,
        kinds=given.kinds,
        out=given.out.absolute(),
    )


def default_parts(arrangement: str) -> tuple[str, ...]:
    """What is run where no part is named."""
    left_out = LARGE if arrangement == RELAYED else (*LARGE, *WITHOUT_ARRANGEMENT)
    return tuple(part for part in PARTS if part not in left_out)
