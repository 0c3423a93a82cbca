"""neard's command line."""

import re
from pathlib import Path

import pytest

import localneard
from localneard.addresses import Address
from localneard.cli import default_home, main, parse
from localneard.config import read_config
from localneard.genesis import read_genesis
from localneard.keys import Key


def test_global_flags_stand_before_the_command() -> None:
    given = parse(["--home", "/x", "--verbose", "run"])
    assert (given.home, given.verbose) == (Path("/x"), True)
    assert parse(["--verbose=network", "--unsafe-fast-startup", "validate-config"]).verbose
    with pytest.raises(SystemExit) as caught:
        parse(["run", "--home", "/x"])
    assert caught.value.code == 2


def test_every_flag_of_neards_run_is_taken() -> None:
    flags = [
        *("--archive", "--disable-rpc"),
        *("--boot-nodes", "", "--min-peers", "2", "--network-addr", "127.0.0.1:1", "--rpc-addr", "[::1]:2"),
        *("--rpc-prometheus-addr", "127.0.0.1:3", "--produce-empty-blocks", "true"),
        *("--connect-to-reliable-peers-on-startup", "false", "--telemetry-url", "http://a.example"),
        *("--max-gas-burnt-view", "5"),
    ]
    given = parse(["run", *flags])
    assert (given.rpc_addr, given.network_addr) == (Address("::1", 2), Address("127.0.0.1", 1))
    assert (given.min_peers, given.boot_nodes, given.archive, given.disable_rpc) == (2, (), True, True)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "--rpc-addr", "127.0.0.1"], "--rpc-addr: is '127.0.0.1', not an address such as"),
        (["run", "--boot-nodes", "a@b:1"], "--boot-nodes: holds 'a@b:1', not a peer such as"),
        (["run", "--produce-empty-blocks", "maybe"], "'maybe' is neither true nor false"),
        (["localnet", "-v", "-1"], "'-1' is not a whole number"),
        (["init", "--account-id", "No"], "'No' is not a NEAR account name"),
        (["frobnicate"], "invalid choice"),
        ([], "required: COMMAND"),
    ],
)
def test_a_bad_flag_is_named(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(argv)
    assert message in capsys.readouterr().err


def test_the_home_is_neards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEAR_HOME", "/somewhere")
    assert default_home() == Path("/somewhere")
    monkeypatch.delenv("NEAR_HOME")
    assert default_home() == Path.home() / ".near"


def test_version_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("localneard (release localneard-")


def near_init(home: Path, *flags: str) -> int:
    return main(["--home", str(home), "init", *flags])


def test_init_makes_a_node_and_then_only_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert near_init(tmp_path, "--chain-id", "mine", "--account-id", "pool.near", "--fast") == 0
    validator = tmp_path / "validator_key.json"
    assert Key.read(validator).account_id == "pool.near"
    genesis = read_genesis(tmp_path / "genesis.json")
    assert (genesis.chain_id, genesis.epoch_length) == ("mine", 60)
    config = read_config(tmp_path)
    assert (config.network.skip_sync_wait, config.consensus.min_block_production_delay_s) == (True, 0.12)
    kept = validator.read_bytes()
    (tmp_path / "node_key.json").unlink()
    assert near_init(tmp_path) == 0
    assert (tmp_path / "node_key.json").stat().st_mode & 0o777 == 0o600
    assert validator.read_bytes() == kept
    assert near_init(tmp_path, "--account-id", "other.near") == 1
    assert "validator_key.json: is of account pool.near, not other.near" in capsys.readouterr().err


def test_init_takes_a_genesis_over(tmp_path: Path) -> None:
    assert near_init(tmp_path / "a", "--chain-id", "testnet-like") == 0
    given = tmp_path / "a" / "genesis.json"
    assert near_init(tmp_path / "b", "--genesis", str(given), "--test-seed", "node0") == 0
    assert (tmp_path / "b" / "genesis.json").read_bytes() == given.read_bytes()
    assert (
        Key.read(tmp_path / "b" / "validator_key.json").public_key == Key.from_name("x", "node0").public_key
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--chain-id", "mainnet"], "no genesis of mainnet; give --genesis FILE"),
        (["--download-genesis"], "--download-genesis: the stand-in downloads nothing"),
        (["--download-config", "validator"], "--download-config: the stand-in downloads nothing"),
        (["--boot-nodes", "x"], "--boot-nodes holds 'x', not a peer"),
        (["--genesis", "/nowhere.json"], "/nowhere.json: cannot be read"),
    ],
)
def test_what_init_cannot_do_is_refused_and_leaves_nothing(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert near_init(tmp_path, *flags) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_it_stands_apart_from_what_it_is_there_to_test() -> None:
    sources = list(Path(localneard.__file__).parent.rglob("*.py"))
    assert len(sources) > 30
    for path in sources:
        assert not re.search(r"^\s*(from|import) hafailover", path.read_text(), re.MULTILINE), path
