"""``hafailover run`` and ``hafailover guard``: the two processes of a host."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hafailover import interpreter
from hafailover.cli.common import ConfigOption, fail, settings_or_exit
from hafailover.cli.exit_codes import WRONG_SETTINGS

if TYPE_CHECKING:
    from hafailover.config.settings import Settings
    from hafailover.guard.settings import GuardSettings
    from hafailover.near.rpc import NeardRpc

# Settings are flags too, and pydantic-settings knows them; --help shows them all.
_SETTINGS_AS_FLAGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


PATIENT_S = 5.0
"""For neard's ``validators``, the largest of its answers, asked by threads that nothing waits for."""
DEFAULT_AGENT_USER = "hafailover"
"""Of the agent's unit, as shipped."""


def add_to(app: typer.Typer) -> None:
    app.command("run", context_settings=_SETTINGS_AS_FLAGS)(run)
    app.command("guard", context_settings=_SETTINGS_AS_FLAGS)(guard)


def run(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the agent: it holds the lease and decides. Every setting is a flag, too.

    Examples: hafailover run; hafailover run --config host1.toml --priority 10
    """
    prog = "hafailover run [--config FILE]"
    settings = settings_or_exit(config, context.args, prog, run.__doc__)

    def read_again() -> Settings:
        from hafailover.config.load import load_settings

        return load_settings(config, context.args, prog)

    raise typer.Exit(_run_agent(settings, read_again))


def guard(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the guard: it starts neard and holds the key. Every setting is a flag, too.

    Examples: hafailover guard; hafailover guard --config host1.toml --neard.binary /opt/neard
    """
    settings = settings_or_exit(config, context.args, "hafailover guard [--config FILE]", guard.__doc__)
    plain = guard_settings(settings)
    # A fresh interpreter without the settings' libraries: the guard stays small.
    command = interpreter.command("hafailover.guard", plain.to_json())
    os.execve(command[0], command, interpreter.environment(os.environ))  # noqa: S606


def guard_settings(settings: Settings) -> GuardSettings:
    """What the guard process needs, or the end of the command with the setting that is missing."""
    from hafailover.config.settings import credential
    from hafailover.guard.settings import GuardSettings

    home = settings.neard.home
    if home is None:
        fail("neard.home: must be set for the guard: neard's home folder", WRONG_SETTINGS)
    key = settings.validator_key_file or credential("validator_key")
    if key is None:
        fail(
            "validator_key_file: must be set for the guard: the pool's key, outside of neard's home",
            WRONG_SETTINGS,
        )
    if key.absolute().is_relative_to(home.absolute()):
        fail(
            f"validator_key_file: {key} lies in neard's home; keep it outside, where no start finds it",
            WRONG_SETTINGS,
        )
    if len(os.fsencode(settings.guard_socket)) > 100:
        fail(
            f"guard_socket: {settings.guard_socket} is longer than a socket's path may be (100)",
            WRONG_SETTINGS,
        )
    binary = shutil.which(settings.neard.binary)
    if binary is None:
        fail(
            f"neard.binary: {settings.neard.binary} is not there or cannot be run; set it to neard's path",
            WRONG_SETTINGS,
        )
    node_key = settings.validator_node_key_file
    return GuardSettings(
        account_id=settings.account_id,
        home=str(home.absolute()),
        neard_binary=str(Path(binary).absolute()),
        neard_args=settings.neard.args,
        validator_key_file=str(key.absolute()),
        validator_node_key_file=str(node_key.absolute()) if node_key else None,
        socket=str(settings.guard_socket.absolute()),
        hot_swap=settings.promotion == "hot",
        drop_budget_s=settings.profile.drop_budget_s,
        stop_s=settings.neard.stop_s,
        fence_after_s=settings.profile.fence_after_s,
        agent_uid=_agent_uid(settings.guard_agent_user),
        node_name=settings.node_name,
        log_format=settings.log_format,
    )


def _agent_uid(name: str | None) -> int | None:
    """The user whose agent may command the guard; by default the one of the shipped unit, if there is one."""
    try:
        return pwd.getpwnam(name or DEFAULT_AGENT_USER).pw_uid
    except KeyError:
        if name is None:
            return None
        fail(f"guard_agent_user: there is no user {name}; set it to the agent's user", WRONG_SETTINGS)


def _run_agent(settings: Settings, read_again: Callable[[], Settings]) -> int:
    from hafailover import log
    from hafailover.agent.identity import SessionNote, StateError
    from hafailover.agent.loop import Agent
    from hafailover.config.load import ConfigError, consul_address
    from hafailover.web.server import ListenError

    known = {"account": settings.account_id, "node": settings.node_name}
    log.set_up("agent", settings.log_level, settings.log_format, **known)
    try:
        address = consul_address(settings)
        address.token.tell(log.hide)
        state = SessionNote.open(settings.state_dir, settings.account_id, settings.node_name)
        patient = RpcOpener(settings, PATIENT_S)
        return Agent(settings, address, state, RpcOpener(settings), patient, read_again).run()
    except (ConfigError, StateError, ListenError) as error:
        fail(str(error), WRONG_SETTINGS)


class RpcOpener:
    """Connects with this host's neard; looks at config.json again each time, since neard may, too.

    :param deadline_s: of each call, in seconds.
    """

    def __init__(self, settings: Settings, deadline_s: float = 1.0) -> None:
        self._settings = settings
        self._deadline_s = deadline_s
        if not settings.neard.rpc_is_known:
            fail("neard.home or neard.rpc_address: one must be set, to find neard's RPC", WRONG_SETTINGS)
        if settings.neard.rpc_address is None:
            from hafailover.near.home import HomeError

            try:
                self._endpoint()
            except HomeError as error:
                fail(f"neard.home: {error}", WRONG_SETTINGS)

    def __call__(self) -> NeardRpc:
        from hafailover.near.home import HomeError
        from hafailover.near.rpc import NeardRpc, RpcError

        try:
            host, port = self._endpoint()
        except HomeError as error:
            raise RpcError(str(error)) from None
        return NeardRpc(host, port, self._deadline_s)

    def _endpoint(self) -> tuple[str, int]:
        from hafailover.near.home import load_home

        if self._settings.neard.rpc_address is not None:
            host, _, port = self._settings.neard.rpc_address.rpartition(":")
            return host.strip("[]"), int(port)
        assert self._settings.neard.home is not None
        home = load_home(self._settings.neard.home)
        return home.rpc_host, home.rpc_port
