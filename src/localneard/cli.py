"""The command line, which is neard's: global flags, then a subcommand, then its flags (neard/src/cli.rs)."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from localneard import DB_VERSION, MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, RELEASE
from localneard import log as logs
from localneard.addresses import parse_address, parse_boot_nodes
from localneard.errors import NodeError
from localneard.keys import check_account
from localneard.localnet import InitPlan, LocalnetPlan, init_home, make_localnet
from localneard.run import Overrides, read_files, run_node
from localneard.settings import LiveSettings

T = TypeVar("T")

_ABOUT = (
    "localneard is a stand-in for neard on localnets: no NEAR node, and it joins no public network. "
    "It takes neard's command line and files."
)
_IGNORED = "taken for neard's sake, without effect"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = parse(sys.argv[1:] if argv is None else argv)
    try:
        command: Callable[[argparse.Namespace, Path], int] = given.command
        return command(given, given.home or default_home())
    except NodeError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: {error.filename or 'localneard'}: {error.strerror or error}", file=sys.stderr)
        return 1


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; ends the process with code 2 if it is no good."""
    # Takes its value after an equals sign only: with a blank between, "--verbose run" would lose its command.
    return build_parser().parse_args(["--verbose" if one.startswith("--verbose=") else one for one in argv])


def default_home() -> Path:
    """Return neard's default home: ``$NEAR_HOME``, else ``~/.near``."""
    home = os.environ.get("NEAR_HOME")
    return Path(home) if home else Path.home() / ".near"


def version_text() -> str:
    """Return neard's two lines of ``--version``, under the stand-in's name."""
    return (
        f"localneard (release {RELEASE}) (build stand-in) (commit unknown) (rustc none) "
        f"(min_protocol {MIN_PROTOCOL_VERSION}) (protocol {PROTOCOL_VERSION}) (db {DB_VERSION})\n"
        "features: [default, json_rpc]"
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; each subcommand sets `command`."""
    parser = argparse.ArgumentParser(
        prog="localneard",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=version_text())
    parser.add_argument("--home", type=Path, help="folder of the node (default: $NEAR_HOME, else ~/.near)")
    parser.add_argument("--verbose", action="store_true", help=f"with or without =TARGET: {_IGNORED}")
    parser.add_argument("--unsafe-fast-startup", action="store_true", help=_IGNORED)
    parser.add_argument("--opentelemetry", help=_IGNORED)
    parser.add_argument("--color", choices=("auto", "always", "never"), help=_IGNORED)
    parser.add_argument("--log-span-events", action="store_true", help=_IGNORED)
    parser.add_argument("--record-io-trace", type=Path, help=_IGNORED)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_init(commands.add_parser("init", help="write the files of one node", allow_abbrev=False))
    _add_localnet(
        commands.add_parser("localnet", help="write the files of a whole network", allow_abbrev=False)
    )
    _add_run(commands.add_parser("run", help="run the node", allow_abbrev=False))
    validate = commands.add_parser("validate-config", help="check all files", allow_abbrev=False)
    validate.set_defaults(command=_validate)
    return parser


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chain-id", help="name of the chain (default: test-chain-XXXXX)")
    parser.add_argument("--account-id", type=_parsed(check_account), help="account of the validator key")
    parser.add_argument("--genesis", type=Path, help="genesis file to take over")
    parser.add_argument("--boot-nodes", default="", help="KEY@HOST:PORT, with commas between")
    parser.add_argument("--num-shards", type=_whole, default=1, help="shards of a new chain (default: 1)")
    parser.add_argument("--fast", action="store_true", help="blocks of 0.12 s and epochs of 60")
    parser.add_argument("--test-seed", help="seed of the validator key")
    parser.add_argument("--max-gas-burnt-view", type=_whole, help=_IGNORED)
    parser.add_argument("--state-sync-bucket", help=_IGNORED)
    parser.add_argument(
        "--download-config", nargs="?", const="validator", help="refused: nothing is downloaded"
    )
    parser.add_argument("--download-genesis", action="store_true", help="refused: nothing is downloaded")
    for name in ("genesis", "records", "config"):
        parser.add_argument(f"--download-{name}-url", help="refused: nothing is downloaded")
    parser.set_defaults(command=_init)


def _add_localnet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--validators", type=_whole, default=4, help="validators (default: 4)")
    parser.add_argument("-n", "--non-validators", type=_whole, default=0, help="plain nodes")
    parser.add_argument("--non-validators-rpc", type=_whole, default=0, help="RPC nodes")
    parser.add_argument("--non-validators-archival", type=_whole, default=0, help="archival nodes")
    parser.add_argument("-s", "--shards", type=_whole, default=1, help="shards in genesis.json (default: 1)")
    parser.add_argument("--prefix", default="node", help="how folders and accounts begin (default: node)")
    parser.add_argument("--tracked-shards", default="all", help="all, none, or a list, which means all")
    parser.set_defaults(command=_localnet)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rpc-addr", type=_parsed(parse_address), help="in place of rpc.addr")
    parser.add_argument(
        "--rpc-prometheus-addr", type=_parsed(parse_address), help="a listener for /metrics alone"
    )
    parser.add_argument("--network-addr", type=_parsed(parse_address), help="in place of network.addr")
    parser.add_argument("--boot-nodes", type=_parsed(parse_boot_nodes), help="in place of network.boot_nodes")
    parser.add_argument("--min-peers", type=_whole, help="in place of consensus.min_num_peers")
    parser.add_argument("--disable-rpc", action="store_true", help="no RPC, no metrics")
    parser.add_argument(
        "--archive", action="store_true", help="keep everything, which is what is done anyway"
    )
    parser.add_argument("--produce-empty-blocks", type=_flag, help=_IGNORED)
    parser.add_argument("--connect-to-reliable-peers-on-startup", type=_flag, help=_IGNORED)
    parser.add_argument("--telemetry-url", action="append", help=_IGNORED)
    parser.add_argument("--max-gas-burnt-view", type=_whole, help=_IGNORED)
    parser.set_defaults(command=_run)


def _init(given: argparse.Namespace, home: Path) -> int:
    for name in ("config", "genesis", "genesis_url", "records_url", "config_url"):
        if getattr(given, f"download_{name}"):
            flag = f"--download-{name.replace('_', '-')}"
            raise NodeError(f"{flag}: the stand-in downloads nothing; give --genesis FILE, or leave it out")
    try:
        parse_boot_nodes(given.boot_nodes)
    except ValueError as error:
        raise NodeError(f"--boot-nodes {error}") from None
    init_home(
        home,
        InitPlan(
            chain_id=given.chain_id,
            account_id=given.account_id,
            genesis=given.genesis,
            boot_nodes=given.boot_nodes,
            shards=given.num_shards,
            fast=given.fast,
            test_seed=given.test_seed,
        ),
    )
    print(f"localneard, a stand-in for neard, has written the files of a node to {home}", file=sys.stderr)
    return 0


def _localnet(given: argparse.Namespace, home: Path) -> int:
    plan = LocalnetPlan(
        validators=given.validators,
        archival=given.non_validators_archival,
        rpc=given.non_validators_rpc,
        plain=given.non_validators,
        shards=given.shards,
        prefix=given.prefix,
        tracked_shards=given.tracked_shards,
    )
    homes = make_localnet(home, plan)
    print(f"localneard, a stand-in for neard, has written {len(homes)} nodes to {home}", file=sys.stderr)
    return 0


def _run(given: argparse.Namespace, home: Path) -> int:
    logs.set_up()
    return run_node(
        home,
        Overrides(
            rpc_addr=given.rpc_addr,
            prometheus_addr=given.rpc_prometheus_addr,
            network_addr=given.network_addr,
            boot_nodes=given.boot_nodes,
            min_peers=given.min_peers,
            disable_rpc=given.disable_rpc,
            archive=given.archive,
        ),
    )


def _validate(_: argparse.Namespace, home: Path) -> int:
    logs.set_up()
    read_files(home, Overrides())
    LiveSettings(home)
    print(f"{home}: all files are good", file=sys.stderr)
    return 0


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def _parsed(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return a parser of an argument that says what is wrong with it."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


if __name__ == "__main__":
    sys.exit(main())
