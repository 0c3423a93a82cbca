"""The commands of an upgrade, as they are typed on a host. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

System = Literal["linux", "nixos"]


@dataclass(frozen=True, slots=True)
class Recipes:
    """What differs between installations; as on this host, and on the others if they are like it."""

    system: System
    listen: str
    """Where the agent answers."""
    neard: str
    """Path of neard's binary."""
    python: str
    """The interpreter that hafailover is installed for."""

    def agent_steps(self, host: str) -> tuple[str, ...]:
        """On NixOS, the switch itself restarts an agent that has changed."""
        if self.system == "nixos":
            install: tuple[str, ...] = (_switch(host),)
        else:
            install = (
                # Hashes bind the libraries; and neither resolving nor building fetches anything else.
                f"{self.python} -P -m pip install --require-hashes -r NEW_LOCK",
                f"{self.python} -P -m pip install --no-deps --no-index --force-reinstall NEW_HAFAILOVER",
                "systemctl restart hafailover",
            )
        return (*install, self._until_well("healthz"), "hafailover status")

    def neard_steps(self, host: str) -> tuple[str, ...]:
        """``/readyz`` says yes again only once the new neard has caught up."""
        install = _switch(host) if self.system == "nixos" else f"install -m 755 NEW_NEARD {self.neard}"
        return (
            install,
            "systemctl restart neard",
            self._until_well("readyz"),
            "hafailover doctor --only neard --only running",
        )

    def switchover(self, to: str) -> tuple[str, ...]:
        return (f"hafailover switchover --to {to}", "hafailover status")

    def _until_well(self, path: str) -> str:
        return f"until curl -fsS http://{self.listen}/{path}; do sleep 2; done"


def _switch(host: str) -> str:
    return f"nixos-rebuild switch --flake .#{host}"
