"""The files with the URLs: what they may say, and that nothing of them comes out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hafailover import log
from hafailover.config.settings import Settings
from hafailover.notify.channel import Channel
from hafailover.notify.sources import read_channels

TOKEN = "xoxb-2b7e151628aed2a6abf7"
HOOK = f"https://hooks.example.org/services/{TOKEN}"
SLACK = f"slack://{TOKEN[:9]}/B12345678/{TOKEN}/#pool"


class Files:
    """A folder with the files, and what is read from them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, **texts: str | bytes) -> tuple[list[Channel], list[str]]:
        paths = {}
        for name, text in texts.items():
            path = self._folder / name
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths[name] = path
        return read_channels(Settings.model_validate({"account_id": "pool.near", "notify": paths}))

    def problem(self, **texts: str | bytes) -> str:
        _, problems = self(**texts)
        (one,) = problems
        assert TOKEN not in one
        assert "hooks.example" not in one
        return one


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_nothing_is_nothing() -> None:
    assert read_channels(Settings(account_id="pool.near")) == ([], [])


def test_one_a_line_and_comments(files: Files) -> None:
    found, problems = files(
        webhook_file=f"# the bridge\n\n{HOOK}\n  fenced,drill_failed={HOOK}2  \n",
        apprise_file=f"{SLACK}\nmailtos://a:b@example.org\nfenced=pagerduty://Key12345678901234567@Api\n",
    )
    assert problems == []
    assert [one.name for one in found] == ["webhook", "webhook-2", "slack", "mailtos", "pagerduty"]
    assert [one.takes("ceased") for one in found] == [True, False, True, True, False]
    assert found[1].takes("fenced")


def test_a_url_may_have_an_equals_sign(files: Files) -> None:
    found, problems = files(webhook_file=f"{HOOK}?to=me=you\n")
    assert problems == []
    assert [one.name for one in found] == ["webhook"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no URL"),
        ("# nothing\n", "names no URL"),
        (f"{HOOK}\n{TOKEN}\n", "line 2: not a URL"),
        (f"https://{TOKEN} x\n", "line 1: not a URL"),
        (f"slack://{TOKEN}\n", "line 1: must be a URL such as https://"),
        (f"https:///{TOKEN}\n", "must be a URL"),
        (f"https://example.org:99999/{TOKEN}\n", "must be a URL"),
        (f"fence={HOOK}\n", "line 1: before the = only events: became_active"),
        (b"\xff\xfe", "not a text file"),
        ("x" * 100_000, "larger than"),
        (f"{HOOK}\n" * 21, "names 21 URLs, more than 20"),
    ],
)
def test_what_is_wrong_is_named_without_a_word_of_it(files: Files, text: str | bytes, told: str) -> None:
    problem = files.problem(webhook_file=text)
    assert problem.startswith("notify.webhook_file: ")
    assert told in problem


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    notify = {"apprise_file": tmp_path / "nothing", "webhook_file": tmp_path}
    found, problems = read_channels(Settings.model_validate({"account_id": "pool.near", "notify": notify}))
    assert found == []
    assert [problem.partition(":")[0] for problem in problems] == [
        "notify.webhook_file",
        "notify.apprise_file",
    ]
    assert "No such file" in problems[1]


def test_one_bad_file_does_not_cost_the_other(files: Files) -> None:
    found, problems = files(webhook_file="nonsense\n", apprise_file=SLACK)
    assert [one.name for one in found] == ["slack"]
    assert len(problems) == 1


@pytest.mark.parametrize("secret", ["", "short", " \n"])
def test_without_a_good_secret_no_webhook_goes_out_unsigned(files: Files, secret: str) -> None:
    found, problems = files(webhook_file=HOOK, webhook_secret_file=secret, apprise_file=SLACK)
    assert [one.name for one in found] == ["slack"]
    assert "openssl rand" in problems[0]


def test_credentials_of_the_service_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "notify_webhook").write_text(HOOK)
    (tmp_path / "notify_secret").write_text("correct.horse.battery.staple")
    (tmp_path / "notify_apprise").write_text(SLACK)
    found, problems = read_channels(Settings(account_id="pool.near"))
    assert problems == []
    assert [one.name for one in found] == ["webhook", "slack"]


def test_no_line_of_the_log_holds_a_url_or_the_secret(files: Files) -> None:
    files(webhook_file=HOOK, webhook_secret_file="correct.horse.battery.staple", apprise_file=SLACK)
    record = logging.LogRecord(
        "x", logging.INFO, "", 0, f"{HOOK} {SLACK} {TOKEN} correct.horse.battery.staple", (), None
    )
    for style in ("text", "json"):
        formatter = log._Text("a", False, "text") if style == "text" else log._Fields("a", False, "json")
        line = formatter.format(record)
        assert TOKEN not in line
        assert "correct.horse" not in line
    assert "pool.near" in log.without_secrets("pool.near")
