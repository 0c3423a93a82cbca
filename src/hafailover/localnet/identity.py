"""Which neard a run is on: what its binary says of itself, and whether its nodes run that one."""

from __future__ import annotations

import re
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from hafailover.localnet.chain import view_node
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import LocalnetNode
from hafailover.localnet.neard import STAND_IN, find_neard
from hafailover.near.command import CommandError, run_neard

OPEN_FILES = 65535
"""What neard raises its limit of open files to before all else (nearcore neard/src/main.rs)."""
VERSION_S = 30.0
_COMMIT = re.compile(r"\(commit ([^)]*)\)")
_MOST_CHARS = 300


@dataclass(frozen=True, slots=True)
class Binary:
    """A neard, or the stand-in."""

    path: str
    version: str
    """The first line of ``--version``."""
    commit: str
    stand_in: bool

    @classmethod
    def of(cls, neard: str | Path | None) -> Self:
        """Asks the binary that ``find_neard`` would take.

        :raises LocalnetError: there is none, it does not run, it may not have as many open files as it wants,
            or it is the stand-in under another name than its own.
        """
        path = find_neard(neard)
        try:
            lines = run_neard([str(path), "--version"], "--version", VERSION_S).splitlines()
        except CommandError as error:
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            if most != resource.RLIM_INFINITY and most < OPEN_FILES:
                raise LocalnetError(
                    f"neard wants {OPEN_FILES} open files, and the hard limit here is {most}: raise it "
                    "(LimitNOFILE= of a unit, nofile in /etc/security/limits.conf, "
                    f"docker run --ulimit nofile={OPEN_FILES}). {error}"
                ) from None
            raise LocalnetError(str(error)) from None
        # A build may say something before; what follows the version names the features.
        line = next((one for one in lines if "(release " in one), "")
        if not line:
            raise LocalnetError(f"{path} is no neard: its --version does not name a release")
        stand_in = STAND_IN in line
        if stand_in and neard is not None and Path(neard).name != STAND_IN:
            raise LocalnetError(
                f"{path} is not neard but the stand-in {STAND_IN}: {line.strip()[:_MOST_CHARS]}"
            )
        commit = _COMMIT.search(line)
        return cls(
            path=str(path),
            version=line.strip()[:_MOST_CHARS],
            commit=commit[1] if commit else "unknown",
            stand_in=stand_in,
        )

    def __str__(self) -> str:
        what = f"the stand-in {STAND_IN}, which is no NEAR node" if self.stand_in else "neard"
        return f"{what}: {self.version}"

    def check_nodes(self, nodes: Sequence[LocalnetNode]) -> None:
        """That nodes which are up run the kind of binary that was asked for.

        :raises LocalnetError: one does not, or does not say.
        """
        for node in nodes:
            said = view_node(node).version
            if said is None:
                raise LocalnetError(f"{node.name} does not say which neard it is")
            if (STAND_IN in said) is not self.stand_in:
                raise LocalnetError(
                    f"{node.name} runs {said[:_MOST_CHARS]}, but {self.path} is to be tested, which says "
                    f"of itself: {self.version}"
                )

    def to_plain(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)
