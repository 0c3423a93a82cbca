"""Puts the agent's side together as the settings want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hafailover.config.settings import Settings
from hafailover.deadline import deadline
from hafailover.local.place import Place
from hafailover.local.server import LookServer
from hafailover.lock.client import Address
from hafailover.observe.duties import NextWindow, look_with_window
from hafailover.observe.look import Look
from hafailover.observe.moving import FirstSeen

LOOK_S = 2.4
WINDOW_S = 0.05
"""What a command waits for neard's next window; a slow answer is there for the next command."""


def serve(settings: Settings, consul: Address, newest_beat: FirstSeen | None = None) -> None:
    """Starts answering commands.

    :param newest_beat: the one that the agent has seen last, and when first.
    """
    LookServer(place_in(settings), lambda: _eyes(settings, consul, newest_beat)).start()


def place_in(settings: Settings) -> Place:
    """Where the agent with these settings answers."""
    return Place(str(settings.state_dir), settings.account_id, settings.node_name, settings.consul.address)


def _eyes(settings: Settings, consul: Address, newest_beat: FirstSeen | None) -> Callable[[], dict[str, Any]]:
    look, window = Look(consul, settings.account_id, newest_beat), NextWindow(settings)

    def take() -> dict[str, Any]:
        with deadline(LOOK_S):
            return look_with_window(look, window, WINDOW_S).to_plain()

    return take
