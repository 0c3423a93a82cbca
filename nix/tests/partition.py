"""Links that break: the active's, that of Consul's leader, and one that breaks in one direction."""


def leader() -> Machine:
    """The host with the leader of Consul's servers."""
    said = host1.wait_until_succeeds(
        "curl -sf -m 5 http://127.0.0.1:8500/v1/status/leader | jq -re 'select(. != \"\")'", timeout=30
    )
    address = said.strip().rpartition(":")[0]
    for host in pool.hosts:
        code, _ = host.execute(f"ip -o addr show dev eth1 to {address} | grep .")
        if code == 0:
            return host
    raise AssertionError(f"no host has the address {address}")


def deafen(host: Machine, wanted: bool) -> None:
    """What the host sends to the other hosts goes to an address that nobody has; what they send arrives."""
    for other in pool.others(host):
        address = host.succeed(f"getent ahostsv4 {other.name} | awk 'NR == 1 {{ print $1 }}'").strip()
        host.succeed(
            f"ip neigh replace {address} lladdr 02:00:00:00:00:99 nud permanent dev eth1"
            if wanted
            else f"ip neigh del {address} dev eth1"
        )


def fenced_in_time(fault: str, host: Machine, began: float) -> None:
    """The key was gone from the host as promised: 7 s to its last beat's deadline, and 1.5 s to drop."""
    took = pool.last_key(host) - began
    pool.say(f"{fault}-key-gone", took)
    assert took < 8.5, f"{host.name} still had the key {took:.1f} s after it was cut off"


start_all()
pool = Pool("partition", chain, [host1, host2, host3])
pool.set_up()
pool.wait_safe()

with subtest("the active is cut off from everybody"):
    began = pool.now()
    struck = pool.fault("active-cut-off", lambda host: host.block())
    fenced_in_time("active-cut-off", struck, began)
    struck.unblock()
    pool.wait_safe()
    pool.check()

with subtest("the host with Consul's leader is cut off while another one signs"):
    led = leader()
    if pool.active(30) is led:
        # A standby whose neard once held the key is restarted first, so it may decline for some seconds.
        led.wait_until_succeeds("hafailover switchover --at-once", timeout=60)
        pool.wait_safe()
    assert pool.active(30) is not leader(), "Consul's leader has moved"
    pool.no_failover("leader-cut-off", lambda host: led.block())
    led.unblock()
    pool.wait_safe()
    pool.check()

with subtest("the active is no longer heard, but hears"):
    began = pool.now()
    struck = pool.fault("active-not-heard", lambda host: deafen(host, True))
    fenced_in_time("active-not-heard", struck, began)
    deafen(struck, False)
    pool.wait_safe()

pool.check()
