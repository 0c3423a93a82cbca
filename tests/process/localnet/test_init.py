"""Making a localnet from what neard writes."""

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from hafailover.localnet import Localnet, LocalnetError, find_neard, init_localnet
from hafailover.near.home import load_home, reload_obstacles
from hafailover.near.keyfile import read_key


@pytest.fixture
def localnet(fake_neard: Path, tmp_path: Path) -> Localnet:
    return init_localnet(tmp_path / "net", neard=fake_neard)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_holds_validators_hosts_and_the_pools_key(localnet: Localnet, tmp_path: Path) -> None:
    home = tmp_path / "net"
    expected = ["host1", "host2", "host3", "localnet.json", "node0", "node1", "node2", "pool"]
    assert sorted(path.name for path in home.iterdir()) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net"]
    assert [node.name for node in localnet.validators] == ["node0", "node1", "node2"]
    assert [node.name for node in localnet.hosts] == ["host1", "host2", "host3"]
    assert localnet.pool.account_id == "node3"
    assert localnet.pool.credential == home / "pool" / "validator_key.json"
    assert read_key(localnet.pool.credential, "node3").public_key == localnet.pool.public_key
    assert mode(localnet.pool.credential) == 0o600
    assert mode(localnet.pool.credential.parent) == 0o700
    assert Localnet.load(home) == localnet


def test_no_host_home_holds_a_validator_key(localnet: Localnet) -> None:
    secret = read(localnet.pool.credential)["secret_key"]
    for node in localnet.nodes:
        assert (node.home / "validator_key.json").exists() is (node.role == "validator")
        assert mode(node.home / "node_key.json") == 0o600
        for path in node.home.iterdir():
            assert secret not in path.read_text()
    assert secret not in (localnet.home / "localnet.json").read_text()


def test_nodes_have_keys_and_addresses_of_their_own_and_know_the_validators(localnet: Localnet) -> None:
    keys = {node.name: read_key(node.home / "node_key.json").public_key for node in localnet.nodes}
    addresses = [address for node in localnet.nodes for address in (node.rpc_addr, node.network_addr)]
    assert len(set(keys.values())) == 6
    assert len(set(addresses)) == 12
    for node in localnet.nodes:
        config = read(node.home / "config.json")
        assert config["rpc"]["addr"] == node.rpc_addr
        assert config["network"]["addr"] == node.network_addr
        assert re.fullmatch(r"127\.0\.0\.1:\d+", node.network_addr)
        own = [] if node.role == "host" else [f"{keys[node.name]}@{node.network_addr}"]
        assert config["network"]["public_addrs"] == own, "a host is reached through its peers"
        others = [one for one in localnet.validators if one.name != node.name]
        boot = config["network"]["boot_nodes"].split(",")
        assert boot == [f"{keys[one.name]}@{one.network_addr}" for one in others]
        assert config["consensus"]["min_num_peers"] == 1
        assert config["consensus"]["min_block_production_delay"] == {"secs": 1, "nanos": 0}


def test_hosts_are_ready_to_take_the_key_and_validators_are_left_as_they_are(localnet: Localnet) -> None:
    for node in localnet.hosts:
        home = load_home(node.home)
        assert home.shadows("node3")
        assert reload_obstacles(home) == []
        config = read(home.config)
        assert config["store"]["load_mem_tries_for_tracked_shards"] is True
        assert "tracked_shards" not in config
    for node in localnet.validators:
        assert read(node.home / "config.json")["tracked_shards_config"] == "AllShards"


def test_the_genesis_is_the_same_everywhere(localnet: Localnet) -> None:
    assert len({(node.home / "genesis.json").read_bytes() for node in localnet.nodes}) == 1
    genesis = read(localnet.nodes[0].home / "genesis.json")
    assert genesis["epoch_length"] == 1000
    assert genesis["block_producer_kickout_threshold"] == 10
    assert [one["account_id"] for one in genesis["validators"]] == ["node0", "node1", "node2", "node3"]
    assert localnet.chain_id == genesis["chain_id"]


def test_numbers_and_block_time_can_be_chosen(fake_neard: Path, tmp_path: Path) -> None:
    net = init_localnet(tmp_path, neard=fake_neard, validators=2, hosts=1, block_time_s=0.5, epoch_length=9)
    assert [node.name for node in net.nodes] == ["node0", "host1"]
    assert net.pool.account_id == "node1"
    alone = read(net.node("node0").home / "config.json")
    assert (alone["consensus"]["min_num_peers"], alone["network"]["skip_sync_wait"]) == (0, True)
    host = read(net.node("host1").home / "config.json")
    assert (host["consensus"]["min_num_peers"], host["network"]["skip_sync_wait"]) == (1, False)
    assert host["consensus"]["min_block_production_delay"] == {"secs": 0, "nanos": 500_000_000}
    assert read(net.node("host1").home / "genesis.json")["epoch_length"] == 9


def test_address_ports_and_chain_id_can_be_chosen(fake_neard: Path, tmp_path: Path) -> None:
    net = init_localnet(
        tmp_path, neard=fake_neard, hosts=1, address="127.0.0.2", base_port=25000, chain_id="mine"
    )
    assert net.chain_id == "mine"
    for number, node in enumerate(net.nodes):
        assert (node.rpc_addr, node.network_addr) == (
            f"127.0.0.2:{25100 + number}",
            f"127.0.0.2:{25000 + number}",
        )
        config = read(node.home / "config.json")
        key = read_key(node.home / "node_key.json").public_key
        assert config["rpc"]["addr"] == node.rpc_addr
        assert config["network"]["addr"] == node.network_addr
        own = [] if node.role == "host" else [f"{key}@{node.network_addr}"]
        assert config["network"]["public_addrs"] == own
        assert read(node.home / "genesis.json")["chain_id"] == "mine"
    host = read(net.node("host1").home / "config.json")
    assert [one.partition("@")[2] for one in host["network"]["boot_nodes"].split(",")] == [
        "127.0.0.2:25000",
        "127.0.0.2:25001",
        "127.0.0.2:25002",
    ]


def test_a_localnet_is_replaced_only_with_force(localnet: Localnet, fake_neard: Path) -> None:
    (localnet.home / "node0" / "data").mkdir()
    with pytest.raises(LocalnetError, match="already holds a localnet; --force replaces it"):
        init_localnet(localnet.home, neard=fake_neard)
    assert (localnet.home / "node0" / "data").exists()
    again = init_localnet(localnet.home, neard=fake_neard, hosts=1, force=True)
    assert len(again.hosts) == 1
    assert not (localnet.home / "node0" / "data").exists()
    assert not (localnet.home / "host2").exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_something_else_is_left_alone(force: bool, fake_neard: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(LocalnetError, match="is not empty and holds no localnet; give another folder"):
        init_localnet(tmp_path, neard=fake_neard, force=force)
    with pytest.raises(LocalnetError, match="is not a folder"):
        init_localnet(tmp_path / "precious", neard=fake_neard, force=force)
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"validators": 1}, "at least 2 validators, not 1"),
        ({"hosts": 0}, "at least one failover host, not 0"),
        ({"block_time_s": 0.01}, "block time must be at least 0.1 s, not 0.01"),
        ({"epoch_length": 0}, "epoch length must be at least one block, not 0"),
        ({"address": "chain"}, "address: chain is no IP address"),
        ({"base_port": 70000}, "base port: 70000 leaves no 7 ports"),
        ({"neard": "no-such-neard"}, "no-such-neard cannot be run; give --neard the path of a neard binary"),
        ({"neard": "/bin/false"}, "/bin/false localnet failed with code 1"),
        (
            {"neard": "/bin/true"},
            r"/bin/true localnet wrote files that are not as expected: there is no folder node0",
        ),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(
    wrong: dict[str, Any], message: str, fake_neard: Path, tmp_path: Path
) -> None:
    with pytest.raises(LocalnetError, match=message):
        init_localnet(tmp_path / "net", **{"neard": fake_neard, **wrong})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("misbehaviour", "message"),
    [
        ("localnet-fails", r"localnet failed with code 1:\nfake neard: no luck today"),
        ("wrong-supply", "genesis.json: total_supply is"),
    ],
)
def test_a_neard_that_fails_leaves_the_old_localnet(
    misbehaviour: str, message: str, localnet: Localnet, fake_neard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NEARD", misbehaviour)
    with pytest.raises(LocalnetError, match=message):
        init_localnet(localnet.home, neard=fake_neard, hosts=1, force=True)
    assert Localnet.load(localnet.home) == localnet
    assert [path.name for path in localnet.home.parent.iterdir()] == ["net"]


def test_the_stand_in_is_the_neard_that_is_there_without_asking() -> None:
    assert find_neard().name == "localneard"
    assert find_neard().is_absolute()
