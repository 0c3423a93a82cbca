"""Consul as a whole goes away and comes back; then its servers are restarted one after the other."""

start_all()
pool = Pool("consul-outage", chain, [host1, host2, host3])
pool.set_up()
pool.wait_safe()

with subtest("all Consul servers stop: the active gives up its key in time"):
    active = pool.active(30)
    began = pool.now()
    for host in pool.hosts:
        host.succeed("systemctl stop consul.service", timeout=60)
    stopped = pool.now()
    deadline = stopped + 15
    while pool.has_key(active):
        assert pool.now() < deadline, "the active still has the key"
    gone = pool.last_key(active)
    pool.say("key-gone-after-consul", gone - stopped)
    assert gone - stopped < 8.5, (
        f"the key was there for {gone - stopped:.1f} s after the last server had stopped"
    )

with subtest("Consul is back: one host signs again"):
    began = pool.now()
    for host in pool.hosts:
        host.succeed("systemctl start consul.service", timeout=60)
    again = pool.active(90)
    pool.say("signing-after-consul", pool.first_key_after(again, began) - began)
    pool.wait_safe()
    pool.check()

with subtest("the servers are restarted one after the other: nothing happens"):
    for host in pool.hosts:
        server = host
        pool.no_failover(
            f"{host.name}-consul-restarted", lambda _: server.succeed("systemctl restart consul"), 8
        )
        pool.wait_safe()

pool.check()
