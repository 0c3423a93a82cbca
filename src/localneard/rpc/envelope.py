"""The JSON-RPC envelope: requests in, results and neard's structured errors out.

Shapes are those of chain/jsonrpc-primitives/src/message.rs and errors.rs.
"""

import json
from typing import TYPE_CHECKING, Any

from localneard.rpc.methods import METHODS, HandlerError, ParamsError

if TYPE_CHECKING:
    from localneard.node import Node

_MEMBERS = {"jsonrpc", "id", "method", "params"}


def answer(node: "Node", body: bytes) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and answer for the body of a request."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return _refused(
            None, "PARSE_ERROR", {"error_message": "invalid JSON"}, -32700, "Parse error", "invalid JSON"
        )
    if (
        not isinstance(request, dict)
        or not request.keys() <= _MEMBERS
        or not {"jsonrpc", "id", "method"} <= request.keys()
        or request["jsonrpc"] != "2.0"
        or not isinstance(request["method"], str)
    ):
        text = "JSON RPC Request format was expected"
        return _refused(None, "PARSE_ERROR", {"error_message": text}, -32700, "Parse error", text)
    name, number = request["method"], request["id"]
    method = METHODS.get(name)
    if method is None:
        info = {"method_name": name}
        return _refused(number, "METHOD_NOT_FOUND", info, -32601, "Method not found", name)
    try:
        result = method(node, request.get("params"))
    except ParamsError as error:
        text = f"Failed parsing args: {error}"
        return _refused(number, "PARSE_ERROR", {"error_message": text}, -32700, "Parse error", text)
    except HandlerError as error:
        cause = {"name": error.name, "info": error.info}
        return error.status, _error(number, "HANDLER_ERROR", cause, -32000, "Server error", str(error))
    return 200, {"jsonrpc": "2.0", "result": result, "id": number}


def _refused(
    number: Any, cause: str, info: dict[str, Any], code: int, message: str, data: str
) -> tuple[int, dict[str, Any]]:
    kind = "REQUEST_VALIDATION_ERROR"
    return 400, _error(number, kind, {"name": cause, "info": info}, code, message, data)


def _error(
    number: Any, name: str, cause: dict[str, Any], code: int, message: str, data: str
) -> dict[str, Any]:
    error = {"name": name, "cause": cause, "code": code, "message": message, "data": data}
    return {"jsonrpc": "2.0", "error": error, "id": number}
