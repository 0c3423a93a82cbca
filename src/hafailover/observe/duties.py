"""The next heights at which the pool has nothing to produce, from this host's neard, if it answers soon."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from hafailover.clock import boottime
from hafailover.core.views import seconded

if TYPE_CHECKING:
    from hafailover.config.settings import Settings
    from hafailover.observe.look import Look
    from hafailover.observe.overview import Overview

DEADLINE_S = 0.5
AGAIN_AFTER_S = 30.0
"""neard goes through the whole epoch for an answer, so it is not asked for every look."""


class NextWindow:
    """Asked in the background, so that it costs no time beside the look at Consul."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._asked_at = -1e9
        self._windows: list[tuple[int, int]] = []

    def ask(self) -> None:
        """Begins to ask, unless the last answer is young."""
        if boottime() - self._asked_at < AGAIN_AFTER_S or not self._settings.neard.rpc_is_known:
            return
        self._asked_at = boottime()
        self._thread = threading.Thread(target=self._ask, name="windows", daemon=True)
        self._thread.start()

    def after(self, height: int, wait_s: float = DEADLINE_S) -> tuple[int, int] | None:
        """The first heights above ``height``; ``None`` where neard did not answer so soon, or has none."""
        if self._thread is not None:
            self._thread.join(wait_s)
        return next(((max(start, height + 1), end) for start, end in self._windows if end > height + 1), None)

    def _ask(self) -> None:
        from hafailover.near.home import HomeError, load_home
        from hafailover.near.rpc import NeardRpc, RpcError

        neard = self._settings.neard
        try:
            if neard.rpc_address is not None:
                host, _, port = neard.rpc_address.rpartition(":")
                rpc = NeardRpc(host.strip("[]"), int(port), DEADLINE_S)
            else:
                assert neard.home is not None
                home = load_home(neard.home)
                rpc = NeardRpc(home.rpc_host, home.rpc_port, DEADLINE_S)
            self._windows = sorted(rpc.maintenance_windows(self._settings.account_id))
        except (HomeError, RpcError):
            self._windows = []


def look_with_window(look: Look, window: NextWindow, wait_s: float = DEADLINE_S) -> Overview:
    """What ``hafailover status`` shows.

    :param wait_s: for neard, beyond the time that Consul took.
    :raises CallError: Consul could not be asked.
    """
    window.ask()
    view = look.take_anyhow()
    known = [host.height for host in view.hosts if host.node == view.active]
    height = known[0] if known else seconded(host.height for host in view.hosts)
    return replace(view, window=window.after(height, wait_s))
