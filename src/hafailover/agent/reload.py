"""SIGHUP: the agent reads its settings again, and goes by those that need no restart."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from hafailover.config.load import ConfigError
from hafailover.config.settings import Settings
from hafailover.core import events as ev
from hafailover.lock.token import Token, TokenError
from hafailover.sdnotify import announce, notify

log = logging.getLogger(__name__)

TELL_S = 1.0
RELOADABLE = ("priority", "log_level", "standby")
"""Settings, and sections of them, that take effect without a restart."""

GUARD_ALONE = (
    "validator_key_file",
    "validator_node_key_file",
    "neard.binary",
    "neard.args",
    "neard.validator_routing",
)
"""The last one goes by prepare-home, which runs before each start of the guard."""
GUARD_TOO = (
    "account_id",
    "log_format",
    "promotion",
    "guard_socket",
    "neard.home",
    "neard.stop_s",
    "timing.profile",
    "timing.drop_budget_s",
)
"""What the guard goes by, which reads its settings only when neard.service starts."""


class Reloader:
    """Reads the settings in a thread of its own, however slow their file is, and tells systemd of it.

    :param settings: what the agent was started with.
    :param read: reads them again, from where they came from at the start; raises ``ConfigError``.
    :param emit: takes the event :class:`Reconfigured`. Whoever handles it calls :func:`done`.
    :param token: shown to Consul, and read anew with the settings.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        emit: Callable[[ev.Event], None],
        token: Token | None = None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._read = read
        self._emit = emit
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="reload", daemon=True).start()

    def ask(self) -> None:
        """Asks for a reload; fit for a signal handler."""
        self._asked.put(None)

    def _run(self) -> None:
        while True:
            self._asked.get()
            # This thread may wait for systemd; what it says must not come after the end of the reload.
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", wait_s=TELL_S)
            event = self.reload()
            if event is None:
                done()
            else:
                self._emit(event)

    def reload(self) -> ev.Reconfigured | None:
        """Takes over what can be; ``None`` if the settings are wrong, and all of them stay as they are."""
        self._read_token()
        try:
            new = self._read()
        except (ConfigError, OSError) as error:
            text = "; ".join(line.strip() for line in str(error).splitlines())
            log.error("not reloaded, the settings from before stay in force: %s", text.replace(":; ", ": "))
            return None
        changed = changes(self._settings, new)
        taken = [name for name in changed if _is_reloadable(name)]
        log.info("settings read again: %s", ", ".join(taken) + " changed" if taken else "nothing taken over")
        _warn_of_the_rest([name for name in changed if not _is_reloadable(name)])
        logging.getLogger().setLevel(new.log_level.upper())
        self._settings = self._settings.model_copy(
            update={name: getattr(new, name) for name in RELOADABLE},
        )
        return reconfigured(new)

    def _read_token(self) -> None:
        """The settings may be wrong and the token new, or the other way round."""
        if self._token is None:
            return
        try:
            if self._token.read_again():
                log.info("a new token for Consul is in use; the agent's check is registered with it next")
        except TokenError as error:
            log.error("the token for Consul from before stays in use: %s", error)


def done() -> None:
    """Tells systemd that the reload is over."""
    announce("READY=1")


def reconfigured(settings: Settings) -> ev.Reconfigured:
    """What the core decides by and takes over without a restart."""
    return ev.Reconfigured(priority=settings.priority, **settings.standby.model_dump())


def changes(before: Settings, after: Settings) -> list[str]:
    """The names of the settings that differ, as they stand in the documentation."""
    old, new = flat(before.model_dump()), flat(after.model_dump())
    return [name for name in old if old[name] != new[name]]


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their whole names, such as ``consul.address``."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _is_reloadable(name: str) -> bool:
    return name.partition(".")[0] in RELOADABLE


def _warn_of_the_rest(names: list[str]) -> None:
    agent = [name for name in names if name not in GUARD_ALONE]
    guard = [name for name in names if name in GUARD_ALONE + GUARD_TOO]
    parts = [
        f"restart {unit} for: {', '.join(found)}"
        for unit, found in (("hafailover.service", agent), ("neard.service", guard))
        if found
    ]
    if parts:
        log.warning("not taken over by a reload; %s", "; ".join(parts))
