"""Who may command the guard: the agent's user, root and the guard's own; and what a grant can ask for."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.guard.homelock import NAME

from .host import GuardHost

TRY = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(3)
sock.connect(sys.argv[1])
try:
    sock.sendall(b'{"op": "drop", "term": 5, "reason": "mischief"}\\n')
    print(sock.recv(65536).decode()[:20])
except ConnectionError:
    print()
"""


def somebody() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: another user's connection needs root")
    return pwd.getpwnam("nobody")


def opened(host: GuardHost) -> None:
    """As if the other user were in the socket's group."""
    host.folder.chmod(0o755)
    Path(host.settings.socket).parent.chmod(0o755)
    Path(host.settings.socket).chmod(0o666)


def heard_as(user: pwd.struct_passwd, host: GuardHost) -> str:
    done = subprocess.run(
        ["/usr/bin/python3", "-c", TRY, host.settings.socket],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_member_of_the_sockets_group_is_not_obeyed(host: GuardHost) -> None:
    user = somebody()
    agent, _ = host.loaded(5, grant_s=10)
    opened(host)

    for _ in range(3):
        assert heard_as(user, host) == ""

    report = agent.now()
    assert (report["key"], report["retired"]) == ("loaded", 0)
    told = f"of user {user.pw_uid} may not command the guard and is disconnected"
    assert host.text().count(told) == 1
    assert "set guard_agent_user" in host.text()


def test_the_agents_user_is(host: GuardHost) -> None:
    user = somebody()
    host.change(agent_uid=user.pw_uid)
    host.loaded(5, grant_s=10)
    opened(host)

    assert heard_as(user, host).startswith('{"v":2')

    assert host.agent().until_key("absent")["retired"] == 5


def test_the_user_is_given_by_name(host: GuardHost) -> None:
    config = host.folder / "host.toml"
    user = "no-such-user-here"
    config.write_text(
        f'account_id = "{host.settings.account_id}"\nguard_agent_user = "{user}"\n'
        f'validator_key_file = "{host.key}"\n[neard]\nhome = "{host.home}"\nbinary = "{host.binary}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "hafailover", "guard", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert f"guard_agent_user: there is no user {user}; set it to the agent's user" in done.stderr


@pytest.mark.parametrize("term", [2**53, 2**63 - 1])
def test_an_absurd_term_retires_nothing(host: GuardHost, term: int) -> None:
    """A guard that had believed it would refuse every term for good."""
    agent = host.up()
    agent.send("drop", term=term, reason="mischief")
    assert agent.hung_up()
    again = host.agent()
    assert again.now()["retired"] == 0
    again.arm(5)
    again.until_key("loaded")


def test_a_grant_ends_when_the_hosts_timing_says(host: GuardHost) -> None:
    host.change(fence_after_s=2.0)
    agent = host.up()
    asked = boottime()
    agent.arm(5, grant_s=14.0)
    agent.until_key("loaded")
    agent.grant(5, grant_s=14.0)

    gone = host.wait_keyless(asked + 2.5)

    assert gone < asked + 3.5


# --- the lock on neard's home


def test_the_home_cannot_be_locked_by_who_may_only_read_it(host: GuardHost) -> None:
    """The agent's user can open the folder itself, and a lock on that kept the guard from ever starting."""
    user = somebody()
    host.folder.chmod(0o755)
    host.home.chmod(0o755)
    hold = (
        "import fcntl, os, sys, time; d = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(d, fcntl.LOCK_EX); "
    )
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", hold + "print('held', flush=True); time.sleep(60)", str(host.home)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        host.up()
        lock = host.home / NAME
        assert lock.stat().st_mode & 0o777 == 0o600
        tried = subprocess.run(
            ["/usr/bin/python3", "-c", hold, str(lock)],
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert "PermissionError" in tried.stderr
    finally:
        holder.kill()
        holder.wait()


def test_a_link_in_the_locks_place_is_not_followed(host: GuardHost) -> None:
    precious = host.folder / "precious"
    (host.home / NAME).symlink_to(precious)
    host.start()
    assert host.guard is not None
    assert host.guard.wait(10) == 2
    assert f"{host.home / NAME}: Too many levels of symbolic links; remove it" in host.text()
    assert not precious.exists()


def test_a_connection_that_asks_nothing_is_refused_too(host: GuardHost) -> None:
    """It would take the agent's place."""
    user = somebody()
    agent = host.up()
    opened(host)
    program = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
    subprocess.run(
        ["/usr/bin/python3", "-c", program, host.settings.socket],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert agent.now()["neard"] == "up"
    assert "another agent has connected" not in host.text()
