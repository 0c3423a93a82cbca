"""What is told once, what is told again, and that whoever tells never waits for anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from hafailover.notify import lane as lane_module
from hafailover.notify import notifier as module
from hafailover.notify.channel import Channel, SendError
from hafailover.notify.lane import MOST_WAITING
from hafailover.notify.notice import Message, Notice, Severity, What
from hafailover.notify.notifier import Notifier
from hafailover.notify.webhook import Webhook

from ..near.servers import Server, hang
from ..observe.tiny_consul import until
from .hooks import Counts, Receiver

EVENTS = ("became_active", "ceased", "fenced", "resumed", "drill_failed")
FENCED = Notice(What.FENCED, Severity.CRITICAL, 7, "host1 fenced itself", "host1 fenced itself.")


class Fake(Channel):
    """Takes messages as long as ``errors`` is empty; waits while ``open`` is not set."""

    def __init__(self, name: str = "fake", events: frozenset[str] | None = None) -> None:
        super().__init__(name, events)
        self.sent: list[Message] = []
        self.errors: list[SendError] = []
        self.open = threading.Event()
        self.open.set()

    def send(self, message: Message) -> str:
        self.open.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)
        return "taken"

    def await_term(self, term: int) -> None:
        until(lambda: bool(self.sent) and self.sent[-1].document["term"] == term, f"term {term}")


Make = Callable[..., Notifier]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def make(counts: Counts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made = []
    monkeypatch.setattr(lane_module.Lane.__init__, "__defaults__", (0.01,))

    def make(
        *channels: Channel, repeat_after_s: float = 3600, give_up_s: float = 30, **more: object
    ) -> Notifier:
        events = more.get("events", EVENTS)
        assert isinstance(events, tuple)
        one = Notifier(channels, events, "pool.near", "host1", repeat_after_s, give_up_s, counts)
        one.start()
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module, "boottime", lambda: now[0])
    return now


def test_each_channel_gets_it(make: Make, counts: Counts) -> None:
    one, two = Fake("one"), Fake("two")
    make(one, two).notify(FENCED)
    until(lambda: counts.of("sent") == 2, "both")
    assert one.sent[0].document == two.sent[0].document
    assert sorted(counts.all) == [("one", "sent"), ("two", "sent")]


def test_the_same_event_of_the_same_term_is_told_once(make: Make, clock: list[float]) -> None:
    channel = Fake()
    notifier = make(channel, repeat_after_s=100)
    for _ in range(5):
        notifier.notify(replace(FENCED, id="another"))
    notifier.notify(replace(FENCED, term=8))
    until(lambda: len(channel.sent) == 2, "two of them")
    clock[0] += 99
    notifier.notify(FENCED)
    clock[0] += 1
    notifier.notify(FENCED)
    until(lambda: len(channel.sent) == 3, "one that is late enough")
    assert [message.document["term"] for message in channel.sent] == [7, 8, 7]
    assert channel.sent[2].document["suppressed"] == 5
    assert "5 like this one were not sent" in channel.sent[2].text


def test_only_what_is_wanted_is_told(make: Make) -> None:
    all_of_them, drills = Fake("all"), Fake("drills", frozenset({"drill_failed"}))
    notifier = make(all_of_them, drills, events=("fenced", "drill_failed"))
    notifier.notify(replace(FENCED, what=What.CEASED))
    notifier.notify(FENCED)
    notifier.drill_failed("neard", "nobody else was active within 24 s", "2026-11-23T15:00:00+00:00", 7)
    until(lambda: len(all_of_them.sent) == 2 and drills.sent, "both")
    assert [message.what for message in all_of_them.sent] == ["fenced", "drill_failed"]
    assert [message.what for message in drills.sent] == ["drill_failed"]


def test_what_fails_is_tried_again_and_in_order(make: Make, counts: Counts) -> None:
    channel = Fake()
    channel.errors = [SendError("no connection"), SendError("HTTP 503"), SendError("no connection")]
    notifier = make(channel)
    for term in (1, 2, 3):
        notifier.notify(replace(FENCED, term=term))
    until(lambda: counts.of("sent") == 3, "all")
    assert [message.document["term"] for message in channel.sent] == [1, 2, 3]
    assert counts.of("failed") == 0


def test_a_no_is_not_tried_again(make: Make, counts: Counts, caplog: pytest.LogCaptureFixture) -> None:
    channel = Fake()
    channel.errors = [SendError("HTTP 404", final=True)]
    notifier = make(channel)
    notifier.notify(FENCED)
    notifier.notify(replace(FENCED, term=8))
    until(lambda: counts.of("sent") == 1, "the second")
    assert counts.of("failed") == 1
    assert "notifications by fake: fenced is given up: HTTP 404" in caplog.messages


def test_trying_ends(make: Make, counts: Counts) -> None:
    channel = Fake()
    channel.errors = [SendError("no connection") for _ in range(100_000)]
    make(channel, give_up_s=0.2).notify(FENCED)
    until(lambda: counts.of("failed") == 1, "its end")
    assert channel.sent == []


def test_a_channel_that_hangs_keeps_nobody_waiting_and_no_more_than_so_many(
    make: Make, counts: Counts
) -> None:
    slow, quick = Fake("slow"), Fake("quick")
    slow.open.clear()
    notifier = make(slow, quick)
    number = MOST_WAITING + 20
    done = threading.Event()

    def tell() -> None:
        for term in range(number):
            notifier.notify(replace(FENCED, term=term))
            quick.await_term(term)
        done.set()

    threading.Thread(target=tell, daemon=True).start()
    assert done.wait(30), "it waits for a channel that hangs"
    assert len(quick.sent) == number
    assert slow.sent == []
    # One may be under way beside those that wait.
    left_out = [found for found in counts.all if found == ("slow", "dropped")]
    assert len(left_out) in (19, 20)
    slow.open.set()
    until(lambda: len(slow.sent) == number - len(left_out), "the rest")
    assert slow.sent[-1].document["term"] == number - 1, "the newest are kept"


def test_real_servers_that_are_slow_or_dead_keep_nobody_waiting(make: Make, receiver: Receiver) -> None:
    with Server(hang) as slow:
        with Server(hang) as gone:
            dead = f"http://127.0.0.1:{gone.port}/"
        channels = [
            Webhook(name, None, url, None, 1.0)
            for name, url in (
                ("slow", f"http://127.0.0.1:{slow.port}/"),
                ("dead", dead),
                ("nowhere", "http://192.0.2.1/"),
                ("well", receiver.url),
            )
        ]
        notifier = make(*channels)
        done = threading.Event()

        def tell() -> None:
            for term in range(200):
                notifier.notify(replace(FENCED, term=term))
            done.set()

        threading.Thread(target=tell, daemon=True).start()
        # A try takes a second, and there are two hundred.
        assert done.wait(10)
        until(lambda: any(one["term"] == 199 for one in receiver.documents), "the last one")


def test_without_channels_nothing_runs(make: Make) -> None:
    before = threading.active_count()
    make().notify(FENCED)
    assert threading.active_count() == before


def test_a_stop_says_what_is_lost(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    channel = Fake()
    channel.open.clear()
    notifier = make(channel)
    for term in range(3):
        notifier.notify(replace(FENCED, term=term))
    notifier.stop()
    channel.open.set()
    assert any(text.endswith("notifications were not sent before the end") for text in caplog.messages)
