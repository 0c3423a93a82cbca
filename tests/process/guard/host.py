"""One host with a guard of real processes and a fake neard, and the agent's side of the guard's socket."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from hafailover.clock import boottime
from hafailover.guard.settings import GuardSettings
from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until

from ...unit.near.keys import ACCOUNT, public_key, secret_key, write_key

FAKE = Path(__file__).resolve().parent.parent / "fakes" / "faulty_neard.py"
POOL_KEY = public_key("pool")
SECRETS = [secret_key(name).removeprefix("ed25519:") for name in ("pool", "other", "host", "pool-node")]
BUDGET_S = 1.0
LINES_S = 0.2
KILL_SLACK_S = 0.15
"""A SIGKILL and a busy machine: what a kill may take beyond its time."""


def state_of(pid: int) -> str:
    """A process's state letter; "gone" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


def running(pid: int) -> bool:
    return state_of(pid) not in ("gone", "Z", "X")


def fill(folder: Path) -> None:
    """Takes all that is left of a disk: files, each of which needs room in its folder."""
    for number in range(1000):
        try:
            (folder / f"fill{number}-{time.monotonic_ns()}").touch()
        except OSError:
            return
    raise AssertionError("the small disk is not small")


class Agent:
    """The agent's connection: sends commands, reads reports, each within a deadline."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._buffer = b""
        self._unanswered = 1
        self.seen: list[dict[str, Any]] = []
        """Every report, in order."""

    def send(self, op: str, **more: Any) -> None:
        self._unanswered += 1
        self.send_raw(json.dumps({"op": op, **more}).encode() + b"\n")

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def arm(self, term: int, grant_s: float = 5.0) -> float:
        """Asks to arm; the deadline that it granted."""
        deadline = boottime() + grant_s
        self.send("arm", term=term, deadline=deadline)
        return deadline

    def grant(self, term: int, grant_s: float = 5.0) -> float:
        deadline = boottime() + grant_s
        self.send("grant", term=term, deadline=deadline)
        return deadline

    def drop(self, term: int, urgent: bool = True) -> float:
        """Asks to drop; when it did."""
        asked = boottime()
        self.send("drop", term=term, urgent=urgent, reason="test")
        return asked

    def report(self, timeout_s: float = 5.0) -> dict[str, Any]:
        """The next report. Raises ConnectionError when the guard has hung up."""
        self._socket.settimeout(timeout_s)
        while b"\n" not in self._buffer:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError("the guard has hung up")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        report: dict[str, Any] = json.loads(line)
        # What answers a command tells of no event; the guard greets a new agent in the same way.
        self._unanswered -= not report["event"]
        self.seen.append(report)
        return report

    def now(self) -> dict[str, Any]:
        """The guard's present state: the answer to a question, past all that was reported before it."""
        self.send("ping")
        while self._unanswered:
            report = self.report()
        return report

    def until(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 5.0, what: str = ""
    ) -> dict[str, Any]:
        """Asks every 20 ms until the guard's state is as wanted, and returns it."""
        end = boottime() + timeout_s
        while not condition(report := self.now()):
            assert boottime() < end, f"not within {timeout_s:g} s: {what}; last report: {report}"
            time.sleep(0.02)
        return report

    def until_key(self, key: str, timeout_s: float = 5.0) -> dict[str, Any]:
        return self.until(lambda report: report["key"] == key, timeout_s, f"key {key}")

    def until_up(self, timeout_s: float = 8.0) -> dict[str, Any]:
        return self.until(lambda report: report["neard"] == "up", timeout_s, "neard up")

    def hung_up(self, timeout_s: float = 3.0) -> bool:
        """Whether the guard ends the connection within the time."""
        end = boottime() + timeout_s
        with contextlib.suppress(TimeoutError):
            while (left := end - boottime()) > 0:
                try:
                    self.report(left)
                except ConnectionError:
                    return True
        return False

    def close(self) -> None:
        self._socket.close()


class GuardHost:
    """neard's home, the pool's key, and the guard over them. What it started ends with the ``with`` block."""

    def __init__(self) -> None:
        # Not below pytest's own folder: a socket's path may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
        self.home = self.folder / "neard"
        self.home.mkdir()
        self.key = write_key(self.folder / "secrets" / "pool.json", "pool")
        write_key(self.home / "node_key.json", "host", account_id="node")
        self.port = free_ports(1)[0]
        self.write_config()
        self.binary = self.folder / "neard-fake"
        self.binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{FAKE}" "$@"\n')
        self.binary.chmod(0o755)
        self.settings = GuardSettings(
            account_id=ACCOUNT,
            home=str(self.home),
            neard_binary=str(self.binary),
            neard_args=(),
            validator_key_file=str(self.key),
            validator_node_key_file=None,
            socket=str(self.folder / "run" / "guard.sock"),
            hot_swap=True,
            drop_budget_s=BUDGET_S,
            stop_s=10.0,
            fence_after_s=15.0,
        )
        self.log = self.folder / "guard.log"
        self.link = self.home / "validator_key.json"
        self.guard: ManagedProcess | None = None
        self._others: list[ManagedProcess] = []
        self._agents: list[Agent] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for agent in self._agents:
            agent.close()
        for process in [self.guard, *self._others]:
            if process is not None:
                process.kill()
        self.wait_no_neard()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what is there

    def write_config(self, **more: Any) -> None:
        config = {"rpc": {"addr": f"127.0.0.1:{self.port}"}, **more}
        (self.home / "config.json").write_text(json.dumps(config))

    def faults(self, **faults: Any) -> None:
        temporary = self.home / "fake.json.new"
        temporary.write_text(json.dumps(faults))
        temporary.rename(self.home / "fake.json")

    def change(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)

    # --- what runs

    def start(self, wrapper: str | None = None) -> None:
        """Starts the guard; ``wrapper``: a program that runs instead of ``python -m hafailover.guard``."""
        command = ["-c", wrapper] if wrapper is not None else ["-m", "hafailover.guard"]
        self.guard = self.spawn([sys.executable, *command, self.settings.to_json()], self.log)
        self._others.remove(self.guard)

    def spawn(self, command: list[str], log: Path) -> ManagedProcess:
        process = ManagedProcess.start("guard", command, log_path=log)
        self._others.append(process)
        return process

    def agent(self) -> Agent:
        """Connects as soon as the guard listens."""
        path = Path(self.settings.socket)

        def connects() -> bool:
            if self.guard is not None and not self.guard.is_alive():
                raise AssertionError(f"the guard has ended: {self.text()}")
            with contextlib.suppress(OSError):
                self._agents.append(Agent(path))
                return True
            return False

        wait_until(connects, timeout_s=10, what=lambda: f"the guard's socket: {self.text()}", interval_s=0.02)
        return self._agents[-1]

    def up(self) -> Agent:
        """Guard and neard started, an agent connected."""
        self.start()
        agent = self.agent()
        agent.until_up()
        return agent

    def loaded(self, term: int = 5, grant_s: float = 5.0) -> tuple[Agent, float]:
        """The same, and the key loaded; with the deadline granted."""
        agent = self.up()
        deadline = agent.arm(term, grant_s)
        agent.until_key("loaded")
        return agent, deadline

    # --- what has happened

    def text(self) -> str:
        """All that the guard has written; its lines come a moment after what they tell of."""
        time.sleep(LINES_S)
        return self.log.read_text() if self.log.exists() else ""

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the fake neards have noted, oldest first."""
        path = self.home / "fake.log"
        lines = path.read_text().splitlines() if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [event for event in found if not names or event["event"] in names]

    def neards(self) -> list[int]:
        """The pids of all neards that were ever started."""
        return [event["pid"] for event in self.events("start")]

    def started_with(self) -> list[str | None]:
        """The key that each start of neard found."""
        return [event["key"] for event in self.events("read")]

    def wait_dead(self, pid: int, by: float) -> float:
        """Waits for a process's end and returns when it was seen; fails at ``by`` (CLOCK_BOOTTIME)."""
        while running(pid):
            assert boottime() < by + 3, f"{pid} lives on: {self.text()}"
            time.sleep(0.002)
        return boottime()

    def wait_keyless(self, by: float) -> float:
        """Waits until neard has dropped its key by a reload; returns when it did."""

        def gone() -> bool:
            return self.events("reload")[-1]["key"] is None

        wait_until(gone, timeout_s=max(0.1, by - boottime()) + 3, what="a keyless reload", interval_s=0.01)
        return float(self.events("reload")[-1]["at"])

    @contextlib.contextmanager
    def small_disk(self) -> Iterator[Callable[[], None]]:
        """Puts neard's home on a small disk of its own; gives a function that fills it, until it is full."""
        if os.geteuid() != 0:
            pytest.skip("NOT TESTED: a full disk needs root, to mount a small one")
        small = self.folder / "small"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=40", "tmpfs", str(small)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"NOT TESTED: a full disk, since this root may not mount one: {done.stderr.strip()}")
        try:
            shutil.copytree(self.home, small, dirs_exist_ok=True)
            self.home, self.link = small, small / "validator_key.json"
            self.change(home=str(small))
            yield lambda: fill(small)
        finally:
            if self.guard is not None:
                self.guard.kill()
            self.wait_no_neard()
            subprocess.run(["umount", "-l", small], check=True)

    def make_room(self) -> None:
        """The disk that was filled has room again."""
        for path in self.home.glob("fill*"):
            path.unlink()

    def wait_no_neard(self) -> None:
        pids = self.neards()
        wait_until(lambda: not any(running(pid) for pid in pids), timeout_s=5, what="the end of all neards")

    def kill_guard(self) -> None:
        """SIGKILL to the guard alone, as the kernel does it."""
        assert self.guard is not None
        os.kill(self.guard.pid, signal.SIGKILL)
