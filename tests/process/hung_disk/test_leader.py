"""The disk of Consul's leader hangs, the others are well: nothing is carried out, and somebody says so.

The leader goes on with its heartbeats, so the others elect nobody else: reads are answered, writes are not.
"""

import contextlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hafailover.clock import boottime
from hafailover.core.forced import FORCE_AFTER_S
from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.signers import overlaps
from hafailover.lab.waiting import wait_until
from hafailover.lock.client import Address
from hafailover.near.rpc import NeardRpc, RpcError
from hafailover.takeover.silence import Consul, Probe

from ..pool.test_commands import command, get
from ..pool.test_takeover import force
from ..pool.waiting import logged, size
from .volume import Volume, volume_or_skip

pytestmark = [pytest.mark.consul, pytest.mark.timeout(400)]

FENCED_S = 15.0
"""After so long without a proof nobody has the key loaded: 8.5 s, and what a busy machine adds."""


@pytest.fixture
def volumes() -> Iterator[dict[str, Volume]]:
    found: dict[str, Volume] = {}
    yield found
    for volume in found.values():
        with contextlib.suppress(Exception):
            volume.close()


@pytest.fixture
def pool(consul_binary: Path, volumes: dict[str, Volume]) -> Iterator[LabPool]:
    folder = Path(tempfile.mkdtemp(prefix="hafailover-"))
    pool = LabPool(folder, consul_binary)
    try:
        for host in pool.hosts:
            image = folder / f"{host.name}.img"
            volumes[host.name] = volume_or_skip(host.consul.folder / "data", image)
        pool.start_network(lambda _: None)
        for host in pool.hosts:
            host.start()
        pool.wait_settled(90)
        yield pool
    finally:
        # Nothing that waits for a disk can be ended before the disk goes on.
        for volume in volumes.values():
            volume.thaw()
        pool.stop()
        for volume in volumes.values():
            volume.close()
        volumes.clear()
        shutil.rmtree(folder, ignore_errors=True)


def status(host: FailoverHost) -> tuple[int, str, dict[str, object]]:
    done = command(host, "status", "--json")
    view = json.loads(done.stdout) if done.stdout else {}
    return done.returncode, str(view.get("verdict", done.stderr)), view


def page_says(host: FailoverHost, text: str) -> bool:
    page = json.loads(get(host, "/api/status").text)
    verdict = page["verdict"]
    return verdict["level"] == "danger" and text in verdict["text"] and text in page["host"]["reason"]


def signers(pool: LabPool) -> list[str]:
    """Hosts whose neard has the pool's key loaded."""
    key, found = pool.localnet.pool.public_key, []
    for host in pool.hosts:
        address, _, port = host.node.rpc_addr.rpartition(":")
        with NeardRpc(address, int(port), 2.0) as rpc, contextlib.suppress(RpcError):
            if rpc.status().public_key == key:
                found.append(host.name)
    return found


def test_everybody_says_whom_to_stop_and_the_pool_signs_when_it_is_stopped(
    pool: LabPool, volumes: dict[str, Volume]
) -> None:
    active = pool.wait_settled()
    leader = pool.hosts[pool.consul.wait_leader()]
    before = {host.name: size(host.agent_log) for host in pool.hosts}
    frozen_at = boottime()
    volumes[leader.name].freeze()

    named = f"stop Consul on {leader.name} ({leader.consul.rpc_address})"
    for host in pool.hosts:
        logged(host.agent_log, named, 30, before[host.name])
    wait_until(lambda: signers(pool) == [], timeout_s=FENCED_S, what="nobody to have the key")
    assert leader.consul.known_leader() == leader.consul.rpc_address, "it is still taken for the leader"
    for host in pool.hosts:
        # Also on the one that was active, whose record says so still, and on the leader's own.
        code, verdict, view = status(host)
        assert code == 1, verdict
        assert named in verdict
        assert view["active"] is None
        wait_until(partial(page_says, host, named), timeout_s=10, what="the page to say so")
        probe = Probe(Address(port=host.consul.http_port), pool.account_id, "probe")
        assert probe.ask() is Consul.NO_COMMIT

    # Without an agent that answers, the command finds it by itself.
    other = next(host for host in pool.hosts if host is not leader and host.name != active)
    other.running_agent().freeze()
    try:
        code, verdict, _ = status(other)
    finally:
        other.running_agent().thaw()
    assert (code, named in verdict) == (1, True), verdict

    # As good as dead: whoever cannot reach that host may still have one host sign without a lease.
    time.sleep(max(0.0, frozen_at + FORCE_AFTER_S - 25 - boottime()))
    forced = force(other, pool.account_id)
    assert forced.returncode == 0, forced.stderr
    assert f"{named}: systemctl stop consul; that may be all it takes" in forced.stderr
    assert signers(pool) == [other.name]

    process = leader.consul.process
    assert process is not None
    # It does not end as long as it waits for its disk, but it says nothing more.
    process.signal(signal.SIGKILL)
    logged(other.agent_log, "Consul answers again", 30, before[other.name])
    wait_until(lambda: signers(pool) != [], timeout_s=60, what="somebody to sign again")
    wait_until(lambda: bool(status(other)[2].get("active")), timeout_s=30, what="status to name the active")

    volumes[leader.name].thaw()
    leader.consul.kill()
    leader.consul.start()
    pool.wait_settled(90)
    assert overlaps(pool.hosts, pool.localnet.pool.public_key) == []
