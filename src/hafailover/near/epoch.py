"""What neard tells of an epoch: its rules for losing a seat, and a validator's counts on each shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hafailover.near.rpc import NeardRpc, RpcError

MOST_SHARDS = 256
"""Far more than any network has: mainnet splits up to 12 (nearcore
core/primitives/res/epoch_configs/mainnet/85.json, ``max_number_of_shards``)."""

Source = Literal["protocol_config", "genesis_config", "mainnet"]
"""Where the rules come from: neard's RPC, or what is known of mainnet where it does not tell."""


@dataclass(frozen=True, slots=True)
class EpochRules:
    """Whoever has ``produced * 100 < percent * expected`` at the epoch's end loses the seat.

    So nearcore chain/epoch-manager/src/lib.rs, ``compute_validators_to_reward_and_kickout``.
    """

    epoch_length: int
    """In blocks."""
    block_percent: int
    chunk_percent: int
    endorsement_percent: int
    """Of validators alone that have neither blocks nor chunks to produce."""
    protocol: int | None
    """Version of the protocol in this epoch; ``None``: not known."""
    source: Source


MAINNET = EpochRules(43_200, 80, 80, 70, None, "mainnet")
"""nearcore core/primitives/res/epoch_configs/mainnet/81.json and 85.json; testnet has the same."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Duties of one kind in this epoch up to the head."""

    produced: int
    expected: int

    @property
    def missed(self) -> int:
        return self.expected - self.produced


@dataclass(frozen=True, slots=True)
class ShardCount:
    """An account's chunks on one shard."""

    shard: int
    chunks: Counted
    producers: int
    """How many accounts are to make this shard's chunks in this epoch, this one included."""


@dataclass(frozen=True, slots=True)
class EpochCounts:
    """A validator's counts in the epoch that began at ``epoch_start``."""

    epoch_start: int
    blocks: Counted
    chunks: Counted
    endorsements: Counted
    shards: tuple[ShardCount, ...]
    """Empty where it has no chunks to produce, or neard is too old to count them by shard."""


def epoch_counts(rpc: NeardRpc, account_id: str) -> EpochCounts | None:
    """This epoch's counts of an account; ``None`` if it is no validator.

    :raises RpcError: no usable answer.
    """
    answer = rpc.call("validators", [None])
    try:
        entries = answer["current_validators"]
        entry = next((one for one in entries if one["account_id"] == account_id), None)
        if entry is None:
            return None
        return EpochCounts(
            _whole(answer["epoch_start_height"]),
            _counted(entry, "blocks"),
            _counted(entry, "chunks"),
            _counted(entry, "endorsements", none_yet=True),
            _shards(entry, entries),
        )
    except (KeyError, TypeError, ValueError):
        raise RpcError("an answer to validators that makes no sense") from None


def epoch_rules(rpc: NeardRpc) -> EpochRules:
    """The rules of this epoch, from neard as far as it tells them.

    :raises RpcError: neard cannot be asked at all.
    """
    try:
        return _rules(rpc.call("EXPERIMENTAL_protocol_config", {"finality": "final"}), "protocol_config")
    except RpcError as error:
        if not _refused(error):
            raise
    try:
        return _rules(rpc.call("genesis_config", []), "genesis_config")
    except RpcError as error:
        if not _refused(error):
            raise
    return MAINNET


def _refused(error: RpcError) -> bool:
    """Whether neard has answered, but not with what was asked for."""
    text = str(error)
    return "protocol_config" in text or "genesis_config" in text


def _rules(answer: Any, source: Source) -> EpochRules:
    """A value that neard leaves out is mainnet's."""
    try:
        length = _whole(answer["epoch_length"])
        if length == 0:
            raise ValueError
        protocol = answer.get("protocol_version")
        return EpochRules(
            length,
            _percent(answer.get("block_producer_kickout_threshold", MAINNET.block_percent)),
            _percent(answer.get("chunk_producer_kickout_threshold", MAINNET.chunk_percent)),
            _percent(answer.get("chunk_validator_only_kickout_threshold", MAINNET.endorsement_percent)),
            # The genesis has the protocol of the first epoch, not of this one.
            _whole(protocol) if protocol is not None and source == "protocol_config" else None,
            source,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RpcError(f"an answer to {source} that makes no sense") from None


def _counted(entry: Any, kind: str, *, none_yet: bool = False) -> Counted:
    names = f"num_produced_{kind}", f"num_expected_{kind}"
    produced, expected = (_whole(entry.get(name, 0) if none_yet else entry[name]) for name in names)
    return _checked(produced, expected)


def _checked(produced: int, expected: int) -> Counted:
    if produced > expected:
        raise ValueError
    return Counted(produced, expected)


def _shards(entry: Any, entries: Any) -> tuple[ShardCount, ...]:
    """The counts that stand at the places of ``shards`` (nearcore core/primitives/src/views.rs)."""
    shards = _wholes(entry.get("shards", []))
    produced = _wholes(entry.get("num_produced_chunks_per_shard", []))
    expected = _wholes(entry.get("num_expected_chunks_per_shard", []))
    if not produced and not expected:
        return ()
    if not len(shards) == len(produced) == len(expected) or len(set(shards)) != len(shards):
        raise ValueError
    if not any(expected) and entry["num_expected_chunks"]:
        # An old neard, which writes zeros.
        return ()
    makers = [set(_wholes(one.get("shards", []))) for one in entries]
    return tuple(
        ShardCount(shard, _checked(did, due), sum(shard in made for made in makers))
        for shard, did, due in zip(shards, produced, expected, strict=True)
    )


def _wholes(values: Any) -> list[int]:
    if not isinstance(values, list) or len(values) > MOST_SHARDS:
        raise ValueError
    return [_whole(value) for value in values]


def _percent(value: Any) -> int:
    if _whole(value) > 100:
        raise ValueError
    return int(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError
    return value
