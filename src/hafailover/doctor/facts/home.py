"""neard's home: its configuration, and what lies where only the guard's link may."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hafailover.doctor.facts.key import whoami
from hafailover.near.home import HomeError, load_home, read_config, reload_obstacles
from hafailover.near.keyfile import KeyFileError, read_key


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """``path`` is ``None`` where the setting is missing."""

    path: Path | None
    hidden: str = ""
    error: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    real_key: Path | None = None
    """A key in the home that is a file: each start of this neard would sign."""
    key_link: str | None = None
    """Where the guard's link points, while it is there."""
    obstacles: tuple[str, ...] = ()
    """What would make neard refuse the reload that drops its key."""
    node_key_error: str = ""


def look_at_home(path: Path | None) -> HomeFacts:
    if path is None:
        return HomeFacts(None)
    path = path.absolute()
    try:
        # Only those who may enter see what is there and what is not.
        list(path.iterdir())
        home = load_home(path)
        config = read_config(home.config)
    except PermissionError:
        return HomeFacts(path, hidden=f"{path} cannot be looked into as user {whoami()}")
    except FileNotFoundError:
        return HomeFacts(path, error=f"{path}: no such folder; create it with: neard init")
    except NotADirectoryError:
        return HomeFacts(path, error=f"{path} is no folder; set neard.home to neard's home")
    except (HomeError, OSError) as error:
        return HomeFacts(path, error=str(error), real_key=_real_key({path / "validator_key.json"}))
    link = home.validator_key
    return HomeFacts(
        path,
        config=config,
        real_key=_real_key({home.validator_key, path / "validator_key.json"}),
        key_link=str(link.readlink()) if link.is_symlink() else None,
        obstacles=tuple(reload_obstacles(home)),
        node_key_error=_node_key(home.node_key),
    )


def _real_key(places: set[Path]) -> Path | None:
    return next((one for one in sorted(places) if one.exists() and not one.is_symlink()), None)


def _node_key(path: Path) -> str:
    try:
        with path.open("rb"):
            pass
    except PermissionError:
        return ""
    except (OSError, ValueError):
        return f"{path}: it is missing or cannot be read; neard needs it"
    try:
        read_key(path, name="node_key_file")
    except KeyFileError as error:
        return str(error)
    return ""
