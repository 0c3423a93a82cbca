"""Which host tells of a failed drill, and that a defect in telling does not reach the lease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hafailover.agent.news import News, tells_for_the_pool
from hafailover.config.settings import Settings
from hafailover.core import events as ev
from hafailover.core.views import LockView
from hafailover.core.work import Chain, Counts, Evidence, Finding, Work
from hafailover.notify.notice import Notice, What
from hafailover.notify.watch import RoleWatch
from hafailover.observe.metrics import Metrics
from hafailover.orders.documents import LastDrill, OrderBook

from ..core.bench import OTHER, Core, member
from ..notify.conftest import alone as alone
from ..notify.conftest import receiver as receiver
from ..notify.hooks import Receiver
from ..observe.tiny_consul import until

ACTIVE = Core().arm().state
FREE = replace(Core().stand_by().state, lock=LockView(None, None, 15))


def drill(ok: bool, at: str) -> OrderBook:
    return OrderBook(
        last_drill=LastDrill(kind="agent", ok=ok, at=at, text="its agent was not back within 20 s")
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("pool.near", "a")


@pytest.fixture
def news(tmp_path: Path, receiver: Receiver, metrics: Metrics) -> Iterator[News]:
    hooks = tmp_path / "hooks"
    hooks.write_text(receiver.url)
    notify = {"webhook_file": hooks, "timeout_s": 5.0}
    one = News(
        Settings.model_validate({"account_id": "pool.near", "node_name": "a", "notify": notify}), metrics
    )
    one.start()
    yield one
    one.stop()


def test_a_drill_that_fails_is_told_once_and_an_old_one_never(news: News, receiver: Receiver) -> None:
    news.see(drill(False, "1"), ACTIVE)
    news.see(drill(True, "2"), ACTIVE)
    news.see(drill(False, "3"), ACTIVE)
    news.see(drill(False, "3"), ACTIVE)
    news.see(drill(False, "4"), ACTIVE)
    until(lambda: len(receiver.documents) == 2, "both")
    one, two = receiver.documents
    assert (one["event"], one["term"]) == ("drill_failed", 20)
    assert "ended at 3 has failed: its agent was not back within 20 s" in one["text"]
    assert "ended at 4" in two["text"]


def test_that_what_it_signs_does_not_arrive_goes_into_the_history_without_any_channel(
    metrics: Metrics,
) -> None:
    told: list[Notice] = []
    one = News(Settings.model_validate({"account_id": "pool.near", "node_name": "a"}), metrics, told.append)
    core = Core().arm()
    for number in range(30):
        before = core.state
        counts = Counts(endorsements=90), Counts(endorsements=100 + number)
        core.feed(ev.WorkSeen(Work(core.now, 1, True, *counts)), after=1.0)
        one.step(before, core.state, [])
    assert [notice.what for notice in told] == [What.NOT_PRODUCING]
    assert told[0].cause.startswith("holds the key, and nothing of it arrives: 0 of")


def test_one_host_of_a_pool_tells() -> None:
    held_by_another = replace(FREE, lock=LockView(OTHER, "b", 15))
    assert tells_for_the_pool(ACTIVE)
    assert not tells_for_the_pool(held_by_another)
    assert not tells_for_the_pool(replace(FREE, lock=None)), "nothing is known yet"
    # Nobody holds the lock: the first by name of those that live.
    assert tells_for_the_pool(replace(FREE, members=(member("a"), member("b"))))
    first = replace(FREE.config, node="c")
    others = (member("a", alive=False), member("b"), member("c"))
    assert not tells_for_the_pool(replace(FREE, config=first, members=others))
    assert tells_for_the_pool(replace(FREE, config=replace(first, node="b"), members=others))


def test_what_became_of_them_is_counted(news: News, receiver: Receiver, metrics: Metrics) -> None:
    def counted(outcome: str) -> float | None:
        labels = {"channel": "webhook", "outcome": outcome}
        return metrics.registry.get_sample_value("hafailover_notifications_total", labels)

    assert (counted("sent"), counted("failed"), counted("dropped")) == (0, 0, 0)
    receiver.statuses = [404]
    news.see(OrderBook(), ACTIVE)
    news.see(drill(False, "1"), ACTIVE)
    news.see(drill(False, "2"), ACTIVE)
    until(lambda: (counted("sent"), counted("failed")) == (1, 1), "the counts")


def test_a_defect_is_logged_and_goes_no_further(
    news: News, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(RoleWatch, "step", lambda *_: 1 / 0)
    news.step(ACTIVE, ACTIVE, [])
    assert "a defect in the notifications" in caplog.text


def test_a_file_that_cannot_be_used_does_not_keep_the_agent_from_its_work(
    tmp_path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    notify = {"webhook_file": tmp_path / "nothing"}
    News(Settings.model_validate({"account_id": "pool.near", "notify": notify}), metrics).start()
    assert "nobody is told by this channel: notify.webhook_file: " in caplog.text


def test_somebody_else_who_signs_is_told_by_one_host_once(news: News, receiver: Receiver) -> None:
    finding = Finding(Counts(blocks=3), began=1.0, last=2.0, sure=True)
    seen = replace(FREE, chain=Chain(evidence=Evidence(finding=finding)))
    news.step(FREE, seen, ())
    news.step(seen, seen, ())
    not_mine = replace(seen, config=replace(seen.config, node="z"), members=(member("b"),))
    news.step(FREE, not_mine, ())
    until(lambda: len(receiver.documents) == 1, "it")
    [one] = receiver.documents
    assert (one["event"], one["severity"]) == ("foreign_signer", "critical")
    assert one["title"] == "pool.near: SOMEBODY ELSE signs for pool.near"
    assert "3 blocks" in one["text"]
    assert "look for another neard with this key" in one["text"]
