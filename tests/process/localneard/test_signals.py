"""SIGHUP, SIGTERM and SIGINT, before and after the handlers stand."""

import resource
import signal
import time
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.lab.waiting import wait_until

from .nodes import Node

START_DELAY_S = 30.0


def in_start_delay(node: Node) -> Node:
    """Start a node that stays where no signal handler stands yet."""
    node.settings(start_delay_s=START_DELAY_S)
    node.start()
    wait_until(lambda: "hot loading" in node.log, timeout_s=10, what=lambda: node.log)
    return node


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_before_the_handlers_stand_kills(number: signal.Signals, node: Node) -> None:
    in_start_delay(node).running.signal(number)
    assert node.running.wait(5) == -number
    assert "Traceback" not in node.log


def test_an_early_sighup_is_harmless_when_started_with_it_ignored(node: Node) -> None:
    node.settings(start_delay_s=1.0)
    node.start(before=("sh", "-c", 'trap "" HUP; exec "$@"', "sh"))
    wait_until(lambda: "hot loading" in node.log, timeout_s=10, what=lambda: node.log)
    node.running.signal(signal.SIGHUP)
    node.wait_ready()
    assert node.metric("near_config_reloads_total") == 1
    # The handler has taken the place of the inherited one.
    node.running.signal(signal.SIGHUP)
    node.wait(lambda one: one.metric("near_config_reloads_total") == 2)


def test_it_stops_when_told_to_and_nothing_makes_that_faster(node: Node) -> None:
    node.settings(stop_delay_s=0.6)
    node.start(env={"RUST_LOG": "info"}).wait_height(1)
    started = boottime()
    node.running.signal(signal.SIGTERM)
    wait_until(lambda: "stopped" in node.log, timeout_s=5, what=lambda: node.log)
    produced = node.log.count("produced block")
    assert produced > 0
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        node.running.signal(number)
        time.sleep(0.05)
    assert node.running.wait(5) == 0
    assert boottime() - started >= 0.6
    assert node.log.count("produced block") == produced
    assert "WARN neard: stopping, this may take a few minutes" in node.log
    assert node.events() == [("load", "start"), ("drop", "exit")]


def test_sigint_stops_it_too(node: Node) -> None:
    node.start().wait_ready()
    node.running.signal(signal.SIGINT)
    assert node.running.wait(5) == 0


def test_it_stops_at_the_height_of_expected_shutdown(node: Node) -> None:
    node.start().wait_height(1)
    node.change(expected_shutdown=node.height + 3)
    node.running.signal(signal.SIGHUP)
    assert node.running.wait(10) == 0
    assert 'reason="ClientActor died"' in node.log


def test_without_more_memory_it_aborts_as_neard_does(node: Node) -> None:
    node.start().wait_ready()
    pages = int(Path(f"/proc/{node.running.pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (48 << 20)
    resource.prlimit(node.running.pid, resource.RLIMIT_AS, (limit, limit))
    node.settings(eat_mib=8)
    assert node.running.wait(15) == -signal.SIGABRT
    assert "panicked" in node.log
