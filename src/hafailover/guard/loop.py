"""The guard's event loop around :func:`hafailover.guard.decide.decide`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hafailover import defect
from hafailover.clock import boottime
from hafailover.core.views import KeyState, NeardPhase
from hafailover.guard import model as m
from hafailover.guard import protocol, tree
from hafailover.guard.decide import FileEvent, decide, next_wake
from hafailover.guard.fileworker import FileWorker
from hafailover.guard.keylink import KeyLink, LinkError
from hafailover.guard.listener import Ownership
from hafailover.guard.neardproc import NeardProcess, SpawnError
from hafailover.guard.probe import NobodyListensError, ProbeError, probe_status
from hafailover.guard.server import AgentSocket
from hafailover.guard.settings import GuardSettings
from hafailover.guard.watchdog import Pat, next_look, next_pat, reaches_too_far
from hafailover.log import fields, remember
from hafailover.log_writer import flush
from hafailover.near.home import HomeError, NeardHome, load_home
from hafailover.sdnotify import announce, notify, watchdog_limit_s

log = logging.getLogger("hafailover.guard")

PROBE_DEADLINE_S = 0.5
KEYLESS_LOOK_S = 2.0
"""How often a neard that is to have no key is asked whether it has one."""
DEFECT = "a defect in the guard: it ends, and neard with it"
LAST_LINES_S = 0.2
"""How long the last lines of a log may take where the process ends on the spot; neard is dead by then."""
LAST_FILES_S = 1.0
LOOK_AGAIN_S = 0.02
"""From one look at what neard's command has left behind to the next."""
LINGERS_AFTER_S = 0.5
"""SIGKILL takes no longer, but for what may not be killed or hangs in the kernel."""
LINGERS_SAID_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a guard works with, checked."""

    home: NeardHome
    link: KeyLink
    config: m.GuardConfig
    node_keys: frozenset[str]


@dataclass(slots=True)
class Rest:
    """How it stands with what neard's command has left behind. Times on CLOCK_BOOTTIME."""

    asked: bool = False
    """It got SIGTERM."""
    kill_since: float | None = None
    said_at: float = -LINGERS_SAID_EVERY_S


class GuardLoop:
    """Feeds events to the decision and carries its effects out, in one thread that waits for nothing.

    File work is done by another thread, and comes back as events.
    """

    def __init__(self, settings: GuardSettings, prepared: Prepared) -> None:
        self._home = prepared.home
        self._link = prepared.link
        self._node_keys = prepared.node_keys
        self._neard = NeardProcess(
            [settings.neard_binary, "--home", settings.home, "run", *settings.neard_args],
            pid_file(settings),
            alone=True,
        )
        self._ownership = Ownership()
        self._answered: tuple[str, int] | None = None
        """IP address and port at which neard's RPC has answered."""
        self._guard = m.Guard(prepared.config)
        self._files = FileWorker(partial(defect.end_process, DEFECT))
        self._socket = AgentSocket(Path(settings.socket), self._on_command, settings.agent_uid)
        self._queue: deque[m.GuardEvent] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.Task[None] | None = None
        self._done = asyncio.Event()
        self._said = ""
        self._watchdog_s = watchdog_limit_s()
        self._pat: Pat | None = None

    async def run(self) -> None:
        """Guards until it is told to stop and neard has ended."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(defect.in_loop)
        # No line of a log delays the end of neard.
        defect.first(self._neard.kill)
        self._files.start()
        await self._socket.open()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.feed, m.StopAsked())
        # A reload sent to the unit is for the agent; the guard has nothing to read again.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        announce("READY=1")
        # What neard's command has started and then left falls to the guard, and ends unheard otherwise.
        loop.add_signal_handler(signal.SIGCHLD, lambda: tree.reap_orphans(self._neard.pid))
        self.feed(m.Tick())
        keyless = loop.create_task(self._look_at_the_keyless(), name="keyless")
        keyless.add_done_callback(defect.in_task)
        await self._done.wait()
        keyless.cancel()
        self._socket.close()
        self._files.do(self._socket.remove)
        if not self._files.finish(LAST_FILES_S):
            log.warning(
                "a file operation has not ended: check the disk under %s. If the key link is left there, the "
                "guard's next start takes it away",
                self._home.path,
            )

    def feed(self, event: m.GuardEvent) -> None:
        """Takes an event; effects that fail at once come back as events and are handled in order.

        A defect ends the guard on the spot, and neard with it: a guard whose clock has stopped must not live.
        """
        self._queue.append(event)
        if self._busy:
            return
        try:
            self._work_off()
        except BaseException as error:  # noqa: BLE001 - whatever it is, this guard must not live
            defect.end_process(DEFECT, error)

    def _work_off(self) -> None:
        self._busy = True
        try:
            while self._queue:
                self._guard, effects = decide(self._guard, self._queue.popleft(), boottime())
                if reaches_too_far(self._guard, self._pat):
                    self._show_life()
                for effect in effects:
                    self._perform(effect)
        finally:
            self._busy = False
        self._show_life()
        self._set_timer()

    def _on_command(self, event: m.GuardEvent | None) -> None:
        if event is not None:
            self.feed(event)
        self._send("")

    def _send(self, event: str) -> None:
        self._socket.send(protocol.describe(self._guard, event, os.getpid(), tier1=self._home.tier1))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = boottime()
        wake = next_wake(self._guard, now)
        if self._watchdog_s is not None:
            wake = min(wake, next_look(self._pat, now))
        delay = max(0.0, wake - now)
        self._timer = asyncio.get_running_loop().call_later(delay, self.feed, m.Tick())

    def _perform(self, effect: m.GuardEffect) -> None:
        match effect:
            case m.PrepareHome(number):
                self._do_file_work(lambda: self._prepare_home(number))
            case m.LinkKey(number):
                self._do_file_work(lambda: self._place_link(number))
            case m.UnlinkKey(number):
                self._do_file_work(lambda: self._remove_link(number))
            case m.StartNeard():
                self._start()
            case m.SignalReload():
                self._neard.signal(signal.SIGHUP)
            case m.TerminateNeard():
                self._neard.signal(signal.SIGTERM)
            case m.KillNeard():
                # Before the line that says so.
                self._neard.kill()
                log.warning("killing neard")
            case m.ProbeNeard(number):
                if self._probe is not None:
                    self._probe.cancel()
                self._probe = asyncio.get_running_loop().create_task(self._ask_neard(number), name="probe")
                self._probe.add_done_callback(defect.in_task)
            case m.Report(reason, loud):
                remember(term=self._guard.term or None)
                level = logging.ERROR if loud else logging.INFO
                log.log(level, "%s", reason, extra=fields(event="guard", reason=reason))
                self._send(reason)
            case m.KillGuard():
                flush(LAST_LINES_S)
                os.kill(os.getpid(), signal.SIGKILL)
            case m.Quit():
                self._done.set()

    def _start(self) -> None:
        # In this thread, the main one: PR_SET_PDEATHSIG goes by the thread that forks, and this one ends with
        # the guard even while another hangs in the kernel. The binary is read from a disk here, but nothing
        # can hold the key before it runs, and a guard that stands still meanwhile is the watchdog's.
        try:
            if stranger := self._stranger():
                raise SpawnError(stranger)
            pid = self._neard.start()
        except SpawnError as error:
            self._queue.append(m.StartFailed(str(error)))
            return
        assert self._neard.pidfd is not None
        asyncio.get_running_loop().add_reader(self._neard.pidfd, self._on_exit, pid, self._neard.pidfd)
        self._files.do(self._neard.note(pid))
        self._queue.append(m.Started(pid))

    def _on_exit(self, pid: int, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        self._look(lambda: self._ended(pid, self._neard.reap(), Rest()))

    def _look(self, look: Callable[[], None]) -> None:
        """A look that fails, for whatever reason, is not taken again: neard's end would stay unseen."""
        try:
            look()
        except BaseException as error:  # noqa: BLE001 - an error of the system's, too
            defect.end_process(DEFECT, error)

    def _ended(self, pid: int, code: int, rest: Rest) -> None:
        """neard's end is told once nothing is left of what its command has started."""
        if not self._neard.remains():
            self._files.do(self._neard.forget)
            self.feed(m.Exited(pid, code))
            return
        now = boottime()
        if self._guard.phase is NeardPhase.STOPPING and not self._guard.killed:
            # A stop without hurry: a launcher has ended, and neard itself may close its database.
            if not rest.asked:
                rest.asked = True
                self._neard.signal(signal.SIGTERM)
        elif rest.kill_since is None or now - rest.kill_since < LINGERS_AFTER_S:
            rest.kill_since = rest.kill_since or now
            self._neard.kill()
        elif now - rest.said_at > LINGERS_SAID_EVERY_S:
            rest.said_at = now
            self.feed(m.Lingers(pid, self._lingering()))
        again = partial(self._ended, pid, code, rest)
        asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self._look, again)

    def _lingering(self) -> str:
        left = ", ".join(f"pid {pid} ({tree.name_of(pid)})" for pid in tree.living()[:5])
        return (
            f"neard.binary has ended, but {left} that it has started cannot be ended, so the key is not "
            "confirmed gone: it runs as another user, or hangs in the kernel. End it, or reboot; then make "
            "neard.binary a neard, or a script that `exec`s it"
        )

    def _stranger(self, *, answered: bool = True) -> str:
        """Who listens on neard's RPC address in place of the neard that runs; empty: nobody."""
        host, port = self._answered or (self._home.rpc_host, self._home.rpc_port)
        return self._ownership.trouble(self._neard.pid, host, port, answered=answered)

    def _do_file_work(self, work: Callable[[], tuple[FileEvent, NeardHome | None]]) -> None:
        """Has it done by the other thread; its event is fed in this one."""
        loop = asyncio.get_running_loop()

        def job() -> None:
            event, home = work()
            # The loop is closed: the guard has ended meanwhile, and nobody is interested any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._file_work_done, event, home)

        self._files.do(job)

    def _file_work_done(self, event: FileEvent, home: NeardHome | None) -> None:
        if home is not None:
            self._home, self._answered = home, None
        self.feed(event)

    # --- in the other thread, which alone uses the link

    def _prepare_home(self, number: int) -> tuple[FileEvent, NeardHome | None]:
        """What has come into the home or its config.json since is found here."""
        try:
            home = load_home(self._home.path)
            self._link.use_home(home)
            self._link.prepare()
        except (HomeError, LinkError) as error:
            return m.PrepareFailed(number, str(error)), None
        return m.Prepared(number), home

    def _place_link(self, number: int) -> tuple[FileEvent, NeardHome | None]:
        if stranger := self._stranger():
            return m.LinkFailed(number, stranger), None
        try:
            self._link.place()
        except LinkError as error:
            return m.LinkFailed(number, str(error)), None
        return m.Linked(number), None

    def _remove_link(self, number: int) -> tuple[FileEvent, NeardHome | None]:
        try:
            self._link.remove()
        except LinkError as error:
            return m.UnlinkFailed(number, str(error)), None
        obstacles = self._link.reload_obstacles() if self._guard.config.hot_swap else []
        return m.Unlinked(number, "; ".join(obstacles)), None

    # --- in the loop's

    async def _ask_neard(self, number: int) -> None:
        try:
            status = await probe_status(
                self._home.rpc_host, self._home.rpc_port, PROBE_DEADLINE_S, self._node_keys
            )
        except NobodyListensError as error:
            self._complain(error)
            self.feed(m.ProbeFailed(number, str(error)))
        except ProbeError as error:
            self._complain(error)
            # While it boots no answer of its own is due, but another process's tells why it will not come up.
            booting = self._guard.phase is NeardPhase.BOOTING
            self.feed(m.ProbeFailed(number, str(error), self._stranger(answered=False) if booting else ""))
        else:
            self._said = ""
            self._answered = status.address
            # No long look for a name while a key is to go.
            name = self._guard.key is KeyState.ABSENT
            stranger = self._ownership.trouble(self._neard.pid, *status.address, name=name)
            self.feed(m.Probed(number, status.public_key, status.height, stranger))

    async def _look_at_the_keyless(self) -> None:
        """Nobody but this guard gives neard the key, and what it has not given it must see."""
        while True:
            await asyncio.sleep(KEYLESS_LOOK_S)
            number = self._guard.probe
            if self._guard.phase is not NeardPhase.UP or self._guard.key is not KeyState.ABSENT:
                continue
            with contextlib.suppress(ProbeError):
                status = await probe_status(
                    self._home.rpc_host, self._home.rpc_port, PROBE_DEADLINE_S, self._node_keys
                )
                if status.public_key is not None:
                    stranger = self._ownership.trouble(self._neard.pid, *status.address)
                    self.feed(m.KeyShown(number, status.public_key, stranger))

    def _complain(self, error: ProbeError) -> None:
        """One line for each new trouble with neard's RPC; that nobody listens yet while it boots is none."""
        if isinstance(error, NobodyListensError) and self._guard.phase is not NeardPhase.UP:
            return
        if str(error) != self._said:
            log.warning("neard's RPC: %s", error)
        self._said = str(error)

    def _show_life(self) -> None:
        """Gives systemd the sign of life that is due. Never waits for it: the grant's clock runs here."""
        if self._watchdog_s is None:
            return
        pat = next_pat(self._guard, self._pat, self._watchdog_s, boottime())
        if pat is not None and notify(pat.message):
            self._pat = pat


def pid_file(settings: GuardSettings) -> Path:
    """Where this home's neard is noted; guards of other homes may share the folder."""
    name = hashlib.sha256(settings.home.encode()).hexdigest()[:16]
    return Path(settings.socket).parent / f"neard-{name}.pid"
