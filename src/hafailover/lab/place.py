"""Where the processes of a host run: on loopback beside all others, or in a network namespace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from hafailover.lab.ports import free_ports

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """One host's place.

    ``address`` is what other hosts reach it at; ``namespace`` a network namespace by its name for
    ip-netns(8), which has its ports to itself, or ``None``.
    """

    address: str = LOOPBACK
    namespace: str | None = None

    def command(self, words: Sequence[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
        """The command line that runs a command in this place, as the same process."""
        if self.namespace is None:
            return list(words)
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "--", *words]

    def ports(self, *usual: int) -> list[int]:
        """As many ports to listen on: the usual ones where nobody else has them.

        :raises LabError: there are none.
        """
        return list(usual) if self.namespace is not None else free_ports(len(usual))
