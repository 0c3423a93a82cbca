"""Calls to Consul: each ends before its deadline, and whatever goes wrong is a CallError of its kind."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from hafailover.core.beat import Beat, Phase
from hafailover.lock.client import OVERRIDING, Address
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.errors import CallError, Kind
from hafailover.lock.token import Token
from hafailover.timing import PROFILES, with_changes

from . import fake_consul as fakes
from .fake_consul import SESSION, TOKEN, Behaviour, answer, failure, fake, full_listener
from .pools import claim

DEADLINE_S = 0.6
QUICK = with_changes(PROFILES["default"], {"call_deadline_s": DEADLINE_S})
SLACK_S = 0.5
BEAT = Beat(7, 1, "a", Phase.ACTIVE, 8.5)


def lease(port: int, scheme: str = "http") -> ConsulLease:
    return ConsulLease(Address(port=port, token=TOKEN, scheme=scheme), "pool.near", "a", QUICK, "host1")


CALLS: dict[str, Callable[[ConsulLease], object]] = {
    "open_session": lambda store: store.open_session(),
    "renew": lambda store: store.renew(SESSION),
    "feed": lambda store: store.feed(),
    "destroy": lambda store: store.destroy(SESSION),
    "acquire": lambda store: store.acquire(SESSION),
    "beat": lambda store: store.beat(SESSION, BEAT),
    "release": lambda store: store.release(SESSION, BEAT),
    "record_dropped": lambda store: store.record_dropped(claim(7)),
    "forget_dropped": lambda store: store.forget_dropped(7),
}


class TestDeadlines:
    @pytest.mark.parametrize("name", sorted(CALLS))
    @pytest.mark.parametrize(
        "behaviour",
        [fakes.never, fakes.stalls, fakes.drips_body, fakes.endless],
        ids=lambda behaviour: behaviour.__name__,
    )
    def test_every_call_ends_in_time_whatever_the_server_does(self, name: str, behaviour: Behaviour) -> None:
        with fake(behaviour) as server:
            store = lease(server.port)
            began = time.monotonic()
            error = failure(lambda: CALLS[name](store))
            took = time.monotonic() - began
        assert took < DEADLINE_S + SLACK_S
        assert error.kind in (Kind.UNREACHABLE, Kind.GARBAGE)

    def test_a_head_that_drips(self) -> None:
        with fake(fakes.drips_head) as server:
            began = time.monotonic()
            failure(lambda: lease(server.port).beat(SESSION, BEAT))
            assert time.monotonic() - began < DEADLINE_S + SLACK_S

    def test_a_connection_that_is_never_accepted(self) -> None:
        with full_listener() as port:
            began = time.monotonic()
            error = failure(lambda: lease(port).feed())
            assert time.monotonic() - began < DEADLINE_S + SLACK_S
            assert error.kind is Kind.UNREACHABLE

    @pytest.mark.parametrize("behaviour", [fakes.never, fakes.drips_body], ids=["never", "drips_body"])
    def test_a_blocking_look_ends_too(self, behaviour: Behaviour) -> None:
        with fake(behaviour) as server:
            watch = ConsulWatch(Address(port=server.port, token=TOKEN), "pool.near", 0.5)
            began = time.monotonic()
            error = failure(lambda: watch.lock(3, 0.5))
            took = time.monotonic() - began
        assert took < 0.5 * 17 / 16 + 2.0 + SLACK_S
        assert error.kind is Kind.UNREACHABLE

    def test_an_answer_in_time_is_taken(self) -> None:
        with fake(answer(b"true")) as server:
            lease(server.port).record_dropped(claim(7))


class TestUnreachable:
    def test_refused(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        error = failure(lambda: lease(port).feed())
        assert error.kind is Kind.UNREACHABLE
        assert str(error) == "registering the agent's check: no connection to Consul"

    @pytest.mark.parametrize(
        "behaviour", [fakes.slams, fakes.cut_off], ids=lambda behaviour: behaviour.__name__
    )
    def test_a_connection_that_breaks(self, behaviour: Behaviour) -> None:
        with fake(behaviour) as server:
            error = failure(lambda: lease(server.port).renew(SESSION))
        assert error.kind in (Kind.UNREACHABLE, Kind.GARBAGE)

    def test_a_name_that_does_not_exist(self) -> None:
        store = ConsulLease(Address(host="no-such-host.invalid"), "pool.near", "a", QUICK)
        assert failure(store.feed).kind is Kind.UNREACHABLE

    def test_tls_that_is_none(self) -> None:
        with fake(answer(b"true"), reads=False) as server:
            error = failure(lambda: lease(server.port, scheme="https").feed())
        assert error.kind is Kind.UNREACHABLE
        assert "consul.ca_file" in str(error)


KV = {"Key": "hafailover/pool.near/lock", "Session": SESSION, "ModifyIndex": 7}
NONSENSE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"true",
    b"false",
    b"42",
    b'"text"',
    b"<html>a proxy's page</html>",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"9" * 10_000,
    b'{"Results":null}',
    b'{"Results":[]}',
    b'{"Results":[null]}',
    b'{"Results":[{"KV":null}]}',
    b'{"Results":[{"KV":[1]}]}',
    b'{"Results":{"KV":{}}}',
    json.dumps({"Results": [{"KV": {**KV, "Session": "another"}}]}).encode(),
    json.dumps({"Results": [{"KV": {"Key": KV["Key"], "Session": SESSION}}]}).encode(),
    json.dumps({"Results": [{"KV": {**KV, "ModifyIndex": "many"}}]}).encode(),
    json.dumps({"Results": [{"KV": {**KV, "ModifyIndex": None}}]}).encode(),
    json.dumps(
        {"Results": [{"KV": KV}, {"KV": {"Key": "hafailover/pool.near/heartbeat", "Value": "%%%"}}]}
    ).encode(),
    json.dumps(
        {"Results": [{"KV": KV}, {"KV": {**KV, "Key": "hafailover/pool.near/heartbeat", "Value": "===="}}]}
    ).encode(),
    json.dumps({"Results": [{"KV": KV}, {"KV": {"Key": 5}}]}).encode(),
    json.dumps([{"Key": KV["Key"]}]).encode(),
    json.dumps([{"Key": KV["Key"], "Value": "%%%", "ModifyIndex": 7}]).encode(),
    json.dumps([{"Value": 5, "ModifyIndex": []}]).encode(),
    json.dumps([7, None]).encode(),
]


class TestGarbage:
    """A call may succeed or fail as one of the kinds; any other error would end the agent's thread."""

    @pytest.mark.parametrize("body", NONSENSE, ids=lambda body: body[:40].decode("ascii", "replace"))
    def test_nonsense_is_never_a_proof_and_never_another_error(self, body: bytes) -> None:
        kinds = {}
        with fake(answer(body)) as server:
            for name, call in CALLS.items():
                try:
                    call(lease(server.port))
                except CallError as error:
                    kinds[name] = error.kind
        if "acquire" not in kinds:
            assert isinstance(json.loads(body)["Results"][0]["KV"]["ModifyIndex"], int)
        for proof in {"beat", "release"} - kinds.keys():
            assert b"heartbeat" in body, f"{proof} was taken for good"
        assert Kind.REFUSED not in kinds.values()
        assert Kind.SESSION_GONE not in kinds.values()

    @pytest.mark.parametrize("body", NONSENSE, ids=lambda body: body[:40].decode("ascii", "replace"))
    def test_nor_in_a_watch(self, body: bytes) -> None:
        with fake(answer(body)) as server:
            watch = ConsulWatch(Address(port=server.port), "pool.near", 0.2)
            for look in (watch.lock, watch.heartbeat, watch.dropped):
                try:
                    look(3, 0.2)
                except CallError as error:
                    assert error.kind in (Kind.GARBAGE, Kind.SERVER)

    @pytest.mark.parametrize("headers", ["X-Consul-Index: many\r\n", "X-Consul-Index: -5\r\n"])
    def test_an_index_that_is_none(self, headers: str) -> None:
        def behave(connection: socket.socket, _: bytes) -> None:
            connection.sendall(
                f"HTTP/1.1 200 OK\r\n{headers}Content-Length: 2\r\nConnection: close\r\n\r\n[]".encode()
            )

        with fake(behave) as server:
            watch = ConsulWatch(Address(port=server.port), "pool.near", 0.2)
            try:
                at, _ = watch.lock(3, 0.2)
            except CallError as error:
                assert error.kind is Kind.GARBAGE
            else:
                assert at <= 3

    def test_a_redirect_is_not_followed(self) -> None:
        with fake(answer(b"true")) as target:
            there = f"Location: http://127.0.0.1:{target.port}/\r\n"
            with fake(answer(b"", "307 Temporary Redirect", there)) as server:
                failure(lambda: lease(server.port).feed())
            assert target.requests == []


def confirmed(*indexes: int) -> Behaviour:
    """Answers one transaction after another: the lock is ours, and the beat was written at this index."""
    left = list(indexes)

    def behave(connection: socket.socket, head: bytes) -> None:
        entries = [KV, {**KV, "Key": "hafailover/pool.near/heartbeat", "ModifyIndex": left.pop(0)}]
        answer(json.dumps({"Results": [{"KV": entry} for entry in entries]}).encode())(connection, head)

    return behave


class TestAnswersOfBefore:
    """The answer to one beat is none to the next, however it comes to be read for it."""

    def test_each_beat_is_newer_than_the_one_before(self) -> None:
        with fake(confirmed(9, 12, 14)) as server:
            store = lease(server.port)
            for _ in range(2):
                store.beat(SESSION, BEAT)
            store.release(SESSION, BEAT)

    @pytest.mark.parametrize("again", [12, 9])
    def test_one_that_is_not_confirms_nothing(self, again: int) -> None:
        with fake(confirmed(9, 12, again, again)) as server:
            store = lease(server.port)
            for _ in range(2):
                store.beat(SESSION, BEAT)
            for call in (store.beat, store.release):
                assert failure(partial(call, SESSION, BEAT)).kind is Kind.GARBAGE

    @pytest.mark.parametrize("index", [5, 7])
    def test_nor_does_one_from_before_the_term(self, index: int) -> None:
        with fake(confirmed(index)) as server:
            assert failure(lambda: lease(server.port).beat(SESSION, BEAT)).kind is Kind.GARBAGE


class TestStatuses:
    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            ("500 Internal Server Error", b"No cluster leader", Kind.SERVER),
            ("500 Internal Server Error", b"rpc error making call: EOF", Kind.SERVER),
            ("502 Bad Gateway", b"<html>", Kind.SERVER),
            ("429 Too Many Requests", b"", Kind.SERVER),
            ("413 Request Entity Too Large", b"", Kind.SERVER),
            ("403 Forbidden", b"Permission denied", Kind.DENIED),
            ("403 Forbidden", b"ACL not found", Kind.DENIED),
            ("401 Unauthorized", b"ACL support disabled", Kind.DENIED),
            ("409 Conflict", b"nonsense", Kind.SERVER),
            ("409 Conflict", b'{"Errors":null}', Kind.SERVER),
            ("409 Conflict", b'{"Errors":[]}', Kind.SERVER),
            ("409 Conflict", b'{"Errors":[5]}', Kind.SERVER),
            ("409 Conflict", b'{"Errors":[{"OpIndex":2,"What":"disk full"}]}', Kind.SERVER),
            (
                "409 Conflict",
                b'{"Errors":[{"OpIndex":0,"What":"failed to check session"}],"Results":null}',
                Kind.REFUSED,
            ),
            (
                "409 Conflict",
                b'{"Errors":[{"OpIndex":0,"What":"invalid session \\"x\\""}]}',
                Kind.SESSION_GONE,
            ),
            ("409 Conflict", b'{"Errors":[{"OpIndex":0,"What":"Permission denied"}]}', Kind.DENIED),
        ],
    )
    def test_of_a_beat(self, status: str, body: bytes, kind: Kind) -> None:
        with fake(answer(body, status)) as server:
            assert failure(lambda: lease(server.port).beat(SESSION, BEAT)).kind is kind

    def test_only_a_404_of_a_renewal_means_that_the_session_is_gone(self) -> None:
        with fake(answer(b"Session id not found", "404 Not Found")) as server:
            assert failure(lambda: lease(server.port).renew(SESSION)).kind is Kind.SESSION_GONE
            for name in ("open_session", "beat", "acquire", "release", "record_dropped", "feed"):
                kind = failure(partial(CALLS[name], lease(server.port))).kind
                assert kind not in (Kind.REFUSED, Kind.SESSION_GONE), name

    def test_session_ids_stay_out_of_the_text(self) -> None:
        body = f'rpc error: failed session check: "{SESSION}"'.encode()
        with fake(answer(body, "500 Internal Server Error")) as server:
            assert SESSION not in str(failure(lambda: lease(server.port).beat(SESSION, BEAT)))


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def restored(self) -> Iterator[None]:
        before = {name: os.environ.get(name) for name in OVERRIDING}
        yield
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def test_consuls_own_variables_have_no_say(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with fake(answer(b"true")) as other, fake(answer(b"true")) as server:
            monkeypatch.setenv("CONSUL_HTTP_ADDR", f"127.0.0.1:{other.port}")
            monkeypatch.setenv("CONSUL_HTTP_TOKEN", "another-token")
            monkeypatch.setenv("CONSUL_HTTP_SSL", "true")
            monkeypatch.setenv("CONSUL_HTTP_SSL_VERIFY", "false")
            lease(server.port).record_dropped(claim(7))
            assert other.requests == []
            head = server.requests[0].decode().lower()
        assert f"x-consul-token: {TOKEN}" in head
        assert "another-token" not in head

    def test_proxies_have_none_either(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with fake(answer(b"true")) as proxy, fake(answer(b"true")) as server:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            lease(server.port).record_dropped(claim(7))
            assert proxy.requests == []
            assert len(server.requests) == 1


def test_the_token_is_never_shown() -> None:
    address = Address(token=TOKEN)
    assert TOKEN not in f"{address} {address!r} {[address]}"


class TestToken:
    """A token that is denied: what the file holds by now is tried at once."""

    OLD, NEW = "0ac5cf1b-0000-4000-8000-00000000001d", "0ac5cf1b-0000-4000-8000-00000000002d"

    def knows(self, token: str, body: bytes = b"ACL not found", status: str = "403 Forbidden") -> Behaviour:
        def behave(connection: socket.socket, head: bytes) -> None:
            good = f"x-consul-token: {token}\r\n".encode() in head.lower()
            answer(b"true" if good else body, "200 OK" if good else status)(connection, head)

        return behave

    def lease(self, port: int, file: str) -> ConsulLease:
        token = Token(self.OLD, lambda: file, "consul.token_file /a/file")
        return ConsulLease(Address(port=port, token=token), "pool.near", "a", QUICK, "host1")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"ACL not found", "403 Forbidden"),
            (b"Permission denied", "403 Forbidden"),
            (b'{"Results":null,"Errors":[{"OpIndex":0,"What":"Permission denied"}]}', "409 Conflict"),
        ],
    )
    def test_the_files_new_one_is_tried_at_once(self, body: bytes, status: str) -> None:
        with fake(self.knows(self.NEW, body, status)) as server:
            self.lease(server.port, self.NEW).record_dropped(claim(7))
            assert len(server.requests) == 2

    def test_the_same_one_is_not_tried_again_and_the_file_is_named(self) -> None:
        with fake(self.knows(self.NEW)) as server:
            error = failure(lambda: self.lease(server.port, self.OLD).record_dropped(claim(7)))
            assert len(server.requests) == 1
        assert error.kind is Kind.DENIED
        assert "Consul does not know the token; consul.token_file /a/file holds no other one" in str(error)
        assert "rule" not in str(error)
        assert self.OLD not in str(error)

    def test_a_right_that_is_missing_is_still_named(self) -> None:
        with fake(self.knows(self.NEW, b"Permission denied")) as server:
            error = failure(lambda: self.lease(server.port, self.OLD).record_dropped(claim(7)))
        rule = 'key_prefix "hafailover/pool.near/" { policy = "write" }'
        assert str(error).endswith(f"its token needs the rule: {rule}")


class TestLimits:
    """Consul bears 200 connections of one address; over that it says 429, or closes without a word."""

    def test_a_connection_that_is_closed_at_once(self) -> None:
        with fake(fakes.slams) as server:
            error = failure(lambda: lease(server.port).renew(SESSION))
        assert error.kind is Kind.UNREACHABLE
        assert "limits.http_max_conns_per_client" in str(error)

    def test_an_answer_of_429(self) -> None:
        text = b"Your IP is issuing too many concurrent connections, please rate limit your calls\n"
        with fake(answer(text, "429 Too Many Requests")) as server:
            error = failure(lambda: lease(server.port).renew(SESSION))
        assert error.kind is Kind.SERVER
        assert "limits.http_max_conns_per_client" in str(error)
        assert "too many concurrent connections" in str(error)
