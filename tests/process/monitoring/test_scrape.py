"""A real Prometheus with the rules, a real agent, a real Consul: what they export is what the rules read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hafailover.monitoring
from hafailover.lab import ConsulCluster
from hafailover.lab.host import FailoverHost
from hafailover.lab.waiting import wait_until
from hafailover.localnet.create import init_localnet

from .servers import Prometheus

RULES = Path(hafailover.monitoring.__file__).parent / "alerts.yml"
HOST = "host1"


@pytest.fixture(scope="module")
def host(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FailoverHost]:
    """A host whose agent and Consul run; its guard, and so its neard, does not."""
    folder = tmp_path_factory.mktemp("m")
    localnet = init_localnet(folder / "net", validators=4, hosts=1, block_time_s=1.0)
    node = localnet.hosts[0]
    telemetry = {"telemetry": {"prometheus_retention_time": "60s", "disable_hostname": True}}
    with ConsulCluster(
        consul_binary, folder / "consul", servers=1, names=[node.name], extra_config=telemetry
    ) as consul:
        consul.start(60)
        host = FailoverHost(folder / "h", localnet, node, consul.server(0), link=False)
        host.start_agent()
        yield host
        host.stop()


@pytest.fixture(scope="module")
def prometheus(
    promtool: Path, host: FailoverHost, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    targets = {
        "hafailover": {HOST: f"127.0.0.1:{host.metrics_port}"},
        "consul": {HOST: f"127.0.0.1:{host.consul.http_port}"},
    }
    prometheus = Prometheus(promtool, tmp_path_factory.mktemp("p") / "prometheus", targets, RULES)
    yield prometheus
    prometheus.process.terminate(10)


def becomes(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, timeout_s=20, what=what, interval_s=0.5)


def test_agent_and_consul_are_scraped_and_all_rules_are_loaded(prometheus: Prometheus) -> None:
    becomes(lambda: prometheus.value("sum(up)") == 2, "both targets up")
    groups = prometheus.ask("rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert len(loaded) == RULES.read_text().count("- alert: ")
    becomes(
        lambda: all(
            rule["health"] == "ok" for group in prometheus.ask("rules")["groups"] for rule in group["rules"]
        ),
        "every rule evaluated without an error",
    )


def test_what_the_rules_join_by_is_there(prometheus: Prometheus) -> None:
    starting = 'hafailover_state{hafailover_state="starting"}'
    joined = f"{starting} * on (job, instance) group_left (account_id) hafailover_info"
    becomes(lambda: prometheus.value(joined) == 1, "a state with its pool")
    becomes(lambda: prometheus.value("hafailover_session") == 1, "a session with Consul")
    becomes(lambda: prometheus.value("consul_autopilot_healthy") == 1, "Consul's word that it is healthy")
    becomes(lambda: prometheus.value("consul_raft_state_candidate") is not None, "Consul's candidacies")


def test_a_missing_guard_is_pending_at_once(prometheus: Prometheus) -> None:
    becomes(
        lambda: (
            prometheus.value('ALERTS{alertname="HafailoverGuardNotConnected", alertstate="pending"}') == 1
        ),
        "the alert on its way",
    )
    assert prometheus.firing() == set()
