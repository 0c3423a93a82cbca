"""The settings file: usable settings that keep the timing's rules, or one ConfigError without any value."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.config.load import ConfigError, consul_address, load_settings
from hafailover.config.settings import Settings
from hafailover.local.place import place_of
from hafailover.local.start import place_in
from hafailover.timing import violations

from .running import came_to, fuzz
from .secret import PLAIN_TOKEN, SECRET_KEY, TOKEN, Silence
from .strategies import changed, damaged

FILE: dict[str, Any] = {
    "account_id": "pool.poolv1.near",
    "node_name": "host1",
    "priority": 5,
    "promotion": "hot",
    "listen": "127.0.0.1:2233",
    "http": {"token_file": "/var/lib/secrets/token", "allow_plain": False},
    "validator_key_file": "/var/lib/secrets/validator_key.json",
    "consul": {"address": "http://127.0.0.1:8500"},
    "neard": {"home": "/var/lib/neard", "args": ["--a", "b"], "rpc_address": "127.0.0.1:3030", "stop_s": 60},
    "timing": {"profile": "default", "fence_after_s": 8.0, "session_ttl_s": 15},
    "standby": {"max_lag_blocks": 5, "require_shadow": True},
}
MISPLACED = (
    {**FILE, "consul": {**FILE["consul"], "token": PLAIN_TOKEN}},
    {**FILE, "secret_key": SECRET_KEY},
    {**FILE, "consul": {"address": f"http://user:{PLAIN_TOKEN}@127.0.0.1:8500"}},
    {**FILE, "account_id": SECRET_KEY},
    {**FILE, "priority": SECRET_KEY},
    {**FILE, "timing": TOKEN},
    *(FILE,) * 8,
)
"""Secrets where an operator may have pasted them by mistake."""


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HAFAILOVER_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("hafailover.config.place.DEFAULT_CONFIG", Path("/nowhere/config.toml"))


def toml(value: Any) -> str:
    """A value in TOML's words, inline; what TOML has none for stays wrong."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
        case None:
            return '""'
    return str(value) if not isinstance(value, int) or value < 10**4000 else "1" * 5000


@st.composite
def files(draw: st.DrawFn) -> bytes:
    document = draw(st.sampled_from(MISPLACED).flatmap(changed))
    if not isinstance(document, dict):
        document = {"": document}
    data = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in document.items()).encode(
        "utf-8", "surrogatepass"
    )
    return draw(damaged(data)) if draw(st.integers(0, 3)) == 0 else data


@fuzz(300)
@given(files())
@example(b'account_id = "a.near"\npriority = ' + b"1" * 5000)
@example(b"a = " + b"[" * 5000)
@example(b'account_id = "a.near"\n[timing]\nfence_after_s = nan\n')
@example(b'account_id = "a.near"\n[consul]\naddress = "http://a:' + b"9" * 5000 + b'"\n')
@example(b'account_id = "a.near"\nlisten = "a:' + b"9" * 5000 + b'"\n')
def test_a_settings_file_is_usable_or_refused(private: Path, silence: Silence, data: bytes) -> None:
    private.write_bytes(data)
    error = None
    try:
        settings = load_settings(private)
        sound(settings)
        asked_where_the_agent_listens(settings, private)
        came_to("test_a_settings_file_is_usable_or_refused", "usable")
    except ConfigError as refusal:
        error = refusal
        came_to("test_a_settings_file_is_usable_or_refused", "refused")
    silence.check(error)


def sound(settings: Settings) -> None:
    profile = settings.profile
    assert violations(profile) == []
    numbers = [
        value for value in (getattr(profile, name) for name in profile.__slots__) if value != profile.name
    ]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert settings.listen_address[1] in range(1, 65536)
    try:
        assert consul_address(settings).port in range(1, 65536)
    except ConfigError:
        came_to("test_a_settings_file_is_usable_or_refused", "without its files")


def asked_where_the_agent_listens(settings: Settings, file: Path) -> None:
    """The quick look into the file finds the agent that runs by it, or none."""
    found = place_of(file)
    if found is None:
        came_to("test_a_settings_file_is_usable_or_refused", "no agent asked")
    else:
        agent = place_in(settings)
        assert (found.socket, found.hello) == (agent.socket, agent.hello)


@fuzz(250)
@given(
    st.sampled_from((TOKEN, PLAIN_TOKEN, f"{TOKEN}\n"))
    .map(str.encode)
    .flatmap(lambda data: st.just(data) | damaged(data))
)
def test_a_token_file_holds_a_token_or_is_refused(private: Path, silence: Silence, data: bytes) -> None:
    private.write_bytes(data)
    settings = Settings.model_construct(account_id="a.near")
    settings = settings.model_copy(
        update={"consul": settings.consul.model_copy(update={"token_file": private})}
    )
    error = None
    try:
        address = consul_address(settings)
        assert address.token.value == data.decode().strip()
        # It goes into a header as it is.
        assert address.token.value.isprintable()
        address.token.value.encode("latin-1")
        assert TOKEN[:12] not in repr(address)
        came_to("test_a_token_file_holds_a_token_or_is_refused", "a token")
    except ConfigError as refusal:
        error = refusal
        came_to("test_a_token_file_holds_a_token_or_is_refused", "refused")
    silence.check(error)
