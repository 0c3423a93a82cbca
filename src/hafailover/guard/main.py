"""The guard process: an event loop around :func:`hafailover.guard.decide.decide`.

Run as ``python -m hafailover.guard SETTINGS_JSON`` by ``hafailover guard``, which has checked the settings.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import resource
import signal
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from hafailover.clock import boottime
from hafailover.core.views import NeardPhase
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.decide import decide, next_wake
from hafailover.guard.keylink import KeyLink, LinkError
from hafailover.guard.neardproc import NeardProcess, SpawnError, end_leftover
from hafailover.guard.probe import NobodyListensError, ProbeError, probe_status
from hafailover.guard.server import AgentSocket, SocketTakenError
from hafailover.guard.settings import GuardSettings
from hafailover.guard.watchdog import Pat, next_look, next_pat, reaches_too_far
from hafailover.guard.word import read_word_key
from hafailover.log import fields, remember, set_up
from hafailover.near.home import HomeError, NeardHome, load_home
from hafailover.near.keyfile import KeyFileError, read_key
from hafailover.sdnotify import notify, watchdog_limit_s

log = logging.getLogger("hafailover.guard")

PROBE_DEADLINE_S = 0.5
NEARD_OPEN_FILES = 65535
"""neard raises its own limit to this and ends if it cannot."""
EXIT_CONFIG = 2
EXIT_DEFECT = 70
NODE_KEY = "node_key_file in config.json"
NODE_CREDENTIAL = "validator_node_key_file"


class GuardError(Exception):
    """The guard cannot start; the text names the setting or file and the fix."""


class GuardLoop:
    """Feeds events to the decision and carries its effects out, in one thread."""

    def __init__(self, settings: GuardSettings, prepared: Prepared) -> None:
        self._home = prepared.home
        self._link = prepared.link
        self._node_keys = prepared.node_keys
        self._neard = NeardProcess(
            [settings.neard_binary, "--home", settings.home, "run", *settings.neard_args],
            pid_file(settings),
        )
        self._guard = m.Guard(prepared.config)
        self._socket = AgentSocket(Path(settings.socket), self._on_command)
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
        await self._socket.open()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.feed, m.StopAsked())
        # A reload sent to the unit is for the agent; the guard has nothing to read again.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        notify("READY=1")
        self.feed(m.Tick())
        await self._done.wait()
        self._socket.close()

    def feed(self, event: m.GuardEvent) -> None:
        """Takes an event; effects that fail at once come back as events and are handled in order.

        A defect ends the guard on the spot, and neard with it: a guard whose clock has stopped must not live.
        """
        self._queue.append(event)
        if self._busy:
            return
        try:
            self._work_off()
        except BaseException:
            log.exception("a defect in the guard; it ends, and neard with it")
            logging.shutdown()
            os._exit(EXIT_DEFECT)

    def _work_off(self) -> None:
        self._busy = True
        try:
            while self._queue:
                self._guard, effects = decide(self._guard, self._queue.popleft(), boottime())
                if reaches_too_far(self._guard, self._pat):
                    self._show_life()
                for effect in effects:
                    if not self._perform(effect):
                        # What comes after a link that could not be placed relies on it.
                        break
        finally:
            self._busy = False
        self._show_life()
        self._set_timer()

    def _on_command(self, event: m.GuardEvent | None) -> None:
        if event is not None:
            self.feed(event)
        self._send("")

    def _send(self, event: str) -> None:
        self._socket.send(protocol.describe(self._guard, event, os.getpid()))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = boottime()
        wake = next_wake(self._guard, now)
        if self._watchdog_s is not None:
            wake = min(wake, next_look(self._pat, now))
        delay = max(0.0, wake - now)
        self._timer = asyncio.get_running_loop().call_later(delay, self.feed, m.Tick())

    def _perform(self, effect: m.GuardEffect) -> bool:
        """Carries an effect out; ``False`` if the ones after it must not be."""
        match effect:
            case m.StartNeard():
                self._start()
            case m.LinkKey():
                try:
                    self._link.place()
                except LinkError as error:
                    self._queue.append(m.LinkFailed(str(error)))
                    return False
            case m.UnlinkKey(loaded):
                self._unlink(loaded)
            case m.SignalReload():
                self._neard.signal(signal.SIGHUP)
            case m.TerminateNeard():
                self._neard.signal(signal.SIGTERM)
            case m.KillNeard():
                log.warning("killing neard")
                self._neard.kill()
            case m.ProbeNeard(number):
                if self._probe is not None:
                    self._probe.cancel()
                self._probe = asyncio.get_running_loop().create_task(self._ask_neard(number))
            case m.Report(reason):
                remember(term=self._guard.term or None)
                log.info("%s", reason, extra=fields(event="guard", reason=reason))
                self._send(reason)
            case m.KillGuard():
                os.kill(os.getpid(), signal.SIGKILL)
            case m.Quit():
                self._done.set()
        return True

    def _start(self) -> None:
        try:
            if not self._guard.start_with_key:
                # Never with the key: what has come into the home or its config.json since is found here.
                self._home = load_home(self._home.path)
                self._link.use_home(self._home)
                self._link.prepare()
            pid = self._neard.start()
        except (HomeError, LinkError, SpawnError) as error:
            self._queue.append(m.StartFailed(str(error)))
            return
        assert self._neard.pidfd is not None
        asyncio.get_running_loop().add_reader(self._neard.pidfd, self._on_exit, pid, self._neard.pidfd)
        self._queue.append(m.Started(pid))

    def _on_exit(self, pid: int, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        self.feed(m.Exited(pid, self._neard.reap()))

    def _unlink(self, loaded: bool) -> None:
        try:
            self._link.remove()
        except LinkError as error:
            self._queue.append(m.UnlinkFailed(str(error)))
            return
        if loaded and self._neard.pidfd is not None and self._guard.config.hot_swap:
            obstacles = self._link.reload_obstacles()
            if obstacles:
                self._queue.append(m.UnlinkFailed("neard would keep the key: " + "; ".join(obstacles)))

    async def _ask_neard(self, number: int) -> None:
        try:
            status = await probe_status(
                self._home.rpc_host, self._home.rpc_port, PROBE_DEADLINE_S, self._node_keys
            )
        except ProbeError as error:
            self._complain(error)
            self.feed(m.ProbeFailed(number, str(error)))
        else:
            self._said = ""
            self.feed(m.Probed(number, status.public_key, status.height))

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
        if pat is not None and notify(pat.message, wait_s=0):
            self._pat = pat


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a guard works with, checked."""

    home: NeardHome
    link: KeyLink
    config: m.GuardConfig
    node_keys: frozenset[str]


def prepare(settings: GuardSettings) -> Prepared:
    """Checks everything that arming will rely on.

    :raises GuardError: with one message that names the setting or file and the fix.
    """
    try:
        home = load_home(settings.home_path)
        identity = read_key(Path(settings.validator_key_file), settings.account_id)
        words = read_word_key(Path(settings.validator_key_file), settings.account_id)
        node = Path(settings.validator_node_key_file) if settings.validator_node_key_file else None
        node_keys = {read_key(node, name=NODE_CREDENTIAL).public_key} if node is not None else set()
        link = KeyLink(
            home, Path(settings.validator_key_file), settings.account_id, identity.public_key, node
        )
        link.prepare()
        node_keys.add(read_key(home.node_key, name=NODE_KEY).public_key)
        end_leftover(pid_file(settings), log.info)
    except (HomeError, KeyFileError, LinkError, SpawnError) as error:
        raise GuardError(str(error)) from None
    config = m.GuardConfig(
        public_key=identity.public_key,
        account_id=identity.account_id,
        node=settings.node_name,
        words=words,
        hot_swap=settings.hot_swap,
        drop_budget_s=settings.drop_budget_s,
        stop_s=settings.stop_s,
    )
    return Prepared(home, link, config, frozenset(node_keys))


def pid_file(settings: GuardSettings) -> Path:
    """Where this home's neard is noted; guards of other homes may share the folder."""
    name = hashlib.sha256(settings.home.encode()).hexdigest()[:16]
    return Path(settings.socket).parent / f"neard-{name}.pid"


def lock_home(home: Path) -> int:
    """Makes sure that no second guard works on this neard home; the lock goes with the process.

    :raises GuardError: another one does.
    """
    try:
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise GuardError(f"{home}: {error.strerror}; set neard.home to neard's home") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise GuardError(f"{home}: another guard is at work here; stop it, or set neard.home") from None
    return descriptor


def raise_file_limit() -> None:
    """neard wants 65535 open files; it inherits what the guard may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = min(NEARD_OPEN_FILES, hard) if hard != resource.RLIM_INFINITY else NEARD_OPEN_FILES
    if soft < want:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, hard))


def run(settings: GuardSettings) -> int:
    """The guard from start to end; the process's exit code."""
    try:
        lock_home(settings.home_path)
        prepared = prepare(settings)
    except GuardError as error:
        log.error("%s", error)
        return EXIT_CONFIG
    raise_file_limit()

    async def go() -> None:
        await GuardLoop(settings, prepared).run()

    try:
        asyncio.run(go())
    except OSError as error:
        log.error(
            "%s: the guard's socket cannot be made: %s; set guard_socket", settings.socket, error.strerror
        )
        return EXIT_CONFIG
    except SocketTakenError as error:
        log.error("%s", error)
        return EXIT_CONFIG
    return 0


def main() -> int:
    settings = GuardSettings.from_json(sys.argv[1])
    set_up("guard", style=settings.log_format, account=settings.account_id, node=settings.node_name or None)
    return run(settings)
