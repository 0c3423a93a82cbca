"""What counts as a dead Consul: reads that answer are no sign of life where writes hang."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hafailover.lock.client import Address
from hafailover.takeover import silence
from hafailover.takeover.silence import Consul, Probe

from ..observe.pool import fill
from ..observe.tiny_consul import ACCOUNT, KEYS, TinyConsul


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "READ_S", 0.4)


def leaderless(consul: TinyConsul) -> None:
    consul.leaderless = True
    consul.hangs.set()


def down(consul: TinyConsul) -> None:
    consul.down = True


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda _: None, Consul.ANSWERS),
        (lambda consul: consul.hangs.set(), Consul.NO_COMMIT),
        (leaderless, Consul.NO_LEADER),
        (down, Consul.NO_LEADER),
    ],
    ids=["well", "writes hang", "no leader", "errors"],
)
def test_it_is_asked_for_a_write(
    consul: TinyConsul, prepare: Callable[[TinyConsul], object], said: Consul
) -> None:
    fill(consul)
    prepare(consul)
    assert Probe(consul.address, ACCOUNT, "a", 0.3).ask() is said


def test_nobody_listens() -> None:
    assert Probe(Address(port=1), ACCOUNT, "a", 0.3).ask() is Consul.DOWN


def test_the_write_changes_nothing(consul: TinyConsul) -> None:
    fill(consul)
    before = dict(consul.items)
    Probe(consul.address, ACCOUNT, "a").ask()
    assert consul.tries == 1
    assert consul.items == before


def test_a_token_that_may_not_write_there_says_nothing_of_a_dead_consul(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = consul.answer

    def denied(method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, int, object]:
        if path == f"/v1/kv/{KEYS.doctor}a":
            return 403, 1, "Permission denied"
        return whole(method, path, query, body)

    monkeypatch.setattr(consul, "answer", denied)
    assert Probe(consul.address, ACCOUNT, "a").ask() is Consul.ANSWERS
