"""The pool's key on this host: where it lies, whose it is, who could read it. Never the key itself."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from hafailover.config.settings import Settings, credential
from hafailover.near.keyfile import KeyFileError, KeyIdentity, read_key


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """``path`` is ``None`` where no setting names one; ``hidden``: why it cannot be seen from here."""

    path: Path | None
    hidden: str = ""
    error: str = ""
    """Why the guard would refuse it."""
    identity: KeyIdentity | None = None
    mode: int = 0
    owner: str = ""
    home_owner: str = ""
    in_home: bool = False
    node_key_error: str = ""


def look_at_key(settings: Settings) -> KeyFacts:
    path = settings.validator_key_file or credential("validator_key")
    if path is None:
        return KeyFacts(None)
    path = path.absolute()
    home = settings.neard.home
    hidden = _hidden(path)
    if hidden:
        return KeyFacts(path, hidden=hidden, in_home=_inside(path, home))
    try:
        status = path.stat()
        mode, owner = stat.S_IMODE(status.st_mode), _user(status.st_uid)
    except OSError:
        mode, owner = 0, ""
    identity, problem = None, ""
    try:
        identity = read_key(path, settings.account_id)
    except KeyFileError as error:
        problem = str(error)
    return KeyFacts(
        path,
        error=problem,
        identity=identity,
        mode=mode,
        owner=owner,
        home_owner=_owner(home),
        in_home=_inside(path, home),
        node_key_error=_node_key(settings),
    )


def whoami() -> str:
    return _user(os.geteuid())


def _hidden(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except PermissionError:
        return f"{path} cannot be read as user {whoami()}"
    except (OSError, ValueError):
        return ""


def _node_key(settings: Settings) -> str:
    path = settings.validator_node_key_file
    if settings.promotion != "restart" or path is None or _hidden(path):
        return ""
    try:
        read_key(path, name="validator_node_key_file")
    except KeyFileError as error:
        return str(error)
    return ""


def _inside(path: Path, home: Path | None) -> bool:
    if home is None:
        return False
    return path.is_relative_to(home.absolute()) or _real(path).is_relative_to(_real(home))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _owner(path: Path | None) -> str:
    try:
        return _user(path.stat().st_uid) if path is not None else ""
    except OSError:
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
