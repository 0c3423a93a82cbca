"""Two hosts and a witness, which survive the loss of any one machine; and what they do without two."""


def wait_for_servers() -> None:
    """Until all three servers of Consul are in order."""
    host = pool.active(60)
    host.wait_until_succeeds(
        "curl -sf -m 5 http://127.0.0.1:8500/v1/operator/autopilot/health | jq -e '.Servers | length == 3'",
        timeout=60,
    )


start_all()
pool = Pool("pair", chain, [host1, host2])
pool.set_up()
pool.wait_safe()

with subtest("the witness has a Consul server and nothing else"):
    witness.wait_for_unit("consul.service", timeout=START_S)
    wait_for_servers()
    for unit in ("hafailover", "neard"):
        host1.succeed(f"systemctl cat {unit}.service")
        witness.fail(f"systemctl cat {unit}.service")
    witness.fail("test -e /etc/hafailover/config.toml -o -e /var/lib/neard -o -e /run/neard")

with subtest("the active's machine loses its power"):
    struck = pool.fault("host-crashed", lambda host: host.crash(), gone=True)
    struck.start()
    struck.wait_for_unit("neard.service", timeout=START_S)
    pool.wait_safe()
    pool.check()

with subtest("the witness loses its power: nothing happens"):
    pool.no_failover("witness-crashed", lambda _: witness.crash())

with subtest("the other host is lost, too: the active alone is no majority and gives up its key in time"):
    active = pool.active(30)
    other = pool.others(active)[0]
    began = pool.now()
    other.block()
    active.wait_until_fails(KEY_LOADED, timeout=30)
    took = pool.last_key(active) - began
    pool.say("key-gone-without-majority", took)
    assert took < 8.5, f"{active.name} still had the key after {took:.1f} s"
    assert not pool.has_key(other), f"{other.name} signs without a majority"

with subtest("the other host is back: two of three are a majority again, and one signs"):
    began = pool.now()
    other.unblock()
    again = pool.active(60)
    pool.say("signing-with-majority", pool.first_key_after(again, began) - began)
    witness.start()
    witness.wait_for_unit("consul.service", timeout=START_S)
    pool.wait_safe()

pool.check()
