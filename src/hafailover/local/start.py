"""Puts the agent's side together as the settings want it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hafailover.config.settings import Settings
from hafailover.deadline import deadline
from hafailover.local.place import Place
from hafailover.local.server import LookServer
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError
from hafailover.observe.duties import NextWindow, look_with_window
from hafailover.observe.look import Look
from hafailover.observe.moving import FirstSeen
from hafailover.observe.overview import forced_words, with_forced
from hafailover.observe.records import NodeRecord

LOOK_S = 2.4
WINDOW_S = 0.05
"""What a command waits for neard's next window; a slow answer is there for the next command."""


def serve(
    settings: Settings,
    consul: Address,
    newest_beat: FirstSeen | None = None,
    own: Callable[[], NodeRecord] | None = None,
) -> None:
    """Starts answering commands.

    :param newest_beat: the one that the agent has seen last, and when first.
    :param own: this host's record, as it is now.
    """
    LookServer(place_in(settings), lambda: _eyes(settings, consul, newest_beat, own)).start()


def place_in(settings: Settings) -> Place:
    """Where the agent with these settings answers."""
    return Place(str(settings.state_dir), settings.account_id, settings.node_name, settings.consul.address)


def _eyes(
    settings: Settings,
    consul: Address,
    newest_beat: FirstSeen | None,
    own: Callable[[], NodeRecord] | None,
) -> Callable[[], dict[str, Any]]:
    look, window = Look(consul, settings.account_id, newest_beat), NextWindow(settings)

    def take() -> dict[str, Any]:
        host = own() if own is not None else None
        try:
            with deadline(LOOK_S):
                view = look_with_window(look, window, WINDOW_S)
        except CallError as error:
            if host is None or not (told := forced_words(host)):
                raise
            raise CallError(error.kind, f"{error}; {told}") from None
        return (with_forced(view, host) if host is not None else view).to_plain()

    return take
