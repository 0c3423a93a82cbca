"""A command line in this process, a Consul in this process, and no settings of the machine's own."""

import pytest

from ..config.conftest import no_settings_around as no_settings_around
from ..observe.tiny_consul import consul as consul
from .command import Command


@pytest.fixture
def hafailover(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    # Wide, so that no message is wrapped.
    monkeypatch.setenv("COLUMNS", "200")
    return Command(capsys, monkeypatch)
