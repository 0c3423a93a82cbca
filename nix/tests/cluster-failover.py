"""Three hosts with a Consul server each: every kind of loss on the active, and a planned switchover."""


def freeze_agent(host: Machine) -> None:
    """Stops it where it is, until its watchdog has put another one in its place."""
    frozen = main_pid(host, "hafailover")
    signal_unit(host, "hafailover", "STOP")
    host.wait_until_succeeds(
        f"pid=$(systemctl show -P MainPID hafailover) && [ $pid -ne 0 ] && [ $pid -ne {frozen} ]", timeout=30
    )


start_all()
pool = Pool("cluster-failover", chain, [host1, host2, host3])
pool.set_up()
pool.wait_safe()

with subtest("the active's machine loses its power"):
    struck = pool.fault("host-crashed", lambda host: host.crash(), gone=True)
    struck.start()
    struck.wait_for_unit("neard.service", timeout=START_S)
    pool.wait_safe()
    pool.check()

with subtest("the agent is killed: it comes back in time"):
    pool.no_failover("agent-killed", lambda host: signal_unit(host, "hafailover", "KILL"))
    pool.wait_safe()

with subtest("the agent freezes: its watchdog ends it"):
    # After two seconds, and Consul's check notices after five: whether the next agent is there then depends
    # on how busy the machine is.
    pool.either_way("agent-frozen", freeze_agent)

with subtest("the guard is killed, and neard with it"):
    pool.fault("guard-killed", lambda host: signal_unit(host, "neard", "KILL"))
    pool.wait_safe()

with subtest("the guard freezes: its watchdog ends it, and neard with it"):
    pool.fault("guard-frozen", lambda host: signal_unit(host, "neard", "STOP"))
    pool.wait_safe()

with subtest("neard is killed"):
    pool.fault("neard-killed", lambda host: signal_neard(host, "KILL"))
    pool.wait_safe()

with subtest("neard freezes"):
    pool.fault("neard-frozen", lambda host: signal_neard(host, "STOP"))
    pool.wait_safe()

with subtest("a planned switchover"):
    target = pool.others(pool.active(30))[0]
    pool.fault("switchover", lambda host: host.succeed(f"hafailover switchover --at-once --to {target.name}"))
    assert pool.active(30) is target
    pool.wait_safe()

with subtest(
    "the agent is switched to another configuration, as nixos-rebuild does it; neard is not touched"
):
    active = pool.active(30)
    guard, neard = main_pid(active, "neard"), neard_pid(active)
    active.succeed(
        "mkdir -p /run/systemd/system/hafailover.service.d",
        "printf '[Service]\\nEnvironment=HAFAILOVER_PRIORITY=7\\n'"
        " > /run/systemd/system/hafailover.service.d/switch.conf",
        "systemctl daemon-reload",
    )
    pool.no_failover("agent-switched", lambda host: host.succeed("systemctl restart hafailover.service"))
    assert (guard, neard) == (main_pid(active, "neard"), neard_pid(active)), "neard was restarted, too"
    active.succeed(f"{STATUS} | jq -e '[.hosts[].priority] | contains([7])'")

with subtest("the active is shut down: neard gives up its key while the agent and Consul still live"):
    # One transaction of systemd's, in the order of the units; three jobs of their own would not be.
    struck = pool.fault("host-shut-down", lambda host: host.shutdown(), gone=True, within_s=5)
    struck.start()
    struck.wait_for_unit("neard.service", timeout=START_S)
    pool.wait_safe()

pool.check()
