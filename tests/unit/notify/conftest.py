"""Receivers, and no proxies on the way to them."""

from collections.abc import Iterator

import pytest

from hafailover import log

from ..config.conftest import no_settings_around as no_settings_around
from .hooks import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(log, "_secrets", ())
