"""The files that name the channels. Their URLs are secrets: whoever has one can write to the channel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from hafailover.config.load import ConfigError
from hafailover.config.settings import NOTIFY_EVENTS, NotifySettings, Settings, credential
from hafailover.log import hide
from hafailover.near.files import read_regular
from hafailover.notify.channel import Channel
from hafailover.notify.service import Service
from hafailover.notify.webhook import Webhook

MAX_FILE_BYTES = 64 * 1024
MIN_SECRET_BYTES = 16
MOST_CHANNELS = 20
LINE = re.compile(r"(?:([a-z_]+(?:,[a-z_]+)*)=)?([A-Za-z][A-Za-z0-9+.-]*)://(\S+)")
PIECE = 12
"""Pieces of a URL that are as long as this are kept out of the log by themselves, too."""

T = TypeVar("T")
Make = Callable[[str, frozenset[str] | None, str], Channel]


def read_channels(whole: Settings) -> tuple[list[Channel], list[str]]:
    """The channels that can be used, and what is wrong with the others: texts that name setting and fix.

    From here on no log line holds a URL, or the secret.
    """
    settings = whole.notify
    public = frozenset({whole.account_id, whole.node_name})
    problems: list[str] = []
    channels: list[Channel] = []
    secret = _attempt(problems, lambda: _secret(settings.webhook_secret_file or credential("notify_secret")))
    if not problems:
        # Unsigned messages are not what was asked for.
        channels += _attempt(problems, lambda: _webhooks(settings, secret, public)) or []
    channels += _attempt(problems, lambda: _services(settings, public)) or []
    return channels, problems


def _attempt(problems: list[str], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ConfigError as error:
        problems.append(str(error))
        return None


def _webhooks(settings: NotifySettings, secret: bytes | None, public: frozenset[str]) -> list[Channel]:
    path = settings.webhook_file or credential("notify_webhook")

    def make(name: str, events: frozenset[str] | None, url: str) -> Channel:
        return Webhook(name, events, url, secret, settings.timeout_s)

    if path is None:
        return []
    return _channels("notify.webhook_file", path, make, public, ("http", "https"))


def _services(settings: NotifySettings, public: frozenset[str]) -> list[Channel]:
    path = settings.apprise_file or credential("notify_apprise")

    def make(name: str, events: frozenset[str] | None, url: str) -> Channel:
        return Service(name, events, url, settings.timeout_s)

    return _channels("notify.apprise_file", path, make, public) if path is not None else []


def _channels(
    setting: str, path: Path, make: Make, public: frozenset[str], schemes: tuple[str, ...] | None = None
) -> list[Channel]:
    text = _text(setting, path)
    found: list[Channel] = []
    used: dict[str, int] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{setting}: {path}, line {number}"
        match = LINE.fullmatch(line)
        if match is None:
            raise ConfigError(f"{where}: not a URL, or EVENT,EVENT=URL; see docs/notifications.md")
        events = _events(where, match[1])
        url = line.removeprefix(f"{match[1]}=") if match[1] else line
        scheme = match[2].lower()
        if schemes is not None and (scheme not in schemes or not _host(url)):
            raise ConfigError(f"{where}: must be a URL such as https://example.org/hook")
        hide(*_secrets_of(url, public))
        name = "webhook" if schemes is not None else scheme
        used[name] = used.get(name, 0) + 1
        found.append(make(name if used[name] == 1 else f"{name}-{used[name]}", events, url))
    if not found:
        raise ConfigError(f"{setting}: {path} names no URL: one a line")
    if len(found) > MOST_CHANNELS:
        raise ConfigError(f"{setting}: {path} names {len(found)} URLs, more than {MOST_CHANNELS}")
    return found


def _events(where: str, names: str | None) -> frozenset[str] | None:
    if names is None:
        return None
    events = frozenset(names.split(","))
    # Neither this nor anything else of the line is shown: it may be a part of a URL.
    if not events <= frozenset(NOTIFY_EVENTS):
        raise ConfigError(f"{where}: before the = only events: {', '.join(NOTIFY_EVENTS)}")
    return events


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname


def _secrets_of(url: str, public: frozenset[str]) -> list[str]:
    rest = url.partition("://")[2]
    parts = re.split(r"[/?&=:@,#]", rest)
    pieces = [piece for piece in parts if len(piece) >= PIECE and piece not in public]
    return [url, rest, *pieces]


def _secret(path: Path | None) -> bytes | None:
    if path is None:
        return None
    secret = _text("notify.webhook_secret_file", path).strip()
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(
            f"notify.webhook_secret_file: {path} holds less than {MIN_SECRET_BYTES} characters; "
            "make one with: openssl rand -hex 32"
        )
    hide(secret)
    return secret.encode()


def _text(setting: str, path: Path) -> str:
    """:raises ConfigError: it cannot be read."""
    try:
        raw = read_regular(path, MAX_FILE_BYTES + 1)
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{setting}: {path}: {reason}") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"{setting}: {path} is larger than {MAX_FILE_BYTES} bytes")
    return text
