"""A reload of the settings: what it takes over, what it only tells of, and what it refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafailover.agent.reload import GUARD_ALONE, GUARD_TOO, RELOADABLE, Reloader, flat
from hafailover.config.load import load_settings
from hafailover.config.settings import Settings
from hafailover.core import events as ev
from hafailover.lock.token import Token, TokenError

from .parts import Events

BASE = 'account_id = "pool.poolv1.near"\nnode_name = "a"\n'


class File:
    """A settings' file that is written anew, and an agent's reloader that reads it."""

    def __init__(self, path: Path, args: list[str] | None = None, token: Token | None = None) -> None:
        self._path = path
        self._args = args
        self.write("")
        self.events = Events()
        self.reloader = Reloader(self._read(), self._read, self.events, token)

    def _read(self) -> Settings:
        return load_settings(self._path, self._args)

    def write(self, more: str) -> None:
        self._path.write_text(BASE + more)

    def reload(self, more: str) -> ev.Reconfigured | None:
        self.write(more)
        return self.reloader.reload()


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    yield
    root.setLevel(before)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "config.toml")


def test_the_token_is_read_again_even_if_the_settings_are_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = ["first"]
    token = Token("first", lambda: now[0], "consul.token_file")
    file = File(tmp_path / "config.toml", token=token)
    now[0] = "second"
    assert file.reload("no_such_setting = 1\n") is None
    assert token.value == "second"
    assert "a new token for Consul is in use" in caplog.text


def test_a_token_that_cannot_be_read_stays_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> str:
        raise TokenError("consul.token_file: /a/file: No such file or directory")

    token = Token("first", fails, "consul.token_file")
    assert File(tmp_path / "config.toml", token=token).reload("priority = 3\n") is not None
    assert token.value == "first"
    assert "stays in use: consul.token_file: /a/file: No such file" in caplog.text


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_it_takes_over_priority_and_the_limits(file: File, caplog: pytest.LogCaptureFixture) -> None:
    event = file.reload("priority = 7\n[standby]\nmin_peers = 4\nmax_head_age_s = 9.0\n")
    assert event == ev.Reconfigured(
        priority=7,
        require_shadow=True,
        max_lag_blocks=5,
        min_peers=4,
        max_head_age_s=9.0,
        restart_after_drop=True,
    )
    assert told(caplog, logging.INFO) == [
        "settings read again: priority, standby.min_peers, standby.max_head_age_s changed"
    ]
    assert told(caplog, logging.WARNING) == []


def test_it_takes_over_how_much_is_logged(file: File, caplog: pytest.LogCaptureFixture) -> None:
    assert file.reload('log_level = "warning"\n') is not None
    assert logging.getLogger().level == logging.WARNING


def test_unchanged_settings_change_nothing(file: File, caplog: pytest.LogCaptureFixture) -> None:
    assert file.reload("") is not None
    assert told(caplog, logging.INFO) == ["settings read again: nothing taken over"]
    assert told(caplog, logging.WARNING) == []


def test_what_needs_a_restart_is_named_in_one_line(file: File, caplog: pytest.LogCaptureFixture) -> None:
    file.reload(
        'priority = 3\npromotion = "restart"\n[consul]\naddress = "http://127.0.0.1:9"\n'
        '[neard]\nbinary = "/opt/neard"\n'
    )
    assert told(caplog, logging.WARNING) == [
        "not taken over by a reload; restart hafailover.service for: promotion, consul.address; "
        "restart neard.service for: promotion, neard.binary"
    ]


def test_what_needs_a_restart_is_named_until_it_is_done_or_undone(
    file: File, caplog: pytest.LogCaptureFixture
) -> None:
    for more in ('node_name = "b"\n', 'node_name = "b"\npriority = 1\n'):
        file._path.write_text(BASE.replace('node_name = "a"\n', "") + more)
        file.reloader.reload()
    line = "not taken over by a reload; restart hafailover.service for: node_name"
    assert told(caplog, logging.WARNING) == [line, line]
    caplog.clear()
    file.reload("priority = 1\n")
    assert told(caplog, logging.WARNING) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("priority = 1000\n", "priority: Input should be less than or equal to 100"),
        ("priority = \n", "not valid TOML"),
        ("prio = 1\n", "prio: no such setting"),
        ("[standby]\nmin_peers = -1\n", "standby.min_peers:"),
        ("priority = 5\n[timing]\nmargin_s = 0.1\n", "timing.margin_s is 0.1"),
    ],
)
def test_wrong_settings_change_nothing_and_are_told_in_one_line(
    file: File, caplog: pytest.LogCaptureFixture, more: str, said: str
) -> None:
    assert file.reload(more) is None
    (line,) = told(caplog, logging.ERROR)
    assert line.startswith("not reloaded, the settings from before stay in force: ")
    assert said in line
    assert "\n" not in line
    caplog.clear()
    # And the next one starts from what is in force.
    file.reload("priority = 5\n")
    assert told(caplog, logging.INFO) == ["settings read again: priority changed"]


def test_a_file_that_is_gone_changes_nothing(
    file: File, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").unlink()
    assert file.reloader.reload() is None
    assert "no such configuration file" in told(caplog, logging.ERROR)[0]


def test_flags_and_environment_stay_stronger_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAFAILOVER_STANDBY__MIN_PEERS", "3")
    file = File(tmp_path / "config.toml", ["--priority=9"])
    event = file.reload("priority = 1\n[standby]\nmin_peers = 8\nmax_lag_blocks = 2\n")
    assert event is not None
    assert (event.priority, event.min_peers, event.max_lag_blocks) == (9, 3, 2)


def test_it_reads_in_a_thread_and_hands_the_values_over(file: File) -> None:
    file.write("priority = 2\n")
    file.reloader.start()
    file.reloader.ask()
    assert file.events.wait(ev.Reconfigured).priority == 2
    file.write("priority = 4\n")
    file.reloader.ask()
    assert file.events.wait(ev.Reconfigured, 2).priority == 4


def test_the_names_are_those_of_settings() -> None:
    names = set(flat(load_settings(None, [], account_id="pool.poolv1.near").model_dump()))
    assert {*GUARD_ALONE, *GUARD_TOO} <= names
    assert set(RELOADABLE) <= {name.partition(".")[0] for name in names}
