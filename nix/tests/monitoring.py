"""One host with `monitoring.enable`: everything is scraped, the rules work, Grafana serves the dashboard."""

PROMETHEUS = "http://127.0.0.1:9090/api/v1"
GRAFANA = "http://127.0.0.1:3000/api"
PASSWORD = "/var/lib/grafana/hafailover-admin-password"
FIRING = 'ALERTS{alertname="HafailoverAgentDown", alertstate="firing", instance="host1"}'


def value_is(expression: str, value: str) -> str:
    """A command that succeeds if the one value of the expression is this one."""
    query = f"curl -sfG -m 5 {PROMETHEUS}/query --data-urlencode 'query={expression}'"
    return f"{query} | jq -e '[.data.result[].value[1]] == [\"{value}\"]'"


def grafana(path: str, condition: str) -> str:
    """A command that succeeds if Grafana's answer to its administrator meets the condition."""
    return f'curl -sf -m 10 -u "admin:$(cat {PASSWORD})" "{GRAFANA}/{path}" | jq -e \'{condition}\''


start_all()
pool = Pool("monitoring", chain, [host1])
pool.set_up()

with subtest("agent, neard, Consul and machine are scraped under the host's name"):
    host1.wait_for_unit("prometheus.service", timeout=START_S)
    for job in ("hafailover", "neard", "consul", "node"):
        host1.wait_until_succeeds(value_is(f'up{{job="{job}", instance="host1"}}', "1"), timeout=60)

with subtest("all rules are loaded and evaluated without an error"):
    host1.wait_until_succeeds(
        f"curl -sf -m 5 {PROMETHEUS}/rules | jq -e '[.data.groups[].rules[]]"
        ' | length > 25 and all(.health == "ok")\'',
        timeout=90,
    )

with subtest("each alert names a section of a runbook that lies on the host"):
    host1.succeed(
        f"curl -sf -m 5 {PROMETHEUS}/rules | jq -e '[.data.groups[].rules[].annotations.runbook_url]"
        ' | all(startswith("/etc/hafailover/runbook.md#"))\'',
        "grep -q '^### HafailoverAgentDown$' /etc/hafailover/runbook.md",
    )

with subtest("Prometheus knows what agent, neard, Consul and systemd say"):
    for expression in (
        'hafailover_state{hafailover_state="active"} * on (job, instance) group_left (account_id)'
        f' hafailover_info{{account_id="{POOL}"}}',
        "near_is_validator",
        "consul_autopilot_healthy",
        'node_systemd_unit_state{name="neard.service", state="active"}',
    ):
        host1.wait_until_succeeds(value_is(expression, "1"), timeout=60)

with subtest("an alert fires when the agent is gone, and ends when it is back"):
    host1.succeed("systemctl stop hafailover.service", timeout=60)
    host1.wait_until_succeeds(value_is(FIRING, "1"), timeout=120)
    host1.succeed("systemctl start hafailover.service", timeout=60)
    host1.wait_until_succeeds(
        f"curl -sfG -m 5 {PROMETHEUS}/query --data-urlencode 'query={FIRING}' | jq -e '.data.result == []'",
        timeout=60,
    )

with subtest("Grafana serves the dashboard to its administrator, and draws from this Prometheus"):
    host1.wait_for_unit("grafana.service", timeout=START_S)
    host1.wait_until_succeeds(
        grafana(
            "dashboards/uid/hafailover",
            '.dashboard.title == "hafailover" and (.dashboard.panels | length > 20)',
        ),
        timeout=90,
    )
    host1.succeed(
        grafana(
            "datasources/proxy/uid/hafailover/api/v1/query?query=hafailover_info",
            ".data.result | length == 1",
        )
    )

with subtest("nobody gets in by a password that everybody knows"):
    host1.fail(f"curl -sf -m 10 -u admin:admin {GRAFANA}/dashboards/uid/hafailover")
    host1.fail(f"curl -sf -m 10 {GRAFANA}/dashboards/uid/hafailover")
    for name in ("admin-password", "secret-key"):
        mode = host1.succeed(f"stat -c '%U %a' /var/lib/grafana/hafailover-{name}").strip()
        assert mode == "grafana 600", f"hafailover-{name}: {mode}"

with subtest("all of it listens on loopback alone"):
    for port in (3000, 9090, 9100):
        listeners = host1.succeed(f"ss -Hltn 'sport = :{port}' | awk '{{print $4}}'").split()
        assert listeners == [f"127.0.0.1:{port}"], f"{port}: {listeners}"

pool.check()
