"""The order of an upgrade, and when there should be none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hafailover.observe.overview import Overview
from hafailover.observe.records import NodeRecord
from hafailover.upgrade.plan import Step, UpgradePlan, plan
from hafailover.upgrade.recipes import Recipes

OLD, NEW = "2.10.0", "2.11.0"
LINUX = Recipes("linux", "127.0.0.1:2233", "/usr/local/bin/neard", "/opt/hafailover/bin/python")
NIXOS = replace(LINUX, system="nixos")


def host(
    node: str, role: str = "standby", *, ready: bool = True, neard: str = OLD, **more: object
) -> NodeRecord:
    return NodeRecord.model_validate(
        {
            "node": node,
            "role": role,
            "ready": ready,
            "neard_version": neard,
            "agent_version": "0.1.0",
            "public_key": "ed25519:k",
            **more,
        }
    )


A = host("a", "active")
B, C = host("b", priority=5), host("c")


def pool(*hosts: NodeRecord, **more: object) -> Overview:
    view = Overview("pool.near", True, "the verdict", "a", 7, None, hosts or (A, B, C))
    return replace(view, **more)  # type: ignore[arg-type]


def planned(view: Overview, *, neard: str = "", agent: str = "0.1.0") -> UpgradePlan:
    return plan(view, LINUX, agent=agent, neard=neard)


def shape(steps: tuple[Step, ...]) -> list[str]:
    def one(step: Step) -> str:
        return "done" if step.done else "switchover" if "switchover" in step.commands[0] else "upgrade"

    return [f"{step.on} {one(step)}" for step in steps]


def test_standbys_first_then_a_switchover_then_the_one_that_signed() -> None:
    found = planned(pool(), neard=NEW)
    assert found.refused == ()
    assert shape(found.neard) == ["c upgrade", "b upgrade", "b switchover", "a upgrade"]
    assert found.neard[-1].text.endswith("; only once status says that it is a standby and that b produces")


def test_without_a_name_one_version_everywhere_is_the_old_one() -> None:
    found = planned(pool())
    assert found.neard_target == ""
    assert shape(found.neard) == ["c upgrade", "b upgrade", "b switchover", "a upgrade"]


def test_what_is_done_is_seen_by_the_versions() -> None:
    found = planned(pool(A, B, host("c", neard=NEW)))
    assert found.neard_target == NEW
    assert shape(found.neard) == ["c done", "b upgrade", "b switchover", "a upgrade"]
    after = planned(pool(A, host("b", neard=NEW), host("c", neard=NEW)))
    assert shape(after.neard) == ["b done", "c done", "b switchover", "a upgrade"]


def test_after_the_switchover_the_old_active_is_a_standby_like_any_other() -> None:
    view = pool(host("a"), host("b", "active", neard=NEW), host("c", neard=NEW), active="b")
    assert shape(planned(view).neard) == ["a upgrade", "c done", "b done"]


def test_an_active_that_is_newer_than_its_standbys_is_noted() -> None:
    found = planned(pool(host("a", "active", neard=NEW), B, C))
    assert shape(found.neard) == ["c upgrade", "b upgrade", "a done"]
    assert any("upgrade the standbys soon" in note for note in found.notes)


def test_everything_done() -> None:
    found = planned(pool(), neard=OLD)
    assert shape(found.neard) == ["c done", "b done", "a done"]
    assert shape(found.agent) == ["c done", "b done", "a done"]


def test_a_host_that_could_not_take_over_anyway_comes_first_and_is_not_switched_to() -> None:
    found = planned(pool(A, host("b", ready=False, priority=9), C), neard=NEW)
    assert shape(found.neard) == ["b upgrade", "c upgrade", "c switchover", "a upgrade"]
    assert any("only one standby is ready" in note for note in found.notes)


def test_hosts_that_are_gone_are_noted() -> None:
    found = planned(pool(A, B, host("c", "gone", ready=False)), neard=NEW)
    assert shape(found.neard) == ["b upgrade", "b switchover", "a upgrade"]
    assert "c is gone: upgrade it before it comes back" in found.notes


def test_an_agent_needs_no_switchover() -> None:
    found = planned(pool(), agent="0.2.0")
    assert shape(found.agent) == ["c upgrade", "b upgrade", "a upgrade"]
    assert not any("neard" in command for step in found.agent for command in step.commands)


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (pool(active=None), "the verdict"),
        (pool(A, host("b", "active"), C), "the verdict"),
        (pool(paused="until noon"), "paused until noon"),
        (pool(plan="to b: waiting"), "a switchover is planned"),
        (pool(A), "no standby is ready"),
        (
            pool(A, host("b", ready=False, reason="syncing")),
            "so nothing could take over: b standby: syncing",
        ),
        (pool(A, B, host("c", public_key="ed25519:x")), "the key is not the same everywhere"),
        (pool(A, host("b", neard="2.9.0"), host("c", neard=NEW)), "3 versions of neard at once"),
        (
            pool(A, B, host("c", neard=NEW, ready=False, reason="syncing")),
            "c has neard 2.11.0 already, and is not ready (syncing)",
        ),
    ],
)
def test_not_now(view: Overview, reason: str) -> None:
    found = planned(view)
    assert any(reason in one for one in found.refused), found.refused
    assert found.neard == found.agent == ()


def producing(grade: str, **more: object) -> Overview:
    """A pool whose active does this of nine blocks that were due."""
    blocks = {"produced": 0, "expected": 9, "recent_produced": 0, "recent_expected": 9}
    production = {"grade": grade, "since": "13:02:11 UTC", "blocks": blocks, **more}
    return pool(host("a", "active", production=production), B, C)


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (producing("deaf"), "a holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"),
        (producing("doubt"), "a holds the key, and what it does is not seen to arrive yet: 0 of 9 blocks"),
        (producing("still", head_age_s=41.0), "a holds the key, but the chain stands still"),
        (producing("other key"), "a holds the key, but the account's stake is with another key"),
        (producing("unknown", unknown_s=41.0), "a signs; whether it produces is not known"),
    ],
)
@pytest.mark.parametrize("neard", [NEW, OLD])
def test_no_step_while_the_active_is_not_seen_to_produce(view: Overview, told: str, neard: str) -> None:
    """Before the first step as well as after the handover, when another host is the active."""
    found = planned(view, neard=neard)
    (reason,) = found.refused
    assert reason.startswith(told)
    assert "docs/runbook.md#hafailover" in reason
    assert found.neard == found.agent == ()


@pytest.mark.parametrize(
    "view", [producing("good"), producing("not due"), producing("unknown", unknown_s=9.0)]
)
def test_an_active_that_produces_or_has_nothing_to_is_no_reason(view: Overview) -> None:
    assert (planned(view).refused, planned(view).notes) == ((), ())


def test_an_account_without_a_seat_may_be_upgraded_and_is_noted() -> None:
    """As before its first epoch; but then nothing shows whether a new holder produces."""
    found = planned(producing("no validator"), neard=NEW)
    assert shape(found.neard) == ["c upgrade", "b upgrade", "b switchover", "a upgrade"]
    (note,) = found.notes
    assert note.startswith("a holds the key, but the account is no validator of this epoch: nothing is due")


def test_three_versions_are_no_reason_once_the_target_is_named() -> None:
    found = planned(pool(A, host("b", neard="2.9.0"), host("c", neard=NEW)), neard=NEW)
    assert found.refused == ()
    assert shape(found.neard) == ["b upgrade", "c done", "b switchover", "a upgrade"]


def test_the_commands_of_each_system() -> None:
    wait = "until curl -fsS http://127.0.0.1:2233/{}; do sleep 2; done".format
    assert LINUX.neard_steps("b")[:3] == (
        "install -m 755 NEW_NEARD /usr/local/bin/neard",
        "systemctl restart neard",
        wait("readyz"),
    )
    assert LINUX.agent_steps("b")[2:4] == ("systemctl restart hafailover", wait("healthz"))
    assert NIXOS.neard_steps("b")[:2] == ("nixos-rebuild switch --flake .#b", "systemctl restart neard")
    assert NIXOS.agent_steps("b")[:2] == ("nixos-rebuild switch --flake .#b", wait("healthz"))
