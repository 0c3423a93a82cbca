"""localneard.json in a node's home: what only the stand-in has. The file is optional, and so is each key.

=====================  =======  ===========================================================================
``start_delay_s``      0        seconds from reading the files to opening the data folder: until then neither
                                RPC nor a signal handler is there
``stop_delay_s``       0        seconds from SIGTERM to the end; nothing is signed or answered in them
``drop_delay_s``       0        seconds from a reload without a key to the moment the old key no longer
                                signs; until then ``/status`` shows it
``sync_blocks_per_s``  null     speed of catching up; null is as fast as it goes
``link_latency_s``     0.02     how long a block or a validator's mail takes from one node to another; without
                                it, the network would be faster than any real one, and two holders of a key
                                would often see each other's block in time
``gossip_per_s``       0.1      how many times a second news of validators' nodes may be passed on over one
                                connection; 0.1 up to neard 2.13, 10 from 2.14
``lose_sighup``        0        ignore this many reloads; counted anew when the file changes
``refuse_reload``      false    treat config.json as broken at each reload
``rpc``                "ok"     what neard's routes do, all but /metrics: ``ok``, ``hang`` (accept and never
                                answer), ``garbage`` (200 with what is not JSON), ``flood`` (200 with JSON of
                                15 MB that means nothing) or ``error503``
``freeze_producing``   false    produce no blocks, chunks and endorsements, with the key loaded; approvals are
                                sent all the same
``eat_mib``            0        take so many MiB of memory in each tenth of a second, for tests with a limit
                                (setrlimit(2), RLIMIT_AS): where no more is to be had the node aborts, as
                                neard does
=====================  =======  ===========================================================================

Comments are allowed as in neard's files. The file is read again within 0.1 s of a change, and before each
reload and each answer. Bad content stops the start; in a running node it is warned about, and the old values
stay.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localneard.errors import BadFileError
from localneard.jsonc import is_there, read_object
from localneard.sections import Section

FILE_NAME = "localneard.json"
POLL_INTERVAL_S = 0.1
MAX_DELAY_S = 86400.0
_RPC_FAULTS = ("ok", "hang", "garbage", "flood", "error503")

log = logging.getLogger("near_settings")


@dataclass(frozen=True)
class Settings:
    """The values, see the top of this file."""

    start_delay_s: float = 0.0
    stop_delay_s: float = 0.0
    drop_delay_s: float = 0.0
    sync_blocks_per_s: float | None = None
    link_latency_s: float = 0.02
    gossip_per_s: float = 0.1
    lose_sighup: int = 0
    refuse_reload: bool = False
    rpc: str = "ok"
    freeze_producing: bool = False
    eat_mib: int = 0


def read_settings(path: Path) -> Settings:
    """Read the file. Raises BadFileError, naming the key."""
    if not is_there(path):
        return Settings()
    section = Section(str(path), read_object(path))
    if unknown := section.data.keys() - Settings.__dataclass_fields__.keys():
        known = ", ".join(Settings.__dataclass_fields__)
        raise section.fail(min(unknown), f"is no setting of localneard; there are {known}")
    speed = section.optional("sync_blocks_per_s", section.number)
    if speed == 0:
        raise section.fail("sync_blocks_per_s", "must be above 0, or null")
    gossip = section.number("gossip_per_s", Settings.gossip_per_s)
    if gossip == 0:
        raise section.fail("gossip_per_s", "must be above 0")
    return Settings(
        start_delay_s=_delay(section, "start_delay_s", 0.0),
        stop_delay_s=_delay(section, "stop_delay_s", 0.0),
        drop_delay_s=_delay(section, "drop_delay_s", 0.0),
        sync_blocks_per_s=speed,
        link_latency_s=_delay(section, "link_latency_s", Settings.link_latency_s),
        gossip_per_s=gossip,
        lose_sighup=section.whole("lose_sighup", 0),
        refuse_reload=section.flag("refuse_reload", False),
        rpc=section.choice("rpc", _RPC_FAULTS, "ok"),
        freeze_producing=section.flag("freeze_producing", False),
        eat_mib=section.whole("eat_mib", 0),
    )


def _delay(section: Section, key: str, default: float) -> float:
    value = section.number(key, default)
    if value > MAX_DELAY_S:
        raise section.fail(key, f"must be at most {MAX_DELAY_S:g} seconds")
    return value


class LiveSettings:
    """The settings of a running node, as they stand in the file."""

    def __init__(self, home: Path) -> None:
        """Read the file for the first time. Raises BadFileError."""
        self._path = home / FILE_NAME
        self._seen = self._stamp()
        self.now = read_settings(self._path)
        self.on_change: Callable[[], None] = lambda: None
        self._sighups_to_lose = self.now.lose_sighup

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.now = read_settings(self._path)
        except BadFileError as error:
            log.warning("%s; the settings stay as they were", error)
            return
        self._sighups_to_lose = self.now.lose_sighup
        self.on_change()

    def lose_sighup(self) -> bool:
        """Say whether the reload that is due is to be lost, and count it."""
        self.refresh()
        lost = self._sighups_to_lose > 0
        self._sighups_to_lose -= lost
        return lost

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - ten times a second, and Path is slower
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
