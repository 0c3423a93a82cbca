"""Start scripts in place of neard: which of them stay between the guard and neard."""

from pathlib import Path

import pytest

from hafailover.near.launcher import launcher_trouble


def script(folder: Path, text: str) -> str:
    path = folder / "start-neard"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    "body",
    [
        'exec /opt/neard "$@"',
        'ulimit -n 65535\nexec /opt/neard "$@"\n\n# the end',
        'export RUST_LOG=info\nexec -a neard \\\n  /opt/neard \\\n  "$@"',
        '[ -x /opt/neard ] || exit 1\nexec nice -n 5 /opt/neard "$@"',
        'if [ -n "$NEW" ]; then\n  exec /opt/new "$@"\nelse\n  exec /opt/old "$@"\nfi',
        '# no docker, sudo or tini here\nexec /opt/neard "$@"',
        'mkdir -p /run/sudo-docs && exec /opt/docker-neard "$@"',
    ],
)
def test_scripts_that_exec(tmp_path: Path, body: str) -> None:
    assert launcher_trouble(script(tmp_path, f"#!/bin/sh\n{body}\n")) == ""


@pytest.mark.parametrize("shell", ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/bash -e", "#!/usr/bin/zsh"])
@pytest.mark.parametrize(
    "body",
    [
        '/opt/neard "$@"',
        'ulimit -n 65535\n/opt/neard "$@" 2>&1',
        'exec 2> /var/log/neard\n/opt/neard "$@"',
        '/opt/neard "$@" &\nwait $!',
        "",
    ],
)
def test_scripts_that_do_not(tmp_path: Path, shell: str, body: str) -> None:
    if not body:
        body = "true"
    path = script(tmp_path, f"{shell}\n{body}\n")
    told = launcher_trouble(path)
    assert told.startswith(f"neard.binary: {path} is a script that does not `exec` neard")
    assert 'end it with exec /path/to/neard "$@"' in told


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('exec tini -- /opt/neard "$@"', "tini"),
        ('exec sudo -u near /opt/neard "$@"', "sudo"),
        ('exec /usr/sbin/runuser -u near -- /opt/neard "$@"', "runuser"),
        ("docker run --rm nearcore/neard", "docker"),
        ('cd / && exec podman run neard "$@"', "podman"),
        ('exec setsid /opt/neard "$@"', "setsid"),
        ('exec env A=1 nice sudo /opt/neard "$@"', "sudo"),
    ],
)
def test_programs_that_stay_in_between(tmp_path: Path, body: str, name: str) -> None:
    told = launcher_trouble(script(tmp_path, f"#!/bin/bash\n{body}\n"))
    assert f"starts neard by {name}, which stays in between" in told
    assert "run neard without it" in told


def test_what_is_no_shell_script_is_not_judged(tmp_path: Path) -> None:
    assert launcher_trouble(script(tmp_path, "#!/usr/bin/python3\nprint('sudo')\n")) == ""
    assert launcher_trouble(script(tmp_path, "\x7fELF sudo docker\n")) == ""
    assert launcher_trouble(str(tmp_path / "absent")) == ""
    assert launcher_trouble("true") == ""
