"""``hafailover notify test``: one line a channel, an exit code, and no URL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ..near.keys import ACCOUNT
from ..notify.conftest import alone as alone
from ..notify.conftest import receiver as receiver
from ..notify.hooks import SECRET_PATH, Receiver
from .command import Command, Done


class Host:
    def __init__(self, folder: Path, hafailover: Command) -> None:
        self._hooks = folder / "hooks"
        self._config = folder / "config.toml"
        self._hafailover = hafailover

    def test(self, *words: str, hooks: str | None) -> Done:
        text = f'account_id = "{ACCOUNT}"\nnode_name = "host1"\n'
        if hooks is not None:
            self._hooks.write_text(hooks)
            text += f'[notify]\nwebhook_file = "{self._hooks}"\ntimeout_s = 3.0\n'
        self._config.write_text(text)
        done = self._hafailover("notify", "test", "--config", str(self._config), *words)
        assert SECRET_PATH not in done.out + done.err
        return done


@pytest.fixture
def host(tmp_path: Path, hafailover: Command) -> Host:
    return Host(tmp_path, hafailover)


def test_a_channel_that_takes_it(host: Host, receiver: Receiver) -> None:
    done = host.test(hooks=receiver.url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("webhook  sent: HTTP 204, after ")
    (document,) = receiver.documents
    assert (document["event"], document["severity"]) == ("test", "info")
    assert document["text"] == f"A test from host1: notifications of {ACCOUNT} reach you."


def test_each_channel_by_itself_for_programs(host: Host, receiver: Receiver) -> None:
    receiver.statuses = [403]
    done = host.test("--json", hooks=f"fenced={receiver.url}\n")
    assert done.code == 1
    view = json.loads(done.out)
    assert view["v"] == 1
    (one,) = view["channels"]
    assert (one["channel"], one["ok"], one["text"]) == ("webhook", False, "HTTP 403")
    assert view["id"] == receiver.documents[0]["id"]


def test_without_a_channel_it_says_what_to_set(host: Host) -> None:
    done = host.test(hooks=None)
    assert done.code == 2
    assert "set notify.webhook_file or notify.apprise_file" in done.err


def test_a_file_that_cannot_be_used_is_named(host: Host) -> None:
    done = host.test(hooks=f"ftp://example.org{SECRET_PATH}\n")
    assert done.code == 2
    assert "notify.webhook_file: " in done.err
    assert "line 1: must be a URL" in done.err
