"""No setting of the machine's own reaches these tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HAFAILOVER_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
    monkeypatch.setattr("hafailover.config.place.DEFAULT_CONFIG", Path("/nowhere/config.toml"))
