"""Kernel parameters, and the limits of the processes that run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
OPEN_FILES = re.compile(r"^Max open files\s+\S+\s+(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """``None``: not visible from here."""

    values: dict[str, str | None] = field(default_factory=dict)
    """By name, such as net.core.rmem_max; white space made single."""
    open_files: int | None = None
    """The guard's hard limit, which its neard inherits."""
    guard_runs: bool = False


def look_at_kernel(names: list[str], guard_socket: Path, proc: Path = PROC) -> KernelFacts:
    """:param guard_socket: by which the guard of this configuration is known among others."""
    values = {name: _value(proc / "sys" / name.replace(".", "/")) for name in names}
    guard = _guard(str(guard_socket.absolute()), proc)
    return KernelFacts(values, _limit(guard) if guard is not None else None, guard is not None)


def _value(path: Path) -> str | None:
    try:
        return " ".join(path.read_text().split())
    except (OSError, UnicodeDecodeError):
        return None


def _guard(socket: str, proc: Path) -> Path | None:
    """The guard's folder in /proc, by the settings on its command line, which hold nothing secret."""
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"hafailover.guard" in words and json.loads(words[-2])["socket"] == socket:
                return folder
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
    return None


def _limit(folder: Path) -> int | None:
    try:
        match = OPEN_FILES.search((folder / "limits").read_text())
    except OSError:
        return None
    if match is None:
        return None
    return 1 << 62 if match[1] == "unlimited" else int(match[1])
