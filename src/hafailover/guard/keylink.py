"""The key link in neard's home: present only while armed, and always a link, never a copy.

``validator_key.json`` points at the credential. A passive host's home therefore holds no key, and removing
the link is all that a drop has to write.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hafailover.near.home import NeardHome, reload_obstacles
from hafailover.near.keyfile import KeyFileError, read_key


class LinkError(Exception):
    """The link could not be put into place or removed; the text says why and what to do."""


class KeyLink:
    """Puts the link into neard's home and takes it away.

    :param credential: the pool's key, outside of neard's home.
    :param node_credential: for neards that swap keys by restart, the node key that goes with it.
    """

    def __init__(
        self,
        home: NeardHome,
        credential: Path,
        account_id: str,
        public_key: str,
        node_credential: Path | None = None,
    ) -> None:
        self._home = home
        self._credential = credential
        self._account_id = account_id
        self._public_key = public_key
        self._node_credential = node_credential

    def use_home(self, home: NeardHome) -> None:
        """Goes by what config.json says now."""
        self._home = home

    def prepare(self) -> None:
        """Brings the home into the passive layout.

        :raises LinkError: a real key file lies where the link belongs; it is never touched. Or the home
            cannot be worked in.
        """
        path = self._home.validator_key
        self._check_inside()
        with _told(path, "cannot be looked at"):
            if path.exists() and not path.is_symlink():
                raise LinkError(
                    f"{path}: a real file lies where only a link may be, so every start of neard would sign; "
                    "move it out of neard's home and point validator_key_file at it"
                )
        self.remove()
        if self._node_credential is not None:
            self._take_node_key()

    def _check_inside(self) -> None:
        path = Path(os.path.normpath(self._home.validator_key))
        if not path.is_relative_to(os.path.normpath(self._home.path)):
            raise LinkError(
                f"{self._home.config}: validator_key_file is {path}; it must lie in neard's home, as "
                "validator_key.json does, where the guard puts a link and removes it"
            )

    def _take_node_key(self) -> None:
        """Keeps this host's own node key beside the link that can be swapped."""
        path, own = self._home.node_key, self._own_node_key
        with _told(path, "cannot be moved"):
            if path.is_symlink():
                return
            if own.exists():
                raise LinkError(f"{own} and {path} both exist; keep this host's own node key as {own}")
            path.rename(own)
        _link(own, path)

    def place(self) -> None:
        """Checks the credential once more and links it.

        :raises LinkError: the credential is not what it was, neard would refuse it, or the disk does.
        """
        obstacles = reload_obstacles(self._home)
        if obstacles:
            raise LinkError("neard would refuse to load the key: " + "; ".join(obstacles))
        try:
            identity = read_key(self._credential, self._account_id)
        except KeyFileError as error:
            raise LinkError(str(error)) from None
        if identity.public_key != self._public_key:
            raise LinkError(
                f"{self._credential}: the key has changed since the guard started; restart the guard"
            )
        self._check_inside()
        if self._node_credential is not None:
            _link(self._node_credential, self._home.node_key)
        _link(self._credential, self._home.validator_key)

    def remove(self) -> None:
        """Removes the link, and the node key's where one was swapped. Absent is as good as removed.

        :raises LinkError: it is still there.
        """
        path = self._home.validator_key
        with _told(path, "cannot be removed"):
            self._check_inside()
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                raise LinkError(
                    f"{path}: a real file has come where only a link may be; move it out of neard's home"
                )
            if self._node_credential is not None and self._home.node_key.is_symlink():
                _link(self._own_node_key, self._home.node_key)

    def reload_obstacles(self) -> list[str]:
        """Why neard would refuse a reload now, and so keep a key that was removed."""
        return reload_obstacles(self._home)

    @property
    def _own_node_key(self) -> Path:
        return self._home.node_key.with_name(self._home.node_key.stem + ".host.json")


def _link(target: Path, path: Path) -> None:
    """Makes ``path`` a link to ``target`` in one step, so that neard never sees half of it.

    Not synced to disk: a busy disk must not hold up the guard, and every start begins with :meth:`prepare`.
    """
    temporary = path.with_name(f".{path.name}.new")
    with _told(path, "cannot be created", "check the disk and the folder's owner"):
        if path.exists() and not path.is_symlink():
            raise LinkError(
                f"{path}: a real file has come where only a link may be; move it out of neard's home"
            )
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.rename(path)


@contextlib.contextmanager
def _told(path: Path, what: str, fix: str = "") -> Iterator[None]:
    """Turns what the system says into a message that names the file."""
    try:
        yield
    except OSError as error:
        raise LinkError(f"{path}: {what}: {error.strerror}" + (f"; {fix}" if fix else "")) from None
