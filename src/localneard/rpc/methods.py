"""The JSON-RPC methods: each takes the `params` of a request and returns its `result`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localneard.block import Block
from localneard.chain import EpochResult
from localneard.keys import check_account
from localneard.rpc import views
from localneard.schedule import Count

if TYPE_CHECKING:
    from localneard.node import Node

FINALITIES = ("final", "near-final", "optimistic")


class ParamsError(Exception):
    """The params cannot be parsed."""


class HandlerError(Exception):
    """A method has no result; `status` is the HTTP status that neard answers with."""

    def __init__(self, name: str, info: Any, text: str, status: int = 200) -> None:
        """Take the cause's name and info, and the text that neard puts in `data`."""
        super().__init__(text)
        self.name = name
        self.info = info
        self.status = status


def _block(node: "Node", params: Any) -> Any:
    return views.block(node, _find_block(node, params))


def _find_block(node: "Node", params: Any) -> Block:
    chain = node.chain
    if isinstance(params, dict) and params.keys() == {"finality"}:
        finality = params["finality"]
        if finality not in FINALITIES:
            raise ParamsError(f"unknown finality {finality!r}; there are {', '.join(FINALITIES)}")
        return {"final": chain.final, "near-final": chain.parent(chain.head), "optimistic": chain.head}[
            finality
        ]
    if isinstance(params, dict) and params.keys() == {"sync_checkpoint"}:
        if params["sync_checkpoint"] not in ("genesis", "earliest_available"):
            raise ParamsError("unknown sync_checkpoint")
        return chain.genesis_block
    if isinstance(params, dict) and params.keys() == {"block_id"}:
        return _by_id(node, params["block_id"])
    if isinstance(params, list) and len(params) == 1:
        return _by_id(node, params[0])
    raise ParamsError("expected block_id or finality")


def _by_id(node: "Node", block_id: Any) -> Block:
    if isinstance(block_id, int) and not isinstance(block_id, bool) and block_id >= 0:
        if block_id < 1 << 63 and (found := node.chain.block_at(block_id)) is not None:
            return found
        # A height below the head that has no block was skipped, or its block is gone for good.
        status = 422 if block_id < node.chain.head.height else 200
        raise _unknown_block(f"DB Not Found Error: BLOCK HEIGHT: {block_id}", status)
    if isinstance(block_id, str):
        if (found := node.chain.block(block_id)) is not None:
            return found
        raise _unknown_block(f"DB Not Found Error: BLOCK: {block_id[:64]}")
    raise ParamsError("a block id is a height or a hash")


def _unknown_block(text: str, status: int = 200) -> HandlerError:
    return HandlerError("UNKNOWN_BLOCK", {}, text, status)


def _validators(node: "Node", params: Any) -> Any:
    return views.validators(node, _find_epoch(node, params))


def _find_epoch(node: "Node", params: Any) -> EpochResult:
    chain = node.chain
    if params in (None, "latest", [None], ["latest"], {"latest": None}):
        return chain.epoch_so_far()
    if isinstance(params, dict) and params.keys() == {"epoch_id"}:
        epoch_id = params["epoch_id"]
        if not isinstance(epoch_id, str):
            raise ParamsError("epoch_id must be a string")
        if epoch_id == chain.head.epoch_id:
            return chain.epoch_so_far()
        last = chain.ended_epoch(epoch_id)
        if last is None:
            raise HandlerError("UNKNOWN_EPOCH", {}, "Unknown epoch")
        return _ended(node, last)
    block_id = params.get("block_id") if isinstance(params, dict) and params.keys() == {"block_id"} else None
    if isinstance(params, list) and len(params) == 1:
        block_id = params[0]
    if block_id is None:
        raise ParamsError("expected latest, block_id or epoch_id")
    block = _by_id(node, block_id)
    if not chain.ends_epoch(block):
        raise HandlerError("VALIDATOR_INFO_UNAVAILABLE", {}, "Validator information unavailable")
    return _ended(node, block)


def _ended(node: "Node", last: Block) -> EpochResult:
    counts = node.chain.store.result(last.hash) or {}
    epoch = node.chain.need_epoch(last.epoch_id)
    return EpochResult(
        epoch,
        last.next_epoch_id,
        last.epoch_start,
        {account: Count(*count) for account, count in counts.items()},
    )


def _maintenance_windows(node: "Node", params: Any) -> Any:
    account = params.get("account_id") if isinstance(params, dict) else None
    if account is None and isinstance(params, list) and len(params) == 1:
        account = params[0]
    try:
        return views.maintenance_windows(node, check_account(account if isinstance(account, str) else ""))
    except ValueError as error:
        raise ParamsError(f"account_id: {error}") from None


def _validators_ordered(node: "Node", params: Any) -> Any:
    block_id = params.get("block_id") if isinstance(params, dict) else None
    if isinstance(params, list) and len(params) == 1:
        block_id = params[0]
    block = node.chain.head if block_id is None else _by_id(node, block_id)
    following = node.chain.following(block).epoch
    return [views.stake(one) for one in following.validators]


def _health(node: "Node", _: Any) -> Any:
    if (problem := views.health_problem(node)) is not None:
        text = "Node is syncing" if problem["name"] == "NODE_IS_SYNCING" else "No blocks for too long"
        raise HandlerError(problem["name"], problem["info"], text)
    return None


def _status(node: "Node", _: Any) -> Any:
    return views.status(node)


def _network_info(node: "Node", _: Any) -> Any:
    return views.network_info(node)


def _client_config(node: "Node", _: Any) -> Any:
    return views.client_config(node)


def _genesis_config(node: "Node", _: Any) -> Any:
    return node.chain.genesis.config


def _protocol_config(node: "Node", params: Any) -> Any:
    _find_block(node, params)
    # Neither the protocol nor the thresholds ever change here.
    return node.chain.genesis.config


def _gas_price(node: "Node", params: Any) -> Any:
    if params not in (None, [], [None], {"block_id": None}):
        _find_block(node, params)
    return {"gas_price": node.chain.genesis.gas_price}


Method = Callable[["Node", Any], Any]

METHODS: dict[str, Method] = {
    "block": _block,
    "client_config": _client_config,
    "EXPERIMENTAL_genesis_config": _genesis_config,
    "EXPERIMENTAL_maintenance_windows": _maintenance_windows,
    "EXPERIMENTAL_protocol_config": _protocol_config,
    "EXPERIMENTAL_validators_ordered": _validators_ordered,
    "gas_price": _gas_price,
    "genesis_config": _genesis_config,
    "health": _health,
    "maintenance_windows": _maintenance_windows,
    "network_info": _network_info,
    "status": _status,
    "validators": _validators,
}
