"""The agent's desk for orders to sign without a lease."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hafailover.agent import takeover
from hafailover.agent.identity import boot_id
from hafailover.agent.takeover import TakeoverDesk
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.lab.waiting import wait_until
from hafailover.takeover.documents import Files, Order
from hafailover.takeover.silence import Consul


class FakeProbe:
    def __init__(self) -> None:
        self.says = Consul.NO_LEADER

    def ask(self) -> Consul:
        return self.says


class Bench:
    def __init__(self, folder: Path) -> None:
        self.files = Files(folder, "pool.near", "a")
        self.probe = FakeProbe()
        self.events: list[ev.Event] = []
        probe: Any = self.probe
        self.desk = TakeoverDesk(self.files, lambda: probe, self.events.append)

    def order(self, age_s: float = 0.0, *, consul_down: bool = False) -> None:
        at = boottime() - age_s
        self.files.put_order(Order(id="1", by="root@a", at=at, boot=boot_id(), consul_down=consul_down))

    def look(self) -> list[type[ev.Event]]:
        del self.events[:]
        self.desk.look_at_files(0)
        self.desk.look()
        self.desk.look_at_files(0)
        return [type(event) for event in self.events]

    def said(self) -> str:
        self.desk.look_at_files(0)
        answer = self.files.answer()
        return f"{answer.state}: {answer.text}" if answer is not None else ""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(takeover, "ASK_S", 0.0)
    return Bench(tmp_path)


def test_without_an_order_consul_is_not_asked(bench: Bench) -> None:
    assert bench.look() == []


def test_an_order_is_passed_on_once_and_consul_is_asked_from_then_on(bench: Bench) -> None:
    bench.order()
    assert bench.look() == [ev.TakeoverOrdered]
    assert bench.look() == [ev.ConsulSilent]
    bench.probe.says = Consul.ANSWERS
    assert bench.look() == [ev.ConsulAnswered]


@pytest.mark.parametrize(
    ("says", "consul_down", "taken"),
    [
        (Consul.ANSWERS, False, False),
        (Consul.ANSWERS, True, False),
        (Consul.DOWN, False, False),
        (Consul.DOWN, True, True),
        (Consul.NO_LEADER, False, True),
    ],
)
def test_it_depends_on_what_consul_says(bench: Bench, says: Consul, consul_down: bool, taken: bool) -> None:
    bench.probe.says = says
    bench.order(consul_down=consul_down)
    assert bench.look() == ([ev.TakeoverOrdered] if taken else [])
    assert bench.said() == ("" if taken else f"over: {says.value}")
    assert (bench.files.order() is not None) is taken


def test_an_order_that_was_left_behind_is_void(bench: Bench) -> None:
    bench.order(age_s=60)
    assert bench.look() == []
    assert bench.said().startswith("over: the order is from before")
    bench.order()
    bench.desk.start()
    wait_until(lambda: bench.files.order() is None, timeout_s=5, what="the order's end")


def test_an_order_that_is_taken_back_ends_it(bench: Bench) -> None:
    bench.order()
    bench.look()
    bench.desk.answer("1", signs=True, text="as term 9")
    assert bench.said() == "signing: as term 9"
    bench.files.end_order()
    assert bench.look() == [ev.TakeoverEnded, ev.ConsulSilent]
    bench.desk.answer("1", signs=False, text="an operator has taken the order back")
    assert bench.said().startswith("over: ")
    assert bench.look() == []


class HungFiles(Files):
    """A state folder that hangs from some moment on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "pool.near", "a")
        self.hangs = threading.Event()
        self.go_on = threading.Event()

    def order(self) -> Order | None:
        if self.hangs.is_set():
            self.go_on.wait(60)
        return super().order()


def test_a_state_folder_that_hangs_ends_nothing_that_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consul is asked on, so that the guard keeps its grant, and the answer waits for nobody."""
    monkeypatch.setattr(takeover, "ASK_S", 0.0)
    monkeypatch.setattr(takeover, "LOOK_S", 0.02)
    bench = Bench(tmp_path)
    files = HungFiles(tmp_path)
    probe: Any = bench.probe
    desk = TakeoverDesk(files, lambda: probe, bench.events.append)
    try:
        desk.start()
        time.sleep(0.2)
        bench.order()
        wait_until(lambda: bool(bench.events), timeout_s=5, what="the order")
        files.hangs.set()
        time.sleep(0.1)
        desk.answer("1", signs=True, text="as term 9")
        before = len(bench.events)
        wait_until(lambda: len(bench.events) > before + 3, timeout_s=5, what="more questions")
        assert {type(event) for event in bench.events[before:]} == {ev.ConsulSilent}
        desk.answer("1", signs=False, text="Consul answers")
        before = len(bench.events)
        time.sleep(0.2)
        # Its file is still there.
        assert len(bench.events) <= before + 1
    finally:
        files.go_on.set()
    wait_until(lambda: Files.order(files) is None, timeout_s=5, what="the order's end")
