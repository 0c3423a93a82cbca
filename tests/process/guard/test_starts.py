"""How the guard starts, and what it says when it must not: one message that names the fix, and no secret."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ...unit.near.keys import ACCOUNT, key_document, public_key, secret_key, write_key, write_private
from .host import SECRETS, GuardHost, running


def refused(host: GuardHost) -> str:
    """Starts the guard, which must end by itself with one message and leave nothing behind."""
    done = subprocess.run(
        [sys.executable, "-m", "hafailover.guard", host.settings.to_json()],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    for secret in SECRETS:
        assert secret not in done.stderr + done.stdout
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    assert host.neards() == []
    return done.stderr


def test_the_command_line_starts_it(host: GuardHost) -> None:
    config = host.folder / "config.toml"
    config.write_text(
        f'account_id = "{ACCOUNT}"\nvalidator_key_file = "{host.key}"\n'
        f'guard_socket = "{host.settings.socket}"\n'
        f'[neard]\nhome = "{host.home}"\nbinary = "{host.binary}"\nargs = ["--archive"]\n'
        '[timing]\nprofile = "fast"\n'
    )
    host.guard = host.spawn(
        [sys.executable, "-m", "hafailover", "guard", "--config", str(config), "--neard.stop-s=7"], host.log
    )
    agent = host.agent()
    agent.until_up()
    agent.arm(5)
    report = agent.until_key("loaded")

    assert report["drop_budget_s"] == 1.0
    assert host.events("start")[0]["argv"] == ["--home", str(host.home), "run", "--archive"]
    host.guard.signal(signal.SIGTERM)
    assert host.guard.wait(5) == 0


# --- the pool's key


def edited(**changes: object) -> str:
    document = {**key_document("pool"), **changes}
    return json.dumps({name: value for name, value in document.items() if value is not None})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.chmod(0o640), "mode 0640 lets others than its owner read the key; run: chmod 600"),
        (lambda path: path.chmod(0o604), "chmod 600"),
        (lambda path: path.unlink(), "No such file"),
        (
            lambda path: write_key(path, "pool", "else.near"),
            "the key is of account else.near, but account_id is",
        ),
        (lambda path: write_private(path, edited(public_key=public_key("other"))), "do not belong together"),
        (lambda path: write_private(path, edited(secret_key=secret_key("other"))), "do not belong together"),
        (lambda path: write_private(path, edited(secret_key=None)), "secret_key is missing"),
        (lambda path: write_private(path, edited()[:-20]), "not valid JSON"),
        (lambda path: write_private(path, edited(secret_key=secret_key("pool")[:-3])), "secret_key"),
        (lambda path: write_private(path, secret_key("pool")), "not valid JSON"),
        (lambda path: write_private(path, edited(account_id=secret_key("pool"))), "account"),
    ],
    ids=[
        "group",
        "world",
        "missing",
        "account",
        "public",
        "secret",
        "no secret",
        "cut",
        "short",
        "bare",
        "misplaced",
    ],
)
def test_a_key_that_must_not_be_used(host: GuardHost, spoil: Callable[[Path], object], told: str) -> None:
    spoil(host.key)

    message = refused(host)

    assert str(host.key) in message
    assert told in message


def test_a_key_in_the_home_is_refused_and_stays(host: GuardHost) -> None:
    write_key(host.link, "other")
    before = host.link.read_bytes()

    message = refused(host)

    assert f"{host.link}: a real file lies where only a link may be" in message
    assert "move it out of neard's home" in message
    assert host.link.read_bytes() == before


def test_a_link_left_over_is_removed(host: GuardHost) -> None:
    host.link.symlink_to(host.key)
    host.up()
    assert host.started_with() == [None]


# --- the home


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (shutil.rmtree, "set neard.home to neard's home"),
        (lambda home: (home / "config.json").unlink(), "config.json: No such file"),
        (lambda home: (home / "config.json").write_text("{"), "config.json: not valid JSON"),
        (lambda home: (home / "config.json").write_text('{"rpc": null}'), "set rpc.addr"),
        (
            lambda home: (home / "config.json").write_text('{"rpc": {"addr": "127.0.0.1:\\u00b2"}}'),
            "rpc.addr",
        ),
        (
            lambda home: (home / "config.json").write_text('{"validator_key_file": "\\u0000"}'),
            "validator_key_file",
        ),
        (lambda home: (home / "node_key.json").unlink(), "node_key.json: No such file"),
        (lambda home: (home / "node_key.json").chmod(0o644), "node_key.json: mode 0644"),
    ],
    ids=["home", "config", "JSON", "no RPC", "port", "name", "node key", "its mode"],
)
def test_a_home_that_cannot_be_used(host: GuardHost, spoil: Callable[[Path], object], told: str) -> None:
    spoil(host.home)

    message = refused(host)

    assert told in message
    assert str(host.home) in message


def test_a_missing_node_key_is_not_blamed_on_the_validators_key(host: GuardHost) -> None:
    (host.home / "node_key.json").unlink()
    assert "validator_key_file" not in refused(host)


def test_a_missing_node_key_with_promotion_by_restart(host: GuardHost) -> None:
    node_key = write_key(host.folder / "secrets" / "node.json", "pool-node", account_id="node")
    host.change(hot_swap=False, validator_node_key_file=str(node_key))
    (host.home / "node_key.json").unlink()
    assert "node_key.json" in refused(host)


# --- another guard


def test_a_second_guard_on_the_same_home_is_refused(host: GuardHost) -> None:
    agent, _ = host.loaded(5, grant_s=10)
    neards = host.neards()
    other = host.settings.socket + ".2"

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hafailover.guard",
            host.settings.to_json().replace(host.settings.socket, other),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    # It is started again: the other one may be about to end.
    assert done.returncode == 75
    assert f"{host.home}: another guard is at work here; stop it, or set neard.home" in done.stderr
    assert agent.until_key("loaded")["neard_pid"] == neards[0]
    assert host.neards() == neards
    assert host.link.is_symlink()


@pytest.mark.parametrize("same_socket", [True, False])
def test_a_guard_for_another_home_does_no_harm_to_this_one(host: GuardHost, same_socket: bool) -> None:
    """Two pools on one machine, or a second start by mistake: their sockets may share a folder, or a name."""
    agent, _ = host.loaded(5, grant_s=10)
    neard = host.neards()[0]
    with GuardHost() as second:
        run = Path(host.settings.socket).parent
        second.change(socket=host.settings.socket if same_socket else str(run / "second.sock"))
        second.start()
        if same_socket:
            assert second.guard is not None
            assert second.guard.wait(10) == 2
            assert f"guard_socket: another guard listens on {host.settings.socket}" in second.text()
            assert second.neards() == []
        else:
            second.agent().until_up()
        assert running(neard)
        # The agent is still connected, and a new connection finds the same guard.
        report = agent.until_key("loaded")
        assert report["neard_pid"] == neard
        assert host.agent().now()["guard_pid"] == report["guard_pid"]


# --- the socket


def test_a_socket_path_that_is_a_file_is_refused_and_the_file_stays(host: GuardHost) -> None:
    precious = write_key(host.folder / "run" / "guard.sock", "other")
    before = precious.read_bytes()

    message = refused(host)

    assert "guard_socket" in message
    assert precious.read_bytes() == before


def test_a_socket_that_cannot_be_made(host: GuardHost) -> None:
    (host.folder / "run").write_text("a file in place of the folder")
    assert "set guard_socket" in refused(host)


def test_a_socket_left_over_is_no_trouble(host: GuardHost) -> None:
    host.up()
    host.kill_guard()
    assert host.guard is not None
    host.guard.kill()
    host.up()


# --- neard's binary


def test_a_missing_binary_is_named_by_the_command(host: GuardHost) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hafailover", "guard"),
            *(f"--account-id={ACCOUNT}", f"--neard.home={host.home}", "--neard.binary=/nowhere/neard"),
            *(f"--validator-key-file={host.key}", f"--guard-socket={host.settings.socket}"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "neard.binary: /nowhere/neard is not there" in done.stderr
