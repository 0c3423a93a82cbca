"""From a fault to the pager: a real pool, Prometheus and Alertmanager; the active's host dies."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import hafailover.monitoring
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until

from ..pool.starting import settled_pool
from .servers import Alertmanager, Prometheus, Webhook

RULES = Path(hafailover.monitoring.__file__).parent / "alerts.yml"
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"


@pytest.fixture
def pool(consul_binary: Path) -> Iterator[LabPool]:
    with settled_pool(consul_binary) as pool:
        yield pool


def hurried(folder: Path) -> Path:
    """A copy of the rules that waits 5 s where they wait 1 min, to save time; nothing else differs."""
    copy = folder / "alerts.yml"
    text = RULES.read_text()
    assert "for: 1m\n" in text
    copy.write_text(text.replace("for: 1m\n", "for: 5s\n"))
    return copy


def test_the_death_of_the_actives_host_reaches_the_webhook(
    pool: LabPool, promtool: Path, alertmanager: Path, tmp_path: Path
) -> None:
    dead = pool.look().active
    assert dead is not None
    with ExitStack() as ends:
        webhook = Webhook()
        ends.callback(webhook.stop)
        manager = Alertmanager(alertmanager, tmp_path / "alertmanager", webhook)
        ends.callback(manager.process.terminate, 10)
        prometheus = Prometheus(
            promtool,
            tmp_path / "prometheus",
            {"hafailover": {host.name: f"127.0.0.1:{host.metrics_port}" for host in pool.hosts}},
            hurried(tmp_path),
            manager.address,
        )
        ends.callback(prometheus.process.terminate, 10)
        wait_until(
            lambda: prometheus.value('sum(count_over_time(up{job="hafailover"}[1m]) > 2) > 8') is not None,
            timeout_s=30,
            what="three scrapes of three agents",
            interval_s=0.5,
        )
        assert webhook.got("HafailoverAgentDown", dead) is None

        pool.host(dead).kill_host()
        wait_until(
            lambda: webhook.got("HafailoverAgentDown", dead) is not None,
            timeout_s=60,
            what=lambda: f"the agent's alert at the webhook, which has: {webhook.alerts}",
        )
        down = webhook.got("HafailoverAgentDown", dead)
        assert down is not None
        assert down["labels"] == {
            "alertname": "HafailoverAgentDown",
            "instance": dead,
            "job": "hafailover",
            "severity": "critical",
        }
        check_link(down["annotations"]["runbook_url"], "hafailoveragentdown")

        new: list[str] = []

        def told() -> bool:
            new[:] = [host.name for host in pool.hosts if webhook.got("HafailoverFailover", host.name)]
            return bool(new)

        wait_until(
            told,
            timeout_s=90,
            what=lambda: f"word of the failover at the webhook, which has: {webhook.alerts}",
        )
        view = pool.look()
        assert new == [view.active]
        assert new != [dead]
        failover = webhook.got("HafailoverFailover", new[0])
        assert failover is not None
        assert failover["labels"]["severity"] == "info"
        check_link(failover["annotations"]["runbook_url"], "hafailoverfailover")


def check_link(link: str, anchor: str) -> None:
    """The link that the pager shows leads to a section that exists."""
    page, _, place = link.partition("#")
    assert page == "docs/runbook.md"
    assert place == anchor
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
