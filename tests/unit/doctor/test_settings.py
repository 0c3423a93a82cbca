"""Settings that are allowed and seldom meant."""

from __future__ import annotations

from typing import Any

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.checks.settings import judge
from hafailover.doctor.finding import Severity

from ..config.conftest import no_settings_around as no_settings_around
from .said import bad, ids


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"account_id": "pool.near", **values})


def test_the_defaults_are_nothing_unusual() -> None:
    assert {finding.severity for finding in judge(settings())} == {Severity.OK}


@pytest.mark.parametrize(
    ("values", "id_"),
    [
        ({"standby": {"require_shadow": False}}, "settings.require_shadow"),
        ({"standby": {"min_peers": 0}}, "settings.min_peers"),
        ({"standby": {"max_lag_blocks": 100}}, "settings.max_lag_blocks"),
        ({"consul": {"address": "http://192.0.2.1:8500"}}, "settings.consul"),
        ({"consul": {"address": "http://[2001:db8::1]:8500"}}, "settings.consul"),
    ],
)
def test_what_is_warned_of(values: dict[str, Any], id_: str) -> None:
    assert bad(judge(settings(**values))) == {id_: Severity.WARNING}


@pytest.mark.parametrize(
    ("values", "id_"),
    [
        ({"listen": "0.0.0.0:2233", "http": {"allow_plain": True}}, "settings.listen"),
        ({"timing": {"fence_after_s": 8.0}}, "settings.timing"),
    ],
)
def test_what_is_worth_knowing(values: dict[str, Any], id_: str) -> None:
    found = judge(settings(**values))
    assert bad(found) == {}
    assert ids(found, Severity.INFO) == [id_]


def test_an_address_that_asks_for_a_token_is_nothing_unusual() -> None:
    found = judge(settings(listen="0.0.0.0:2233", http={"token_file": "/etc/hafailover/http-token"}))
    assert ids(found, Severity.INFO) == []


@pytest.mark.parametrize(
    "values",
    [
        {"consul": {"address": "https://192.0.2.1:8501"}},
        {"consul": {"address": "http://[::1]:8500"}},
        {"consul": {"address": "http://localhost:8500"}},
        {"promotion": "restart", "standby": {"require_shadow": False}},
        {"timing": {"beat_s": 1.0}},
    ],
)
def test_what_is_fine(values: dict[str, Any]) -> None:
    assert {finding.severity for finding in judge(settings(**values))} == {Severity.OK}
