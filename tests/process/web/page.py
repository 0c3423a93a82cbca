"""The status page as somebody sees it who looks at a browser."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver

from hafailover.lab.host import FailoverHost
from hafailover.lab.waiting import wait_until

WITHIN_S = 30.0


class Page:
    """One tab."""

    def __init__(self, chromium: webdriver.Chrome) -> None:
        self._chromium = chromium
        self._logs()

    def open(self, host: FailoverHost, width: int = 1280, scheme: str = "light") -> None:
        """:param scheme: what the browser says that its user prefers."""
        preference = {"name": "prefers-color-scheme", "value": scheme}
        self._chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self._chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._chromium.get(f"http://127.0.0.1:{host.metrics_port}/")
        self.becomes(lambda: self.text("level") != "Looking" and bool(self.roles()), "the first answer shown")

    def do(self, script: str) -> Any:
        return self._chromium.execute_script(script)

    def do_later(self, script: str) -> Any:
        """Runs a script that calls its last argument with the result."""
        return self._chromium.execute_async_script(script)

    def text(self, identifier: str) -> str:
        return str(self.do(f"return document.getElementById({identifier!r}).textContent"))

    def table(self, identifier: str) -> list[list[str]]:
        """The cells of a table's body."""
        rows: list[list[str]] = self.do(
            f"return [...document.getElementById({identifier!r}).rows]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        return rows

    def roles(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.table("hosts")}

    def becomes(self, condition: Any, what: str) -> None:
        wait_until(condition, timeout_s=WITHIN_S, what=lambda: f"{what}; it says: {self._says()}")

    def complaints(self) -> list[str]:
        """What the browser has written to its console since the last call."""
        return [entry["message"] for entry in self._chromium.get_log("browser")]  # type: ignore[no-untyped-call]

    def asked_hosts(self) -> set[str]:
        """The addresses of all requests since the last call."""
        found = set()
        for entry in self._chromium.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(urlsplit(message["params"]["request"]["url"]).netloc)
        return found

    def _logs(self) -> None:
        """Forgets what was before."""
        self.complaints()
        self.asked_hosts()

    def _says(self) -> str:
        return " ".join(str(self.do("return document.body.innerText")).split())[:600]
