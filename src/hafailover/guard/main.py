"""The guard process: what is checked before it starts, and its exit codes.

``hafailover guard``, which has checked the settings, runs ``python -P -m hafailover.guard SETTINGS_JSON``.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from pathlib import Path

from hafailover.guard import model as m
from hafailover.guard import tree
from hafailover.guard.homelock import LockError, lock_home
from hafailover.guard.keylink import KeyLink, LinkError
from hafailover.guard.loop import GuardLoop, Prepared, pid_file
from hafailover.guard.neardproc import SpawnError, end_leftover
from hafailover.guard.server import SocketTakenError
from hafailover.guard.settings import GuardSettings
from hafailover.guard.unitgroup import LeftoverError, end_others
from hafailover.guard.word import read_word_key
from hafailover.log import set_up
from hafailover.near.home import HomeError, load_home
from hafailover.near.keyfile import KeyFileError, read_key

log = logging.getLogger("hafailover.guard")

NEARD_OPEN_FILES = 65535
"""neard raises its own limit to this and ends if it cannot."""
EXIT_CONFIG = 2
EXIT_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: what is in the way goes away by itself, such as a guard before this one of which
a thread hangs in the kernel. systemd is to try again."""
NODE_KEY = "node_key_file in config.json"
NODE_CREDENTIAL = "validator_node_key_file"


class GuardError(Exception):
    """The guard cannot start; the text names the setting or file and the fix."""


def prepare(settings: GuardSettings) -> Prepared:
    """Checks everything that arming will rely on.

    :raises GuardError: with one message that names the setting or file and the fix.
    """
    try:
        home = load_home(settings.home_path)
        identity = read_key(Path(settings.validator_key_file), settings.account_id)
        words = read_word_key(Path(settings.validator_key_file), settings.account_id)
        node = Path(settings.validator_node_key_file) if settings.validator_node_key_file else None
        node_keys = {read_key(node, name=NODE_CREDENTIAL).public_key} if node is not None else set()
        link = KeyLink(
            home, Path(settings.validator_key_file), settings.account_id, identity.public_key, node
        )
        link.prepare()
        node_keys.add(read_key(home.node_key, name=NODE_KEY).public_key)
    except (HomeError, KeyFileError, LinkError) as error:
        raise GuardError(str(error)) from None
    config = m.GuardConfig(
        public_key=identity.public_key,
        account_id=identity.account_id,
        home=settings.home,
        node=settings.node_name,
        words=words,
        hot_swap=settings.hot_swap,
        drop_budget_s=settings.drop_budget_s,
        stop_s=settings.stop_s,
        fence_after_s=settings.fence_after_s,
    )
    return Prepared(home, link, config, frozenset(node_keys))


def raise_file_limit() -> None:
    """neard wants 65535 open files; it inherits what the guard may have, which may be less: then it ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < NEARD_OPEN_FILES:
        try:
            # root may, and so may neard then.
            resource.setrlimit(resource.RLIMIT_NOFILE, (NEARD_OPEN_FILES, NEARD_OPEN_FILES))
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            log.warning(
                "neard asks for %s open files and ends without them; the limit here is %s: set "
                "LimitNOFILE=%s in neard.service, or the limit of whatever starts the guard (ulimit -Hn)",
                NEARD_OPEN_FILES,
                hard,
                NEARD_OPEN_FILES,
            )
    elif soft != resource.RLIM_INFINITY and soft < NEARD_OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (NEARD_OPEN_FILES, hard))


def run(settings: GuardSettings) -> int:
    """The guard from start to end; the process's exit code."""
    try:
        tree.adopt_orphans()
        lock_home(settings.home_path)
        end_others(log.info)
        end_leftover(pid_file(settings), log.info)
        prepared = prepare(settings)
    except (GuardError, LockError) as error:
        log.error("%s", error)
        return EXIT_AGAIN if isinstance(error, LockError) and error.passing else EXIT_CONFIG
    except (LeftoverError, SpawnError) as error:
        log.error("%s", error)
        return EXIT_AGAIN
    raise_file_limit()

    async def go() -> None:
        await GuardLoop(settings, prepared).run()

    try:
        asyncio.run(go())
    except OSError as error:
        log.error(
            "%s: the guard's socket cannot be made: %s; set guard_socket", settings.socket, error.strerror
        )
        return EXIT_CONFIG
    except SocketTakenError as error:
        log.error("%s", error)
        return EXIT_CONFIG
    return 0


def main() -> int:
    settings = GuardSettings.from_json(sys.argv[1])
    set_up("guard", style=settings.log_format, account=settings.account_id, node=settings.node_name or None)
    return run(settings)
