"""The command line and the start: what is written, and what is refused."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hafailover.lab import free_ports
from hafailover.lab.waiting import wait_until
from localneard.config import parse_config
from localneard.genesis import read_genesis

from .nodes import COMMAND, MakeNet, Node, read


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, **(env or {})},
    )


def test_help_and_version_say_that_it_is_a_stand_in() -> None:
    assert "stand-in for neard" in run("--help").stdout
    script = Path(sys.executable).parent / "localneard"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=20, check=True)
    first, second = done.stdout.splitlines()
    assert first == (
        "localneard (release localneard-0.1.0) (build stand-in) (commit unknown) (rustc none) "
        "(min_protocol 80) (protocol 84) (db 47)"
    )
    assert second.startswith("features: [")


def test_localnet_writes_what_neard_writes(tmp_path: Path) -> None:
    done = run("--home", tmp_path, "localnet", "-v", "2", "-n", "1", "--non-validators-archival", "1")
    assert done.returncode == 0
    names = ["node0", "node1", "node2", "node3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    files = ["config.json", "genesis.json", "log_config.json", "node_key.json", "validator_key.json"]
    configs = [read(tmp_path / name / "config.json") for name in names]
    for name, config in zip(names, configs, strict=True):
        home = tmp_path / name
        assert sorted(path.name for path in home.iterdir()) == files
        validator, node = read(home / "validator_key.json"), read(home / "node_key.json")
        assert (validator["account_id"], node["account_id"]) == (name, "node")
        assert validator["secret_key"] == node["secret_key"]
        for file in ("validator_key.json", "node_key.json"):
            assert stat.S_IMODE((home / file).stat().st_mode) == 0o600
        own = f"{node['public_key']}@{config['network']['addr']}"
        assert config["network"]["public_addrs"] == [own]
        assert config["consensus"]["min_num_peers"] == 1
        assert parse_config("config.json", config).unknown == ()
    boot = f"{read(tmp_path / 'node0' / 'node_key.json')['public_key']}@{configs[0]['network']['addr']}"
    assert [config["network"]["boot_nodes"] for config in configs] == ["", boot, boot, boot]
    assert [config["archive"] for config in configs] == [False, False, True, False]
    addresses = {config[part]["addr"] for config in configs for part in ("rpc", "network")}
    assert len(addresses) == 8
    genesis = read_genesis(tmp_path / "node0" / "genesis.json")
    assert [one.account_id for one in genesis.validators] == ["node0", "node1"]
    assert len({(tmp_path / name / "genesis.json").read_bytes() for name in names}) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("genesis.json", None, "cannot be read: No such file"),
        ("config.json", "{,}", "is not valid JSON"),
        ("localneard.json", '{"rcp": "hang"}', "rcp is no setting of localneard"),
    ],
)
def test_a_bad_file_stops_the_start_and_is_named(
    name: str, content: str | None, message: str, node: Node
) -> None:
    if content is None:
        (node.home / name).unlink()
    else:
        (node.home / name).write_text(content)
    done = run("--home", node.home, "run")
    assert done.returncode == 1
    assert f"Error: {node.home / name}: {message}" in done.stderr
    assert "Traceback" not in done.stderr


def test_comments_and_unknown_keys_do_no_harm(node: Node) -> None:
    text = (node.home / "config.json").read_text()
    commented = "// a remark\n" + text.replace("{", '{ "surprise": 1, /* and # more */', 1)
    (node.home / "config.json").write_text(commented)
    done = run("--home", node.home, "validate-config")
    assert done.returncode == 0
    assert "config.json: unknown key surprise" in done.stderr


def test_a_second_process_on_a_home_is_refused(node: Node) -> None:
    node.start().wait_ready()
    done = run("--home", node.home, "run", "--rpc-addr", f"127.0.0.1:{free_ports(1)[0]}")
    assert done.returncode == 1
    assert "another process holds LOCK" in done.stderr
    assert node.answers()


@pytest.mark.parametrize(("part", "setting"), [("rpc", "rpc.addr"), ("network", "network.addr")])
def test_a_taken_port_is_refused_and_named(part: str, setting: str, make_net: MakeNet) -> None:
    first, second = make_net(1)[0], make_net(1)[0]
    first.start().wait_ready()
    taken = read(first.home / "config.json")[part]["addr"]
    second.change(**{part: {"addr": taken}})
    done = run("--home", second.home, "run")
    assert done.returncode == 1
    assert f"{setting} {taken}: cannot listen" in done.stderr
    assert second.events() == [("load", "start"), ("drop", "exit")]


def test_the_chain_of_another_genesis_is_refused(node: Node, make_net: MakeNet) -> None:
    node.start().wait_height(1)
    node.running.kill()
    shutil.copy(make_net(1)[0].home / "genesis.json", node.home)
    done = run("--home", node.home, "run")
    assert done.returncode == 1
    assert "holds the chain of another genesis.json" in done.stderr


def test_flags_stand_in_for_the_configuration_for_one_run(node: Node) -> None:
    written = read(node.home / "config.json")["rpc"]["addr"]
    given, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
    node.start("--rpc-addr", given, "--rpc-prometheus-addr", metrics)
    node.rpc_addr = given
    node.wait_ready()
    # As in neard, the answer gives what the file says.
    assert node.status()["rpc_addr"] == written
    node.rpc_addr = metrics
    assert node.metric("near_config_correct") == 1
    assert node.call("GET", "/status").status_code == 404


def test_without_rpc_the_chain_goes_on(node: Node) -> None:
    node.start("--disable-rpc", env={"RUST_LOG": "client=info"})
    wait_until(lambda: "produced" in node.log, timeout_s=10, what=lambda: node.log)


def test_a_full_disk_ends_it_as_a_panic_does(node: Node) -> None:
    # In blocks of 512 bytes: room for the empty database and a few blocks.
    node.start(before=("sh", "-c", 'ulimit -f 400; exec "$@"', "sh"))
    assert node.running.wait(30) == -signal.SIGABRT
    assert "ERROR neard: panicked" in node.log


def test_first_line_and_status_say_that_it_is_a_stand_in(node: Node) -> None:
    node.start().wait_ready()
    assert "stand-in for neard" in node.log.splitlines()[0]
    status: Any = node.status()
    assert status["version"]["version"] == "localneard-0.1.0"
    assert status["version"]["build"] == "stand-in"
    assert json.dumps(status).count("secret") == 0
