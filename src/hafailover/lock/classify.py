"""Turns whatever a call to Consul raises into one :class:`CallError` that says what it means."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from consul import base

from hafailover.lock.client import TooBigError, UnknownTokenError
from hafailover.lock.errors import CallError, Kind, LimitError
from hafailover.lock.listener import StrangerError
from hafailover.text import one_line

T = TypeVar("T")

LOCK_OPERATIONS = (0, 1)
"""The first operations of our transactions take the lock, or check its session and index: nothing else can
make them fail."""

# Everything that python-consul2, http.client and the parsing of their answers can raise.
RAISED = (
    base.ConsulException,
    TooBigError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    http.client.HTTPException,
    StrangerError,
)

TOO_MANY = (
    "since this address has too many connections open (limits.http_max_conns_per_client in Consul's own "
    "configuration, 200 by default): end what holds them, or raise it"
)


def call(what: str, rule: str, function: Callable[[], T]) -> T:
    """Runs a call to Consul.

    :param what: what was tried, for the message: "creating the session".
    :param rule: the ACL rule that it needs, in Consul's own words.
    :raises CallError: whatever went wrong.
    """
    try:
        return function()
    except CallError:
        raise
    except RAISED as error:
        raise _classified(what, rule, error) from None


def _classified(what: str, rule: str, error: BaseException) -> CallError:
    text = str(error)
    if isinstance(error, StrangerError):
        return CallError(Kind.UNREACHABLE, f"{what}: {text}")
    if isinstance(error, UnknownTokenError):
        return CallError(Kind.DENIED, f"{what}: Consul does not know the token; {text}")
    if isinstance(error, base.ACLPermissionDenied | base.ACLDisabled):
        return denied(what, rule)
    if isinstance(error, base.ConsulException) and "ermission denied" in text:
        return denied(what, rule)
    if isinstance(error, base.NotFound):
        return CallError(Kind.SESSION_GONE, f"{what}: Consul does not know the session")
    if isinstance(error, base.ClientError) and text.startswith("429"):
        return LimitError(f"{what}: Consul answered 429, perhaps {TOO_MANY}; it said: {_short(text)}")
    if isinstance(error, base.ClientError):
        return _conflict(what, rule, text)
    if isinstance(error, base.ConsulException):
        # A status such as 206 is no word of Consul's, whatever comes with it.
        if "nvalid session" in text and text.startswith("5"):
            return CallError(Kind.SESSION_GONE, f"{what}: Consul does not know the session")
        return CallError(Kind.SERVER, f"{what}: Consul answered {_short(text)}")
    if isinstance(error, TooBigError):
        return CallError(Kind.GARBAGE, f"{what}: {error}; consul kv get -keys shows what lies there")
    if isinstance(error, ssl.SSLError):
        return CallError(
            Kind.UNREACHABLE, f"{what}: TLS with Consul failed; check consul.ca_file and consul.cert_file"
        )
    if isinstance(error, TimeoutError):
        return CallError(Kind.UNREACHABLE, f"{what}: no answer from Consul in time")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        # Somebody accepted the connection and closed it without a word, as Consul does over its limit.
        return CallError(
            Kind.UNREACHABLE, f"{what}: Consul closed the connection without an answer, perhaps {TOO_MANY}"
        )
    if isinstance(error, http.client.HTTPException | OSError):
        return CallError(Kind.UNREACHABLE, f"{what}: no connection to Consul")
    return CallError(
        Kind.GARBAGE, f"{what}: Consul gave an answer that makes no sense ({type(error).__name__})"
    )


def denied(what: str, rule: str) -> CallError:
    return CallError(Kind.DENIED, f"{what}: Consul denied it; its token needs the rule: {rule}")


def _conflict(what: str, rule: str, text: str) -> CallError:
    """A transaction that Consul rolled back; its errors say which operation failed and why."""
    errors = _txn_errors(text)
    if errors is None:
        return CallError(Kind.SERVER, f"{what}: Consul answered {_short(text)}")
    reasons = [str(entry.get("What", "")) for entry in errors]
    if any("ermission denied" in reason for reason in reasons):
        return denied(what, rule)
    if any("nvalid session" in reason for reason in reasons):
        return CallError(Kind.SESSION_GONE, f"{what}: Consul does not know the session")
    if errors and _is_lock_operation(errors[0].get("OpIndex")):
        return CallError(Kind.REFUSED, f"{what}: the lock is not held by this session")
    return CallError(Kind.SERVER, f"{what}: Consul answered {_short('; '.join(reasons))}")


def _is_lock_operation(index: Any) -> bool:
    # False and 0.0 would be equal to 0.
    return type(index) is int and index in LOCK_OPERATIONS


def _txn_errors(text: str) -> list[dict[str, Any]] | None:
    match = re.match(r"409\s*(\{.*)", text, re.DOTALL)
    if not match:
        return None
    try:
        errors = json.loads(match.group(1)).get("Errors")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(errors, list) or not all(isinstance(entry, dict) for entry in errors):
        return None
    return errors


def _short(text: str) -> str:
    """One line without session ids, which are as good as keys to the lock, or the larger part of one."""
    line = one_line(" ".join(text.split()))
    line = re.sub(r"[0-9a-fA-F-]{12,}", "...", line)
    return line if len(line) <= 200 else line[:197] + "..."
