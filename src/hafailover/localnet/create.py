"""Making a localnet: what `neard localnet` writes, turned into plain validators and failover hosts."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hafailover.localnet import configure
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.model import FILE_NAME, Localnet, LocalnetNode, Pool, Role
from hafailover.localnet.neard import find_neard
from hafailover.localnet.pidfiles import running_nodes
from hafailover.localnet.places import LOOPBACK, GivenPlaces, Places
from hafailover.near.command import CommandError, run_neard
from hafailover.near.home import HomeError, read_config
from hafailover.near.keyfile import KeyFileError, read_key
from hafailover.near.routing import DEFAULT, ValidatorRouting

MIN_VALIDATORS = 2
MIN_BLOCK_TIME_S = 0.1
_NEARD_TIMEOUT_S = 120


def init_localnet(
    home: Path,
    *,
    neard: str | Path | None = None,
    validators: int = 4,
    hosts: int = 3,
    block_time_s: float = 1.0,
    epoch_length: int = configure.EPOCH_LENGTH_BLOCKS,
    address: str = LOOPBACK,
    base_port: int | None = None,
    chain_id: str | None = None,
    force: bool = False,
    places: Sequence[tuple[str, str]] | None = None,
    routing: ValidatorRouting = DEFAULT,
) -> Localnet:
    """Make a localnet in `home`, which must be empty or missing; `force` replaces a localnet there.

    The last of the `validators` is the pool: its key goes to `pool/validator_key.json`, and its home is given
    up in favour of `hosts` homes without a validator key. With fewer than four validators the chain stands
    still while the pool has no signer, since NEAR needs more than two thirds of the stake. All nodes listen
    on `address`, so that hosts on other machines can join. With `base_port` the n-th node has port
    base_port + n for its peers and base_port + 100 + n for its RPC; otherwise ports are free ones. `chain_id`
    replaces neard's random one. `places` are host:port of RPC and host:port for peers of each node, first the
    plain validators', then the hosts', in place of all that. `routing` is the hosts' neard.validator_routing.
    Raises LocalnetError; `home` is then as it was.
    """
    _check_numbers(validators, hosts, block_time_s, epoch_length)
    if places is not None and len(places) != validators - 1 + hosts:
        raise LocalnetError(f"places: {validators - 1 + hosts} nodes need as many, not {len(places)}")
    chosen = Places(address, base_port, validators + hosts) if places is None else GivenPlaces(places)
    binary = find_neard(neard)
    home = home.absolute()
    _check_target(home, force=force)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{home.name}-", dir=home.parent) as temporary:
        new = Path(temporary) / "new"
        _run_neard(binary, new, validators, hosts)
        try:
            localnet = _arrange(
                new, binary, validators, hosts, block_time_s, epoch_length, chosen, chain_id, routing
            )
        except (KeyError, TypeError, OSError, HomeError, KeyFileError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise LocalnetError(f"{binary} localnet wrote files that are not as expected: {what}") from error
        localnet.save()
        if home.exists():
            home.rename(Path(temporary) / "old")
        new.rename(home)
    return Localnet.load(home)


def _check_numbers(validators: int, hosts: int, block_time_s: float, epoch_length: int) -> None:
    if validators < MIN_VALIDATORS:
        raise LocalnetError(f"a localnet needs at least {MIN_VALIDATORS} validators, not {validators}")
    if hosts < 1:
        raise LocalnetError(f"a localnet needs at least one failover host, not {hosts}")
    if block_time_s < MIN_BLOCK_TIME_S:
        raise LocalnetError(f"the block time must be at least {MIN_BLOCK_TIME_S} s, not {block_time_s:g}")
    if epoch_length < 1:
        raise LocalnetError(f"the epoch length must be at least one block, not {epoch_length}")


def _check_target(home: Path, *, force: bool) -> None:
    if not home.exists():
        return
    if not home.is_dir():
        raise LocalnetError(f"{home} is not a folder")
    if not (home / FILE_NAME).exists():
        if any(home.iterdir()):
            raise LocalnetError(f"{home} is not empty and holds no localnet; give another folder")
        return
    if not force:
        raise LocalnetError(f"{home} already holds a localnet; --force replaces it, keys and chain included")
    if running := running_nodes(home):
        raise LocalnetError(
            f"the localnet in {home} runs ({', '.join(running)}); stop it first: "
            f"hafailover localnet down --home {home}"
        )


def _run_neard(binary: Path, home: Path, validators: int, hosts: int) -> None:
    command = [str(binary), "--home", str(home), "localnet", "-v", str(validators), "-n", str(hosts)]
    try:
        run_neard(command, "localnet", _NEARD_TIMEOUT_S)
    except CommandError as error:
        raise LocalnetError(str(error)) from None


def _arrange(
    home: Path,
    binary: Path,
    validators: int,
    hosts: int,
    block_time_s: float,
    epoch_length: int,
    places: Places | GivenPlaces,
    chain_id: str | None,
    routing: ValidatorRouting,
) -> Localnet:
    """Turn the folders that neard wrote into a localnet."""
    for number in range(validators + hosts):
        if not (home / f"node{number}").is_dir():
            raise FileNotFoundError(f"there is no folder node{number}")
    pool = _take_pool(home, home / f"node{validators - 1}")
    nodes = [_place(home, f"node{number}", "validator", places) for number in range(validators - 1)]
    for number in range(hosts):
        name = f"host{number + 1}"
        (home / f"node{validators + number}").rename(home / name)
        (home / name / "validator_key.json").unlink()
        nodes.append(_place(home, name, "host", places))
    node_keys = {
        node.name: read_key(node.home / "node_key.json", name="node_key.json").public_key for node in nodes
    }
    boot = [(node_keys[node.name], node) for node in nodes if node.role == "validator"]
    for node in nodes:
        config = configure.configure_node(
            read_config(node.home / "config.json"),
            rpc_addr=node.rpc_addr,
            network_addr=node.network_addr,
            node_key=node_keys[node.name],
            boot_peers=[(key, one.network_addr) for key, one in boot if one is not node],
            # One peer is enough, so that the others go on when all but two validators are down.
            min_peers=0 if node.role == "validator" and len(boot) == 1 else 1,
            block_time_s=block_time_s,
        )
        if node.role == "host":
            config = configure.configure_host(config, pool.account_id, routing)
        _write_json(node.home / "config.json", config)
    genesis = _arrange_genesis(nodes, pool, epoch_length, chain_id)
    return Localnet(home, binary, genesis["chain_id"], block_time_s, tuple(nodes), pool)


def _take_pool(home: Path, node: Path) -> Pool:
    """Move a validator's key out of its home, and the rest of that home away."""
    credential = home / "pool" / "validator_key.json"
    credential.parent.mkdir(mode=0o700)
    (node / "validator_key.json").rename(credential)
    credential.chmod(0o600)
    shutil.rmtree(node)
    key = read_key(credential)
    return Pool(key.account_id, key.public_key, credential)


def _place(home: Path, name: str, role: Role, places: Places | GivenPlaces) -> LocalnetNode:
    rpc_addr, network_addr = places.next()
    return LocalnetNode(name, role, home / name, rpc_addr, network_addr)


def _arrange_genesis(
    nodes: list[LocalnetNode], pool: Pool, epoch_length: int, chain_id: str | None
) -> dict[str, Any]:
    """Give all nodes the same adapted genesis; returns it."""
    texts = {(node.home / "genesis.json").read_bytes() for node in nodes}
    if len(texts) != 1:
        raise LocalnetError("the nodes' genesis.json files differ")
    genesis = configure.configure_genesis(
        read_config(nodes[0].home / "genesis.json"), epoch_length=epoch_length, chain_id=chain_id
    )
    configure.check_genesis(genesis, pool.account_id, pool.public_key)
    for node in nodes:
        _write_json(node.home / "genesis.json", genesis)
    return genesis


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
