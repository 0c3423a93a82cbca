"""All kinds of faults, by name."""

from __future__ import annotations

from .fault_consul import FORGETTING_KINDS
from .fault_disks import DISK_KINDS
from .fault_links import LINK_KINDS
from .fault_neard import NEARD_KINDS, SABOTAGE
from .fault_processes import PROCESS_KINDS
from .strike import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (*PROCESS_KINDS, *LINK_KINDS, *NEARD_KINDS, *DISK_KINDS, *FORGETTING_KINDS)
}
DOUBLE = (
    ("link-down", "rpc-hung"),
    ("consul-killed", "agent-frozen"),
    ("neard-killed", "leader-frozen"),
    ("guard-frozen", "deaf"),
)
"""Faults at once that are struck by name, beside the random ones."""


def available(*, stand_in: bool, hangs: bool) -> dict[str, Kind]:
    """Those that can be done to this neard, and with these disks."""
    return {
        name: kind
        for name, kind in KINDS.items()
        if (stand_in or not kind.stand_in_only) and (hangs or not kind.hangs)
    }


def by_name(name: str) -> Kind:
    """A kind of fault, also one that only comes by name."""
    return SABOTAGE if name == SABOTAGE.name else KINDS[name]


def parse(text: str, *, stand_in: bool, hangs: bool) -> list[tuple[str, ...]]:
    """``a,b+c`` with several at once joined by ``&``: ``agent-killed,link-down&rpc-hung``.

    :raises ValueError: it names a kind that there is not, or not here.
    """
    known = [*available(stand_in=stand_in, hangs=hangs), SABOTAGE.name]
    wanted = [tuple(one.split("&")) for one in text.split(",") if one]
    for name in {name for names in wanted for name in names}:
        if name not in known:
            raise ValueError(f"no kind of fault is called {name}; there are {', '.join(known)}")
    return wanted
