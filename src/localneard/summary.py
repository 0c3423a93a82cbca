"""The `stats` line and the figures that neard brings up to date only with it, each `log_summary_period`."""

import asyncio
import logging
import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from localneard.chain import EpochResult
from localneard.clock import boottime
from localneard.sync import Status

if TYPE_CHECKING:
    from localneard.node import Node

log = logging.getLogger("stats")

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Figures:
    """What the metrics show as of the last summary."""

    is_validator: bool = False
    result: EpochResult | None = None
    cpu_ratio: float = 0.0
    memory_bytes: int = 0
    seats: int = 0
    blocks_per_second: float = 0.0
    boot_time_s: float = field(default_factory=time.time)


class Summary:
    """The task behind it."""

    def __init__(self, node: "Node") -> None:
        """Prepare; `run` does the work."""
        self.figures = Figures()
        self._node = node
        self._last = (boottime(), 0.0, node.chain.head.height)

    async def run(self) -> None:
        """Log and update at once and then each period, until cancelled."""
        while True:
            self.update()
            self._log()
            await asyncio.sleep(max(0.1, self._node.config.log_summary_period_s))

    def update(self) -> None:
        """Bring the figures up to date."""
        node, figures = self._node, self.figures
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu, now, height = usage.ru_utime + usage.ru_stime, boottime(), node.chain.head.height
        then, cpu_then, height_then = self._last
        span = max(now - then, 0.001)
        self._last = (now, cpu, height)
        figures.cpu_ratio = (cpu - cpu_then) / span if span > 0.1 else 0.0
        figures.blocks_per_second = max(0, height - height_then) / span if span > 0.1 else 0.0
        figures.memory_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
        figures.is_validator = node.validates and not node.sync.syncing
        figures.result = node.chain.epoch_so_far()
        figures.seats = len(figures.result.epoch.validators)

    def _log(self) -> None:
        node, figures = self._node, self.figures
        head, key = node.chain.head, node.signer.key
        if node.sync.status is Status.AWAITING_PEERS:
            what = "Waiting for peers"
        elif node.sync.syncing:
            left = max(0, node.sync.highest_known - head.height)
            what = f"Downloading blocks ({left} left; at {head.height})"
        else:
            what = head.hash
        seat = None if key is None else node.chain.head_epoch.seat(key.account_id)
        role = f"Validator | {figures.seats} validators" if seat and not node.sync.syncing else ""
        sent, received = node.network.bytes_per_second()
        parts = [
            f"#{head.height:8} {what}",
            role,
            f"{len(node.network.peers)} peers ⬇ {received} B/s ⬆ {sent} B/s",
            f"{figures.blocks_per_second:.2f} bps",
            f"CPU: {figures.cpu_ratio:.0%}, Mem: {figures.memory_bytes / 1e6:.1f} MB",
        ]
        log.info("%s", " ".join(part for part in parts if part))
        if node.reloader.refusal is not None:
            log.warning("Dynamic config updates are not applied: %s", node.reloader.refusal)
