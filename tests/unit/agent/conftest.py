"""A Consul in this process, and a stop for the threads that the agent's parts run."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ..observe.tiny_consul import TinyConsul
from ..observe.tiny_consul import consul as consul
from .parts import Mortals


@pytest.fixture
def mortals(consul: TinyConsul) -> Iterator[Mortals]:
    over = threading.Event()
    yield Mortals(over)
    # Before the Consul goes, so that no thread is left to complain of it in other tests.
    over.set()
