"""The order to sign first whatever the chain shows: one file, one host, one term."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hafailover.agent.first_term import FirstTermDesk
from hafailover.agent.identity import boot_id
from hafailover.clock import boottime
from hafailover.core import events as ev
from hafailover.takeover import first_term
from hafailover.takeover.documents import write_document
from hafailover.takeover.first_term import VALID_S, FirstTermFile, FirstTermOrder

from .parts import Events


@pytest.fixture
def file(tmp_path: Path) -> FirstTermFile:
    return FirstTermFile(tmp_path, "pool.near", "a")


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def desk(file: FirstTermFile, events: Events) -> FirstTermDesk:
    return FirstTermDesk(file, events)


def orders(events: Events) -> list[str | None]:
    return [event.order.order if event.order else None for event in events.of(ev.FirstTermAllowed)]


def test_without_an_order_nothing_is_said(desk: FirstTermDesk, events: Events) -> None:
    desk.look()
    assert events.all == []


def test_an_order_is_told_once_and_its_end_once(
    desk: FirstTermDesk, events: Events, file: FirstTermFile
) -> None:
    before = boottime()
    file.put("root@a", "o1")
    desk.look()
    desk.look()
    [allowed] = events.of(ev.FirstTermAllowed)
    assert allowed.order is not None
    assert (allowed.order.order, allowed.order.by) == ("o1", "root@a")
    assert before + VALID_S <= allowed.order.until <= boottime() + VALID_S
    assert file.end()
    desk.look()
    desk.look()
    assert orders(events) == ["o1", None]


def test_an_order_that_was_used_counts_for_no_other_term(
    desk: FirstTermDesk, events: Events, file: FirstTermFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.put("root@a", "o1")
    desk.look()
    desk.used("o1", "root@a", 20)
    assert "term 20 is the first on record, by order of root@a" in caplog.text
    desk.look()
    assert orders(events) == ["o1", None]
    assert file.order() is None
    assert not file.end()
    file.put("root@a", "o2")
    desk.look()
    assert orders(events) == ["o1", None, "o2"]


@pytest.mark.parametrize("what", ["old", "of another boot", "of the future", "odd"])
def test_what_is_no_order_is_none(file: FirstTermFile, tmp_path: Path, what: str) -> None:
    path = tmp_path / "first-term-pool.near-a.json"
    order = FirstTermOrder(id="o1", by="root@a", at=boottime(), boot=boot_id())
    if what == "odd":
        path.write_text('{"id": 7}')
    else:
        changes: dict[str, object] = {
            "old": {"at": boottime() - VALID_S - 1},
            "of another boot": {"boot": "another"},
            "of the future": {"at": boottime() + 100},
        }[what]  # type: ignore[assignment]
        write_document(path, order.model_copy(update=changes))
    assert file.order() is None


def test_only_the_agents_user_reads_it(file: FirstTermFile, tmp_path: Path) -> None:
    file.put("root@a", "o1")
    [path] = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_as_root_it_is_handed_to_the_folders_owner(
    file: FirstTermFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda _, uid, gid: given.append((uid, gid)))
    file.put("root@a", "o1")
    owner = tmp_path.stat()
    assert given == [(owner.st_uid, owner.st_gid)]


def test_its_time_is_bounded() -> None:
    assert first_term.VALID_S <= 3600
