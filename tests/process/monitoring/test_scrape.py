"""A real Prometheus with the rules, a real agent, a real Consul: what they export is what the rules read."""

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hafailover.monitoring
from hafailover.lab import ConsulCluster
from hafailover.lab.host import FailoverHost
from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess
from hafailover.lab.waiting import wait_until
from hafailover.localnet.create import init_localnet

RULES = Path(hafailover.monitoring.__file__).parent / "alerts.yml"
HOST = "host1"


class Prometheus:
    """A Prometheus on loopback that scrapes one host's agent and Consul every second."""

    def __init__(self, promtool: Path, folder: Path, targets: dict[str, str]) -> None:
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [target], "labels": {"instance": HOST}}]}
            | (
                {"metrics_path": "/v1/agent/metrics", "params": {"format": ["prometheus"]}}
                if job == "consul"
                else {}
            )
            for job, target in targets.items()
        ]
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": jobs,
        }
        folder.mkdir()
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(settings))
        self._url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self.process = ManagedProcess.start(
            "prometheus",
            [
                promtool.with_name("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self._url.removeprefix('http://')}",
            ],
            log_path=folder / "prometheus.log",
        )

    def ask(self, path: str, **arguments: str) -> Any:
        query = urllib.parse.urlencode(arguments)
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}", timeout=5) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> float | None:
        """The one value of an expression, or ``None`` while there is none."""
        try:
            found = self.ask("query", query=expression)["result"]
        except OSError:
            return None
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def firing(self) -> set[str]:
        result = self.ask("query", query='ALERTS{alertstate="firing"}')["result"]
        return {one["metric"]["alertname"] for one in result}


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
        "hafailover": f"127.0.0.1:{host.metrics_port}",
        "consul": f"127.0.0.1:{host.consul.http_port}",
    }
    prometheus = Prometheus(promtool, tmp_path_factory.mktemp("p") / "prometheus", targets)
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
