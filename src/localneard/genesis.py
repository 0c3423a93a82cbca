"""genesis.json: the form that neard's localnet writes, and what the stand-in uses of it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import base58

from localneard import PROTOCOL_VERSION
from localneard.clock import rfc3339, wall_ns
from localneard.early_kickout import EarlyKickout, read_early_kickout
from localneard.jsonc import read_object
from localneard.keys import is_public_key
from localneard.schedule import Validator
from localneard.sections import Section

STAKE = 5 * 10**31
"""Stake of a localnet's validator, in yocto (core/chain-configs/src/test_utils.rs)."""
BALANCE = 10**33
EPOCH_LENGTH = 60
TREASURY = "near"


@dataclass(frozen=True)
class Genesis:
    """What a chain starts from. `hash` is its first block's, `config` the file without the records."""

    chain_id: str
    height: int
    time_ns: int
    epoch_length: int
    validators: tuple[Validator, ...]
    block_kickout_percent: int
    chunk_kickout_percent: int
    max_kickout_stake_percent: int
    gas_price: str
    total_supply: str
    gas_limit: int
    hash: str
    protocol_version: int
    early_kickout: EarlyKickout | None
    config: dict[str, Any] = field(repr=False)

    @property
    def is_public_network(self) -> bool:
        """Whether neard treats it as one of the networks that matter."""
        return self.chain_id in ("mainnet", "testnet")


def build_genesis(
    chain_id: str,
    accounts: Sequence[tuple[str, str]],
    *,
    validators: int,
    shards: int = 1,
    epoch_length: int = EPOCH_LENGTH,
) -> dict[str, Any]:
    """Return a genesis.json with a balance for each (account, key); the first `validators` have a stake."""
    records: list[dict[str, Any]] = []
    for number, (account, key) in enumerate(accounts):
        locked = STAKE if number < validators else 0
        records += _account(account, BALANCE - locked, locked)
        records.append(
            {
                "AccessKey": {
                    "account_id": account,
                    "public_key": key,
                    "access_key": {"nonce": 0, "permission": "FullAccess"},
                }
            }
        )
    records += _account(TREASURY, BALANCE, 0)
    supply = sum(
        int(one["Account"]["account"][part])
        for one in records
        if "Account" in one
        for part in ("amount", "locked")
    )
    seats = [
        {"account_id": account, "public_key": key, "amount": str(STAKE)}
        for account, key in accounts[:validators]
    ]
    return {
        "protocol_version": PROTOCOL_VERSION,
        "genesis_time": rfc3339(wall_ns()),
        "chain_id": chain_id,
        "genesis_height": 0,
        "num_block_producer_seats": validators,
        "num_block_producer_seats_per_shard": [validators] * shards,
        "avg_hidden_validator_seats_per_shard": [0] * shards,
        "dynamic_resharding": False,
        "protocol_upgrade_stake_threshold": [4, 5],
        "epoch_length": epoch_length,
        "gas_limit": 1000000000000000,
        "min_gas_price": "100000000",
        "max_gas_price": "10000000000000000000000",
        "block_producer_kickout_threshold": 90,
        "chunk_producer_kickout_threshold": 90,
        "chunk_validator_only_kickout_threshold": 80,
        "target_validator_mandates_per_shard": 68,
        "online_min_threshold": [9, 10],
        "online_max_threshold": [99, 100],
        "gas_price_adjustment_rate": [1, 100],
        "validators": seats,
        "transaction_validity_period": 100,
        "protocol_reward_rate": [1, 10],
        "max_inflation_rate": [1, 20],
        "total_supply": str(supply),
        "num_blocks_per_year": 31536000,
        "protocol_treasury_account": TREASURY,
        "fishermen_threshold": "10000000000000000000000000",
        "minimum_stake_divisor": 10,
        "shard_layout": {"V0": {"num_shards": shards, "version": 0}},
        "minimum_validators_per_shard": 1,
        "max_kickout_stake_perc": 100,
        "minimum_stake_ratio": [1, 6250],
        "chunk_producer_assignment_changes_limit": 5,
        "shuffle_shard_assignment_for_chunk_producers": False,
        "use_production_config": False,
        "num_chunk_producer_seats": 100,
        "num_chunk_validator_seats": 300,
        "records": records,
    }


def _account(account_id: str, amount: int, locked: int) -> list[dict[str, Any]]:
    account = {
        "amount": str(amount),
        "locked": str(locked),
        "code_hash": "1" * 32,
        "storage_usage": 0,
        "version": "V1",
    }
    return [{"Account": {"account_id": account_id, "account": account}}]


def read_genesis(path: Path) -> Genesis:
    """Read and check genesis.json. Raises BadFileError, naming what is wrong in it."""
    data = read_object(path)
    top = Section(str(path), data)
    validators = tuple(_validator(top, number, one) for number, one in enumerate(_list(top, "validators")))
    _check_records(top, validators)
    if not validators:
        raise top.fail("validators", "is empty; a chain needs at least one")
    if top.whole("epoch_length") == 0:
        raise top.fail("epoch_length", "must be at least 1")
    config = {key: value for key, value in data.items() if key != "records"}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return Genesis(
        chain_id=top.text("chain_id"),
        height=top.whole("genesis_height"),
        time_ns=_time(top),
        epoch_length=top.whole("epoch_length"),
        validators=validators,
        block_kickout_percent=top.whole("block_producer_kickout_threshold"),
        chunk_kickout_percent=top.whole("chunk_producer_kickout_threshold"),
        max_kickout_stake_percent=top.whole("max_kickout_stake_perc", 100),
        gas_price=str(top.amount("min_gas_price")),
        total_supply=top.text("total_supply"),
        gas_limit=top.whole("gas_limit"),
        hash=base58.b58encode(hashlib.sha256(text.encode()).digest()).decode(),
        protocol_version=top.whole("protocol_version", PROTOCOL_VERSION),
        early_kickout=read_early_kickout(top),
        config=config,
    )


def _list(top: Section, key: str) -> list[Any]:
    value = top.data.get(key)
    if not isinstance(value, list):
        raise top.fail(key, "is missing or not a list")
    return value


def _validator(top: Section, number: int, one: Any) -> Validator:
    if not isinstance(one, dict):
        raise top.fail(f"validators[{number}]", "must be an object")
    entry = Section(top.source, one, f"validators[{number}].")
    key = entry.text("public_key")
    if not is_public_key(key):
        raise entry.fail("public_key", "is not an ed25519 key")
    return Validator(entry.text("account_id"), key, entry.amount("amount"))


def _check_records(top: Section, validators: tuple[Validator, ...]) -> None:
    """Check what neard checks (core/chain-configs/src/genesis_validate.rs)."""
    supply = 0
    locked: dict[str, int] = {}
    accounts: set[str] = set()
    owners: set[str] = set()
    try:
        for record in _list(top, "records"):
            if "Account" in record:
                name, account = record["Account"]["account_id"], record["Account"]["account"]
                accounts.add(name)
                supply += int(account["amount"]) + int(account["locked"])
                if int(account["locked"]):
                    locked[name] = int(account["locked"])
            elif "AccessKey" in record:
                owners.add(record["AccessKey"]["account_id"])
    except (KeyError, TypeError, ValueError):
        raise top.fail("records", "holds an entry that is no account or access key") from None
    if supply != top.amount("total_supply"):
        raise top.fail("total_supply", f"is {top.text('total_supply')}, but the balances sum to {supply}")
    if {one.account_id: one.stake for one in validators} != locked or len(validators) != len(locked):
        raise top.fail("validators", "are not the accounts that have a locked stake")
    if stray := owners - accounts:
        raise top.fail("records", f"hold an access key of {min(stray)}, which is no account")


def _time(top: Section) -> int:
    text = top.text("genesis_time")
    try:
        seconds = int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise top.fail("genesis_time", "is not a time such as 2026-01-01T00:00:00.000000000Z") from None
    digits = text.partition(".")[2].rstrip("Z").partition("+")[0]
    return seconds * 1_000_000_000 + int((digits[:9] or "0").ljust(9, "0"))
