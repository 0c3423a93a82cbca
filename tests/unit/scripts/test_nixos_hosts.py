"""What can be told of `make nixos-hosts` without a container: what it reads, and when it cannot run."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from nixos_hosts import driver, evaluated, fake_qemu, image, machine  # noqa: E402
from nixos_hosts.container import Container, Spec  # noqa: E402
from nixos_hosts.problem import Broken, Skip  # noqa: E402

LOG = """\
\x1b[1mhost1: must succeed: true\x1b[0m
measured: single/agent-restarted: 0.00 s
(finished: subtest: the agent, is restarted, in 15.22 seconds)
measured: single/neard-started: 1.50 s
(finished: run the VM test script, in 20.00 seconds)
"""


def test_what_the_driver_says() -> None:
    found = driver.outcome("single", f"{LOG}\nthe driver ended with code 0\n", 20.5)
    assert found.passed
    assert found.subtests == {"the agent, is restarted": 15.22}
    assert found.measured == {"agent-restarted": 0.0, "neard-started": 1.5}
    assert not found.error


def test_a_driver_that_failed() -> None:
    text = f"{LOG}AssertionError: no host had the key\n\nthe driver ended with code 1\n"
    found = driver.outcome("single", text, 20.5)
    assert not found.passed
    assert "no host had the key" in found.error


def test_the_end_alone_says_whether_it_passed() -> None:
    said = "echo: the driver ended with code 0\nthe driver ended with code 1\n"
    assert not driver.outcome("single", said, 1).passed
    assert not driver.outcome("single", "", 1).passed


def test_qemus_options() -> None:
    console = ["-chardev", "socket,id=shell,path=/a/sh"]
    words = ["-qmp", "unix:/a/qmp,server=on,wait=off", "-monitor", "unix:/a/mon", *console]
    assert fake_qemu.option(words, "-qmp", "unix:") == "/a/qmp"
    assert fake_qemu.option(words, "-monitor", "unix:") == "/a/mon"
    assert fake_qemu.option(words, "-chardev", "path=") == "/a/sh"
    with pytest.raises(ValueError):
        fake_qemu.option(words, "-monitor", "path=")


def spec(tmp_path: Path) -> Spec:
    hosts = {"chain": "192.168.1.1", "host1": "192.168.1.2"}
    return Spec("hn1", "host1", 2, "192.168.1.2", hosts, ["/node", "/base"], str(tmp_path))


def test_a_machine_is_handed_over_by_a_file(tmp_path: Path) -> None:
    one = spec(tmp_path)
    assert Spec.load(one.save()) == one


class Recorder:
    """A machine that notes what the monitor does to it."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.done: list[tuple[str, bool]] = []

    def link(self, up: bool) -> None:
        if self.broken:
            raise Broken("the cable cannot be pulled")
        self.done.append(("link", up))

    def freeze(self, on: bool) -> None:
        self.done.append(("freeze", on))


def typed(lines: str, struck: Recorder) -> tuple[bytes, bool]:
    """What the monitor answers to a driver that types this and goes away, and whether the machine ends."""
    here, there = socket.socketpair()
    ended = threading.Event()
    with here, there:
        here.sendall(lines.encode())
        here.shutdown(socket.SHUT_WR)
        fake_qemu.monitor(there, struck, ended)
        there.shutdown(socket.SHUT_WR)
        with here.makefile("rb") as answers:
            return answers.read(), ended.is_set()


def test_a_machines_monitor() -> None:
    struck = Recorder()
    words = ("set_link virtio-net-pci.1 off", "set_link virtio-net-pci.1 on", "stop", "cont", "quit", "stop")
    answers, ended = typed("".join(f"{word}\n" for word in words), struck)
    assert struck.done == [("link", False), ("link", True), ("freeze", True), ("freeze", False)]
    assert answers == fake_qemu.PROMPT * 5
    assert ended


def test_a_machine_ends_with_its_driver() -> None:
    assert typed("", Recorder()) == (fake_qemu.PROMPT, True)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("set_link virtio-net-pci.1 off", "the cable cannot be pulled"), ("something else", "does not know")],
)
def test_a_command_that_fails_ends_the_machine(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, ended = typed(f"{line}\nstop\n", struck := Recorder(broken=True))
    assert (answers, ended, struck.done) == (fake_qemu.PROMPT, True, [])
    assert complaint in capsys.readouterr().out


def test_a_machines_layers_are_in_the_order_of_the_spec(tmp_path: Path) -> None:
    script = Container(spec(tmp_path))._boot_script()
    assert f"lowerdir=/node:/base,upperdir={tmp_path}/disk" in script
    assert "--network-namespace-path=/run/netns/hn1-host1" in script


def test_what_an_old_consul_does_not_know_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "consul.json"
    path.write_text('{"server": true, "ui_config": {"enabled": false}}')
    evaluated._suit_old_consul(path)
    assert json.loads(path.read_text()) == {"server": True}
    evaluated._suit_old_consul(tmp_path / "none")


def test_only_units_of_this_product_are_taken_and_started_where_nixos_starts_them(
    tmp_path: Path,
) -> None:
    source, target = tmp_path / "source", tmp_path / "root/etc/systemd/system"
    wants = source / "multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("neard", "consul", "sshd"):
        (source / f"{name}.service").write_text(f"[Service]\nUser={name}\n")
    for name in ("neard", "sshd"):
        (wants / f"{name}.service").symlink_to(f"../{name}.service")
    units = evaluated.write_units(source, target)
    assert units == {f"{name}.service": f"[Service]\nUser={name}\n" for name in ("consul", "neard")}
    assert sorted(one.name for one in target.iterdir()) == [
        "consul.service",
        "multi-user.target.wants",
        "neard.service",
    ]
    started = target / "multi-user.target.wants"
    assert [one.name for one in started.iterdir()] == ["neard.service"]
    assert (started / "neard.service").read_text() == units["neard.service"]


UNITS = {
    "neard.service": "[Service]\nUser=neard\nGroup=neard\n",
    "hafailover.service": "[Service]\nUser=hafailover\nSupplementaryGroups=neard logs\n",
    "localnet.service": "[Service]\nUser=root\n",
}
USERS = {"neard": ["neard", "disk"], "hafailover": ["hafailover"], "root": ["root", "logs"], "sshd": ["sshd"]}


def test_the_users_of_the_units_are_those_of_nixos() -> None:
    assert evaluated.sysusers(UNITS, USERS).splitlines() == [
        "g logs -",
        "m neard disk",
        'u hafailover - "hafailover"',
        'u neard - "neard"',
    ]


def test_a_unit_whose_user_nixos_does_not_make_is_found() -> None:
    users = {name: groups for name, groups in USERS.items() if name != "hafailover"}
    with pytest.raises(Broken, match=r"hafailover\.service runs as hafailover"):
        evaluated.sysusers(UNITS, users)


DEB822 = """\
Types: deb
URIs: https://packages.example/other
Suites: stable

Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
"""


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        (DEB822, "http://mirror.example/debian"),
        ("deb [arch=amd64] http://mirror.example/debian/ bookworm main\n", "http://mirror.example/debian/"),
        ("deb http://mirror.example/debian-security bookworm-security main\n", None),
        ("# deb http://mirror.example/debian bookworm main\n", None),
    ],
)
def test_the_mirror_is_the_machines_own(text: str, mirror: str | None) -> None:
    assert image.first_mirror(text) == mirror


def test_a_machine_without_root_is_none_for_this(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Skip, match="root"):
        machine.prepare()


@pytest.mark.parametrize("missing", ["evaluator", "tree"])
def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    folder = tmp_path / "evaluator"
    folder.mkdir()
    if missing == "tree":
        (folder / "units").touch()
    monkeypatch.setenv("HAFAILOVER_NIXOS_EVAL", str(folder))
    monkeypatch.setenv("NIXOS_EVAL_TREE", str(tmp_path / "none"))
    with pytest.raises(Skip, match="HAFAILOVER_NIXOS_EVAL" if missing == "evaluator" else "NIXOS_EVAL_TREE"):
        evaluated.find_evaluator(tmp_path)


def test_a_run_that_cannot_be_says_that_nothing_was_tested(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(SCRIPTS), "HAFAILOVER_NIXOS_EVAL": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "nixos_hosts"],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
        check=False,
    )
    assert done.returncode == 75
    assert "SKIPPED, nothing was tested" in done.stdout
