"""All of Consul's servers lose their data while the pool runs: its index begins anew, and the pool follows.

Nobody restarts anything but Consul.
"""

import shutil

import pytest

from hafailover.clock import boottime
from hafailover.lab.guardlog import gone_at, loaded_at
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.lock.keys import PoolKeys

from .test_commands import command
from .waiting import role, standbys

pytestmark = [pytest.mark.consul, pytest.mark.timeout(300)]


def lose_everything(pool: LabPool) -> None:
    for host in pool.hosts:
        host.consul.kill()
    for host in pool.hosts:
        shutil.rmtree(host.consul.folder / "data")
        host.consul.start()


def term(pool: LabPool) -> int:
    found = pool.look().term
    assert found is not None
    return found


def test_the_pool_signs_again_by_itself_and_a_handover_costs_nothing(pool: LabPool) -> None:
    active = pool.wait_settled()
    server, keys = pool.consul.server(0), PoolKeys(pool.account_id)
    # So that the new cluster's index stays below every term that any of the hosts remembers.
    for number in range(400):
        server.request("PUT", f"/v1/kv/filler/{number % 10}", json=number)
    command(pool.host(active), "switchover", "--at-once", "--to", standbys(pool, active)[0].name)
    active = pool.wait_settled()
    before = term(pool)
    history = server.request("GET", f"/v1/kv/{keys.history_id}")[0]["Value"]
    agents = {host.name: host.running_agent().pid for host in pool.hosts}
    at = boottime()

    lose_everything(pool)

    # Its own servers need some seconds to find each other; then the longest wait, 15.65 s, is waited.
    wait_until(lambda: role(pool, active) != "active", timeout_s=20, what="the loss")
    after = pool.wait_settled(90)
    loaded = loaded_at(pool.host(after).guard_log, at)
    assert loaded is not None
    assert loaded - at < 60.0
    assert term(pool) < before, "the terms began anew"
    assert server.request("GET", f"/v1/kv/{keys.history_id}")[0]["Value"] != history
    assert {host.name: host.running_agent().pid for host in pool.hosts} == agents

    # A planned handover in the new history, to whoever was in the old one.
    pool.wait_settled(60, steady=True)
    to = next(host for host in pool.hosts if host.name != after)
    began = boottime()
    done = command(to, "switchover", "--at-once", "--to", to.name)
    assert done.returncode == 0, done.stdout + done.stderr
    gone, loaded = gone_at(pool.host(after).guard_log, began), loaded_at(to.guard_log, began)
    assert gone is not None
    assert loaded is not None
    assert 0 < loaded - gone < 1.0
