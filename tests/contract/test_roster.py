"""What the hosts of a pool tell each other beside the lease, on a real Consul."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from typing import Any

import pytest

from hafailover.core.views import Request
from hafailover.lab import ConsulCluster, LabError
from hafailover.lab.waiting import wait_until
from hafailover.lock.client import Address
from hafailover.lock.commits import Committing
from hafailover.lock.consul import ConsulLease, ConsulWatch
from hafailover.lock.errors import CallError
from hafailover.lock.roster import RequestWatch, Roster, whom_to_stop_in
from hafailover.observe.look import Look
from hafailover.timing import PROFILES

from .pools import claim, eventually

pytestmark = pytest.mark.consul


class Pool:
    def __init__(self, port: int) -> None:
        self.account = f"pool-{uuid.uuid4().hex[:12]}.near"
        self.address = Address(port=port)
        self.roster = Roster(self.address, self.account, 2.0)

    def lease(self, node: str) -> ConsulLease:
        return ConsulLease(self.address, self.account, node, PROFILES["default"])

    def wishes(self) -> RequestWatch:
        return RequestWatch(self.address, self.account, 2.0)

    def members(self) -> dict[str, tuple[bool, dict[str, Any]]]:
        return {
            entry.node: (entry.session is not None, entry.data) for entry in self.roster.entries(stale=False)
        }


@pytest.fixture
def pool(consul_single: ConsulCluster) -> Pool:
    return Pool(consul_single.server(0).http_port)


class TestRecords:
    def test_a_host_publishes_and_all_can_read_it(self, pool: Pool) -> None:
        a, b = pool.lease("a").open_session(), pool.lease("b").open_session()
        assert pool.roster.publish("b", b, {"role": "standby"})
        assert pool.roster.publish("a", a, {"role": "active", "height": 7})
        assert pool.roster.publish("a", a, {"role": "active", "height": 8})
        assert pool.members() == {
            "a": (True, {"role": "active", "height": 8}),
            "b": (True, {"role": "standby"}),
        }
        assert [entry.node for entry in pool.roster.entries(stale=False)] == ["a", "b"]
        assert eventually(lambda: len(pool.roster.entries()) == 2)

    def test_a_name_that_another_session_holds_is_refused(self, pool: Pool) -> None:
        first, second = pool.lease("a").open_session(), pool.lease("a").open_session()
        assert pool.roster.publish("a", first, {"who": "first"})
        assert not pool.roster.publish("a", second, {"who": "second"})
        assert pool.members() == {"a": (True, {"who": "first"})}

    def test_it_is_free_again_when_that_session_ends(self, pool: Pool) -> None:
        store = pool.lease("a")
        first, second = store.open_session(), store.open_session()
        pool.roster.publish("a", first, {"who": "first"})
        store.destroy(first)
        assert pool.members() == {"a": (False, {"who": "first"})}, "the record stays, its owner is gone"
        assert pool.roster.publish("a", second, {"who": "second"})
        assert pool.members() == {"a": (True, {"who": "second"})}

    def test_a_record_that_is_written_again_has_another_index(self, pool: Pool) -> None:
        """By that an agent that waits for a name knows that its owner lives."""
        session = pool.lease("a").open_session()
        pool.roster.publish("a", session, {"height": 1})
        first = pool.roster.entry("a")
        pool.roster.publish("a", session, {"height": 2})
        second = pool.roster.entry("a")
        assert first is not None
        assert second is not None
        assert second.index > first.index
        assert second.session == session

    def test_there_may_be_none(self, pool: Pool) -> None:
        assert pool.roster.entry("nobody") is None
        assert pool.roster.entries() == []
        assert pool.roster.history() == []
        assert pool.roster.pool_public_key() is None
        assert pool.roster.answer_to("r1") is None


class TestKeyAndHistory:
    def test_the_first_public_key_stays(self, pool: Pool) -> None:
        pool.roster.record_public_key("ed25519:first")
        pool.roster.record_public_key("ed25519:second")
        assert pool.roster.pool_public_key() == "ed25519:first"

    def test_history_is_in_order_and_never_changes(self, pool: Pool) -> None:
        for name in ("9", "10", "2"):
            pool.roster.append_history(name, {"name": name})
        pool.roster.append_history("9", {"name": "another"})
        assert [entry["name"] for entry in pool.roster.history()] == ["9", "10", "2"]


class TestWishes:
    WISH = Request("r1", "b", 10)

    def test_a_wish_wakes_whoever_watches(self, pool: Pool) -> None:
        pool.roster.lay_out()
        watch = pool.wishes()
        at, wish = watch.request(None, 0.0)
        assert wish is None
        seen: list[Request | None] = []
        watcher = threading.Thread(target=lambda: seen.append(watch.request(at, 2.0)[1]))
        watcher.start()
        time.sleep(0.1)
        session = pool.roster.open_wish_session()
        assert pool.roster.ask(session, self.WISH)
        watcher.join(10)
        assert seen == [self.WISH]

    def test_its_asker_changes_a_wish_in_place(self, pool: Pool) -> None:
        """Whoever prepared for it need not do so again, and at no time is there none."""
        pool.roster.lay_out()
        watch, session = pool.wishes(), pool.roster.open_wish_session()
        assert pool.roster.ask(session, Request("r1", "b", 10, from_height=120))
        assert eventually(lambda: watch.request(None, 0.0)[1] is not None)
        at, _ = watch.request(None, 0.0)
        assert pool.roster.ask(session, Request("r1", "b", 10, from_height=125))
        assert watch.request(at, 2.0)[1] == Request("r1", "b", 10, from_height=125)
        assert not pool.roster.ask(pool.roster.open_wish_session(), Request("r2", "c", 10))
        pool.roster.close_session(session)
        assert eventually(lambda: watch.request(None, 0.0)[1] is None)
        with pytest.raises(CallError):
            pool.roster.ask(session, Request("r1", "b", 10, from_height=130))

    def test_of_two_wishes_at_once_the_second_is_refused(self, pool: Pool) -> None:
        first, second = pool.roster.open_wish_session(), pool.roster.open_wish_session()
        assert pool.roster.ask(first, self.WISH)
        assert not pool.roster.ask(second, Request("r2", "c", 10))
        assert eventually(lambda: pool.wishes().request(None, 0.0)[1] == self.WISH)

    def test_a_wish_ends_with_the_session_of_its_asker(self, pool: Pool) -> None:
        session = pool.roster.open_wish_session()
        pool.roster.ask(session, self.WISH)
        pool.roster.close_session(session)
        assert eventually(lambda: pool.wishes().request(None, 0.0)[1] is None)
        another = pool.roster.open_wish_session()
        assert pool.roster.ask(another, Request("r2", "c", 11))

    def test_answers_are_for_their_own_wish(self, pool: Pool) -> None:
        pool.roster.answer("r1", True, "handing over to b")
        assert pool.roster.answer_to("r1") == (True, "handing over to b")
        assert pool.roster.answer_to("r2") is None
        pool.roster.answer("r2", False, "b is syncing")
        assert pool.roster.answer_to("r1") is None
        assert pool.roster.answer_to("r2") == (False, "b is syncing")

    def test_laying_the_keys_out_again_changes_nothing(self, pool: Pool) -> None:
        session = pool.roster.open_wish_session()
        pool.roster.lay_out()
        pool.roster.ask(session, self.WISH)
        pool.lease("a").record_dropped(claim(7))
        pool.roster.lay_out()
        watch = ConsulWatch(pool.address, pool.account, 1.0)
        assert eventually(lambda: pool.wishes().request(None, 0.0)[1] == self.WISH)
        assert eventually(lambda: watch.dropped(None, 0.0)[1] == {claim(7)})


class TestOtherPeoplesKeys:
    """Somebody who may write to Consul writes what no agent would."""

    def put(self, consul: ConsulCluster, key: str, value: str) -> None:
        # As a transaction: a path is filtered by Consul, and what stands in one of these is not.
        operation = {"Verb": "set", "Key": key, "Value": base64.b64encode(value.encode()).decode()}
        consul.server(0).request("PUT", "/v1/txn", json=[{"KV": operation}])

    def test_a_key_that_no_host_can_have_is_no_host(self, pool: Pool, consul_single: ConsulCluster) -> None:
        session = pool.lease("a").open_session()
        pool.roster.publish("a", session, {"role": "standby"})
        prefix = f"hafailover/{pool.account}/"
        for name in ("nodes/-z", "nodes/z\x1b[2J", "heartbeat-x/1", "dropped/" + "7" * 500):
            self.put(consul_single, prefix + name, "junk")
        assert set(pool.members()) == {"a"}
        view = Look(pool.address, pool.account).take()
        assert [host.node for host in view.hosts] == ["a"]
        assert view.junk is not None
        assert view.junk.startswith("4 keys of the pool in Consul, left out as no record: ")
        assert view.junk.isprintable()

    def test_what_is_too_much_for_one_answer_is_named(self, pool: Pool, consul_single: ConsulCluster) -> None:
        for number in range(20):
            self.put(consul_single, f"hafailover/{pool.account}/nodes/zz{number}", "x" * 360_000)
        with pytest.raises(CallError, match=f"/v1/kv/hafailover/{pool.account}/nodes/ has more than 8 MiB"):
            pool.roster.entries()


def applied(consul: ConsulCluster) -> int:
    """The index of the last entry of Raft's log that the server has carried out."""
    return int(consul.server(0).request("GET", "/v1/agent/self")["Stats"]["raft"]["applied_index"])


class TestCommitting:
    def test_a_write_that_changes_nothing_is_carried_out(
        self, pool: Pool, consul_single: ConsulCluster
    ) -> None:
        before = applied(consul_single)
        for _ in range(3):
            Committing(pool.address, pool.account, "a", 2.0).prove()
        # Consul answers a moment before it counts.
        wait_until(lambda: applied(consul_single) >= before + 3, timeout_s=2, what="each goes through Raft")
        assert Look(pool.address, pool.account).take().hosts == ()
        with pytest.raises(LabError, match="404"):
            consul_single.server(0).request("GET", f"/v1/kv/hafailover/{pool.account}/?recurse=true")

    def test_the_leader_is_named_with_its_host(self, pool: Pool, consul_single: ConsulCluster) -> None:
        session = pool.lease("host1").open_session()
        pool.roster.publish("host1", session, {})
        said = whom_to_stop_in(pool.address, pool.account)
        assert f"stop Consul on host1 ({consul_single.server(0).rpc_address}): systemctl stop consul" in said
