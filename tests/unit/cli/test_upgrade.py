"""``hafailover upgrade-plan``: as text, as JSON, and refused."""

from __future__ import annotations

import json
import re

import pytest

from ..near.keys import ACCOUNT
from ..observe.pool import fill, publish_signer
from ..observe.tiny_consul import TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    monkeypatch.setenv("HAFAILOVER_NEARD__BINARY", "/opt/neard")


def test_the_steps_with_their_commands(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    done = hafailover("upgrade-plan", "--neard", "2.11.0", "--system", "linux")
    assert (done.code, done.err) == (0, "")
    steps = done.out.partition("neard 2.11.0: standbys first")[2]
    order = re.findall(r"^  (\d+\. on \w+):", steps, re.MULTILINE)
    assert order == ["1. on c", "2. on b", "3. on b", "4. on a"]
    assert "install -m 755 NEW_NEARD /opt/neard\n" in steps
    assert "hafailover switchover --to b\n" in steps


def test_as_json(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    plan = json.loads(hafailover("upgrade-plan", "--neard", "2.11.0", "--system", "nixos", "--json").out)
    assert (plan["active"], plan["refused"], plan["neard_target"]) == ("a", [], "2.11.0")
    assert plan["neard"][0]["commands"][0] == "nixos-rebuild switch --flake .#c"
    assert [host["node"] for host in plan["hosts"]] == ["a", "b", "c"]


def test_not_now(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul, standbys=())
    done = hafailover("upgrade-plan")
    assert done.code == 1
    assert "no standby is ready" in done.out
    plan = json.loads(hafailover("upgrade-plan", "--json").out)
    assert plan["neard"] == plan["agent"] == []


def test_not_while_the_active_produces_nothing(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    publish_signer(consul, "a", "deaf", term=20)
    done = hafailover("upgrade-plan", "--neard", "2.11.0")
    assert done.code == 1
    assert "not now:\n  a holds the key, and nothing of it arrives: 0 of 9 blocks since" in done.out
    publish_signer(consul, "a", "good", term=20)
    assert hafailover("upgrade-plan", "--neard", "2.11.0").code == 0


def test_without_consul(hafailover: Command, consul: TinyConsul) -> None:
    consul.down = True
    assert hafailover("upgrade-plan").code == 4
