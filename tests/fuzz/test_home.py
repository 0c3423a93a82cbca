"""neard's configuration files: config.json, the overlay, and their comments."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hafailover.guard.keylink import KeyLink, LinkError
from hafailover.near import jsonc, overlay
from hafailover.near.home import HomeError, NeardHome, load_home, reload_obstacles

from ..unit.near.keys import ACCOUNT, public_key, write_key
from .running import came_to, fuzz
from .secret import SECRET_KEY, Silence
from .strategies import changed, odd_values, raw

CONFIG: dict[str, Any] = {
    "genesis_file": "genesis.json",
    "validator_key_file": "validator_key.json",
    "node_key_file": "node_key.json",
    "rpc": {"addr": "127.0.0.1:3030", "cors_allowed_origins": ["*"]},
    "network": {"addr": "0.0.0.0:24567", "boot_nodes": ""},
    "tracked_shards_config": {"ShadowValidator": ACCOUNT},
    "an_old_secret": SECRET_KEY,
}
OVERLAY: dict[str, Any] = {
    "rpc": {"addr": "127.0.0.1:3030"},
    "network": {
        "addr": "0.0.0.0:24567",
        "boot_nodes": f"{public_key('boot')}@10.0.0.1:24567",
        "public_addrs": [f"{public_key('own')}@8.8.8.8:24567"],
        "allow_private_ip_in_public_addrs": False,
    },
    "consensus": {
        "min_block_production_delay": {"secs": 0, "nanos": 600_000_000},
        "max_block_production_delay": {"secs": 2, "nanos": 0},
    },
    "store": {"load_mem_tries_for_tracked_shards": True},
    "tracked_shards_config": {"ShadowValidator": ACCOUNT},
    "archive": False,
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@fuzz(400)
@given(raw({key: value for key, value in CONFIG.items() if key != "an_old_secret"}), st.booleans())
@example(json.dumps({**CONFIG, "rpc": {"addr": "127.0.0.1:" + "1" * 5000}}).encode(), False)
@example(json.dumps({**CONFIG, "validator_key_file": "\ud800"}).encode(), False)
@example(json.dumps({**CONFIG, "node_key_file": "\ud800"}).encode(), False)
@example(b"{ // " + json.dumps(SECRET_KEY).encode() + b"\n", False)
def test_a_config_is_usable_or_refused(home: Path, silence: Silence, data: bytes, logs: bool) -> None:
    (home / "config.json").write_bytes(data)
    # The same bytes as log_config.json: it is read with the key, and only refused as a whole.
    (home / "log_config.json").write_bytes(data if logs else b"{}")
    error = None
    try:
        loaded = load_home(home)
        usable(loaded)
        assert reload_obstacles(loaded) == []
        came_to("test_a_config_is_usable_or_refused", "usable")
    except HomeError as refusal:
        error = refusal
        assert str(home) in str(refusal)
        came_to("test_a_config_is_usable_or_refused", "refused")
    silence.check(error)


def usable(home: NeardHome) -> None:
    assert 0 < home.rpc_port < 65536
    assert home.rpc_host
    assert type(home.shadows(ACCOUNT)) is bool
    for path in (home.validator_key, home.node_key):
        assert b"\0" not in os.fsencode(path)


@fuzz(60)
@given(
    odd_values()
    | st.sampled_from(("k.json", "sub/k.json", "../k.json", "/k.json", ".", "..", "config.json", "a/" * 3000))
)
def test_a_link_goes_into_the_home_or_is_refused(
    tmp_path: Path, home: Path, silence: Silence, name: Any
) -> None:
    """Whatever config.json calls the key, nothing but a link in the home is ever made or removed."""
    credential = write_key(tmp_path / "credential.json", "planted")
    (home / "config.json").write_text(json.dumps({**CONFIG, "validator_key_file": name}))
    try:
        link = KeyLink(load_home(home), credential, ACCOUNT, public_key("planted"))
        link.prepare()
        link.place()
        assert load_home(home).validator_key.is_symlink()
        link.remove()
        came_to("test_a_link_goes_into_the_home_or_is_refused", "placed")
    except (HomeError, LinkError) as error:
        came_to("test_a_link_goes_into_the_home_or_is_refused", "refused")
        silence.check(error)
    assert (home / "config.json").is_file()
    assert not (home / "config.json").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} <= {"credential.json", "home", "file.json"}
    assert credential.is_file()


@fuzz(300)
@given(changed(OVERLAY, 3), st.sampled_from(("mainnet", "localnet")), st.booleans())
@example({"consensus": {"min_block_production_delay": {"secs": 10**400, "nanos": 0}}}, "mainnet", True)
@example({"rpc": {"addr": "127.0.0.1:" + "1" * 5000}}, "mainnet", True)
@example({"network": {"addr": "127.0.0.1:" + "1" * 5000}}, "mainnet", True)
def test_an_overlay_is_judged(document: Any, chain_id: str, hot: bool) -> None:
    found = overlay.check(document, ACCOUNT, chain_id, hot=hot)
    came_to("test_an_overlay_is_judged", "errors" if found.errors else "none")
    assert all((line and line.isprintable()) or "\n" not in line for line in found.errors + found.warnings)
    if json.dumps(document) == json.dumps(OVERLAY):
        assert not found.errors
    if isinstance(document, dict) and not found.errors:
        merged = overlay.merge(CONFIG, document)
        assert overlay.merge(merged, document) == merged or merged != merged


@st.composite
def commented(draw: st.DrawFn) -> tuple[Any, str]:
    """A document, and its text with comments wherever a blank may be."""
    document = draw(changed(CONFIG, 2))
    text = json.dumps(document, indent=1)
    comments = ('// a "b\n', "# {\n", "/* ] */", "/**/", "//\n", " ", "/* // # */")
    lines = text.split("\n")
    mixed = [line + draw(st.sampled_from(comments)) for line in lines[:40]] + lines[40:]
    return document, "\n".join(mixed)


@fuzz(100)
@given(commented())
def test_comments_change_nothing(pair: tuple[Any, str]) -> None:
    document, text = pair
    with contextlib.suppress(ValueError):
        assert json.dumps(jsonc.loads(text)) == json.dumps(document)
        came_to("test_comments_change_nothing", "read")


@fuzz(250)
@given(raw(CONFIG))
def test_text_that_is_no_json_is_a_value_error_without_its_content(silence: Silence, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        jsonc.loads(text)
        came_to("test_text_that_is_no_json_is_a_value_error_without_its_content", "read")
    except ValueError as error:
        came_to("test_text_that_is_no_json_is_a_value_error_without_its_content", "refused")
        silence.check(error)
