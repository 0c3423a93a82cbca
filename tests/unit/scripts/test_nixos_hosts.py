"""What can be told of `make nixos-hosts` without a container: what it reads, and when it cannot run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from nixos_hosts import driver, evaluated, fake_qemu  # noqa: E402
from nixos_hosts.container import Container, Spec  # noqa: E402
from nixos_hosts.problem import Skip  # noqa: E402

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


def test_a_machines_monitor(tmp_path: Path) -> None:
    machine = fake_qemu.Machine(spec(tmp_path))
    links: list[bool] = []
    machine.container.link = links.append  # type: ignore[method-assign, assignment]
    machine.obey(["set_link", "virtio-net-pci.1", "off"])
    machine.obey(["set_link", "virtio-net-pci.1", "on"])
    machine.obey(["something", "else"])
    assert links == [False, True]
    assert not machine.ended.is_set()
    machine.obey(["quit"])
    assert machine.ended.is_set()


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


def test_only_units_of_this_product_are_taken_with_their_users(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "root/etc/systemd/system"
    source.mkdir()
    (source / "neard.service").write_text("[Service]\nUser=neard\nGroup=neard\n")
    (source / "hafailover.service").write_text("[Service]\nUser=hafailover\nSupplementaryGroups=neard\n")
    (source / "sshd.service").write_text("[Service]\nUser=sshd\n")
    evaluated._write_units(source, target, tmp_path / "root")
    wants = sorted(one.name for one in (target / "multi-user.target.wants").iterdir())
    assert wants == ["hafailover.service", "neard.service"]
    users = (tmp_path / "root/etc/sysusers.d/nixos.conf").read_text()
    assert users == 'u hafailover - "hafailover"\nu neard - "neard"\n'


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
