"""Reads the settings and says in one message what is wrong with them."""

from __future__ import annotations

import inspect
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from hafailover.config.place import ENV_DELIMITER, ENV_PREFIX, config_file, variables
from hafailover.config.settings import Settings, credential
from hafailover.lock.client import Address
from hafailover.lock.listener import believed
from hafailover.lock.token import Token, TokenError
from hafailover.near.files import read_regular

MAX_TOKEN_BYTES = 4096
SECTIONS = ("http", "consul", "neard", "timing", "standby", "notify")


class ConfigError(Exception):
    """Settings that cannot be used. The text names each setting, where it comes from, and the fix."""


def load_settings(
    config: Path | None = None,
    cli_args: list[str] | None = None,
    prog: str = "hafailover run",
    about: str | None = None,
    **given: Any,
) -> Settings:
    """Settings from the command line, the environment and a TOML file.

    :param config: the file; default ``$HAFAILOVER_CONFIG``, else /etc/hafailover/config.toml if it exists.
    :param cli_args: arguments such as ``["--consul.address", "http://..."]``.
    :param about: what stands above the flags in the output of ``--help``.
    :raises ConfigError: with one message for all that is wrong.
    """
    path = _config_file(config)
    if path is not None:
        _check_toml(path)
    bound = type(
        "Settings",
        (Settings,),
        {
            "model_config": SettingsConfigDict(toml_file=path, cli_prog_name=prog),
            "__doc__": inspect.cleandoc(about or ""),
        },
    )
    wrong = _unknown_variables()
    try:
        settings: Settings = bound(_cli_parse_args=cli_args if cli_args is not None else None, **given)
    except ValidationError as error:
        wrong += explain(error)
    except SettingsError as error:
        raise ConfigError(str(error)) from None
    if wrong:
        source = f" (file {path})" if path else ""
        raise ConfigError(f"wrong settings{source}:\n  " + "\n  ".join(wrong))
    return settings


def explain(error: ValidationError) -> list[str]:
    """What pydantic found, as settings that an operator knows: never with the value, which may be secret."""
    lines = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "no such setting; see docs/configuration.md for the names"
        elif detail["type"] == "missing":
            message = "must be set"
        elif detail["type"] == "model_type":
            message = f"is a section: write [{name}], and its settings below it"
        if name in SECTIONS and detail["type"] == "value_error":
            # A rule over several settings, which names them itself.
            lines.append(message)
        elif name:
            variable = ENV_PREFIX + name.upper().replace(".", ENV_DELIMITER)
            lines.append(f"{name}: {message} (in the file {name}, or in the environment {variable})")
        else:
            lines.append(message)
    return lines


def consul_address(settings: Settings) -> Address:
    """How to reach Consul, with the token read from its file.

    :raises ConfigError: a file is missing or unreadable, or there is no user of that name.
    """
    from hafailover.config.settings import ADDRESS

    match = ADDRESS.fullmatch(settings.consul.address)
    assert match is not None, "checked by the settings"
    scheme, host, port = match.groups()
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(settings.consul, name)
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigError(f"consul.{name}: {path} is missing or cannot be read")
    try:
        users = believed(settings.consul.user)
    except KeyError:
        raise ConfigError(
            f"consul.user: there is no user named {settings.consul.user}; "
            "set it to the user that Consul runs as"
        ) from None
    return Address(
        host=host.strip("[]"),
        port=int(port or (8501 if scheme == "https" else 8500)),
        scheme=scheme,
        token=_token("consul.token_file", settings.consul.token_file or credential("consul_token")),
        ca_file=_text(settings.consul.ca_file),
        cert_file=_text(settings.consul.cert_file),
        key_file=_text(settings.consul.key_file),
        users=users,
    )


def _token(setting: str, path: Path | None) -> Token:
    """A token that can be read anew.

    :raises ConfigError: the file is missing, unreadable, or holds something else.
    """
    if path is None:
        return Token(None)

    def again() -> str | None:
        try:
            return read_token(setting, path)
        except ConfigError as error:
            raise TokenError(str(error)) from None

    return Token(read_token(setting, path), again, f"{setting} {path}")


def read_token(setting: str, path: Path | None) -> str | None:
    """The token in a file.

    :param setting: the file's, for the message.
    :raises ConfigError: the file is missing, unreadable, or holds something else.
    """
    if path is None:
        return None
    try:
        raw = read_regular(path, MAX_TOKEN_BYTES + 1)
        token = raw.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{setting}: {path}: {reason}") from None
    if not token or not token.isprintable() or " " in token or len(raw) > MAX_TOKEN_BYTES:
        raise ConfigError(f"{setting}: {path} does not hold a token: one line, without blanks")
    return token


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None


def _config_file(config: Path | None) -> Path | None:
    path = config_file(config)
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: no such configuration file; check --config or HAFAILOVER_CONFIG")
    return path


def _check_toml(path: Path) -> None:
    try:
        with path.open("rb") as file:
            tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not valid TOML: it is not UTF-8 text") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError:
        raise ConfigError(f"{path}: not valid TOML: a number of thousands of digits") from None


def _unknown_variables() -> list[str]:
    """Variables that look like settings and are none; pydantic does not see those that are misspelt in front.

    One underscore too few, and a host would run by other timings than its operator believes.
    """
    return [
        f"{variable}: no such setting; see docs/configuration.md for the names"
        for variable, setting in variables()
        if setting.partition(ENV_DELIMITER)[0] not in Settings.model_fields
    ]
