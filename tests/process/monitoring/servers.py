"""A Prometheus, an Alertmanager and the webhook at its end, on loopback, for one test each."""

import json
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hafailover.lab.ports import free_ports
from hafailover.lab.process import ManagedProcess


class Prometheus:
    """A Prometheus on loopback that scrapes and evaluates every second.

    :param targets: by job, the address of each instance.
    :param alertmanager: the address to which alerts go, if anywhere.
    """

    def __init__(
        self,
        promtool: Path,
        folder: Path,
        targets: dict[str, dict[str, str]],
        rules: Path,
        alertmanager: str | None = None,
    ) -> None:
        jobs = [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [address], "labels": {"instance": name}}
                    for name, address in addresses.items()
                ],
            }
            | (
                {"metrics_path": "/v1/agent/metrics", "params": {"format": ["prometheus"]}}
                if job == "consul"
                else {}
            )
            for job, addresses in targets.items()
        ]
        settings: dict[str, Any] = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": jobs,
        }
        if alertmanager is not None:
            settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
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


class Webhook:
    """What a pager would be: keeps each alert that an Alertmanager posts."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []
        kept = self.alerts

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.extend(json.loads(body)["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def got(self, name: str, instance: str) -> dict[str, Any] | None:
        """The first firing alert of that name from that host, or ``None`` so far."""
        return next(
            (
                alert
                for alert in list(self.alerts)
                if alert["status"] == "firing"
                and alert["labels"]["alertname"] == name
                and alert["labels"].get("instance") == instance
            ),
            None,
        )


class Alertmanager:
    """An Alertmanager on loopback that hands every alert to a webhook within a second or two."""

    def __init__(self, binary: Path, folder: Path, webhook: Webhook) -> None:
        settings = {
            "route": {
                "receiver": "hook",
                "group_by": ["alertname", "instance"],
                "group_wait": "1s",
                "group_interval": "1s",
            },
            "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook.url}]}],
        }
        folder.mkdir()
        (folder / "alertmanager.yml").write_text(json.dumps(settings))
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.process = ManagedProcess.start(
            "alertmanager",
            [
                binary,
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
                # No gossip with other Alertmanagers, so no port that all can reach.
                "--cluster.listen-address=",
            ],
            log_path=folder / "alertmanager.log",
        )
