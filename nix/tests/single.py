"""One host with a Consul server of its own: the first example of the README."""

start_all()
pool = Pool("single", chain, [host1])
pool.set_up()

with subtest("the host signs, and status says that nobody could take over"):
    host1.wait_until_succeeds(f"{STATUS} | jq -e '.active == \"host1\"'", timeout=60)
    code, text = host1.execute("hafailover status")
    assert code == 1, f"exit code {code}, not 1: {text}"
    host1.succeed("curl -sf -m 5 http://127.0.0.1:2233/readyz")

with subtest("the agent is restarted, neard is not"):
    guard, neard = main_pid(host1, "neard"), neard_pid(host1)
    pool.no_failover("agent-restarted", lambda host: host.succeed("systemctl restart hafailover.service"))
    assert (guard, neard) == (main_pid(host1, "neard"), neard_pid(host1)), "neard was restarted, too"

with subtest("the agent is reloaded, nothing is restarted"):
    agent = main_pid(host1, "hafailover")
    pool.no_failover("agent-reloaded", lambda host: host.succeed("systemctl reload hafailover.service"), 3)
    assert agent == main_pid(host1, "hafailover"), "the agent was restarted"

with subtest("neard is stopped and started"):
    host1.succeed("systemctl stop neard.service", timeout=60)
    assert not pool.has_key(host1)
    host1.succeed("test ! -e /var/lib/neard/validator_key.json")
    began = pool.now()
    host1.succeed("systemctl start neard.service", timeout=60)
    pool.active(60)
    pool.say("neard-started", pool.first_key_after(host1, began) - began)

with subtest("the machine loses its power"):
    pool.check()
    host1.crash()
    host1.start()
    host1.wait_for_unit("neard.service", timeout=START_S)
    pool.active(90)
    host1.wait_until_succeeds(f"{STATUS} | jq -e '.active == \"host1\"'", timeout=60)

pool.check()
