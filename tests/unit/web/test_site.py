"""Which path has which answer, and what all answers have in common."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from importlib import resources

import pytest

from hafailover.observe.health import Answer
from hafailover.web import site
from hafailover.web.pool_watch import FIRST_WAIT_S

from ..observe.pool import fill
from ..observe.tiny_consul import TinyConsul, until
from .served import Served

ALL = (*site.PAGE, *site.OTHERS, *site.API)
ASSETS = resources.files("hafailover.web") / "assets"


@pytest.fixture
def served(consul: TinyConsul) -> Iterator[Served]:
    fill(consul)
    with Served(consul.address) as one:
        yield one


def test_yes_is_200_and_no_is_503(served: Served) -> None:
    assert served.get("/healthz").status_code == 200
    served.healthy = Answer(False, "no session with Consul for 31 s")
    answer = served.get("/healthz")
    assert (answer.status_code, answer.text) == (503, "no session with Consul for 31 s\n")
    assert served.get("/readyz").status_code == 200, "the other answer stays its own"
    served.ready = Answer(False, "standby: not ready")
    answer = served.get("/readyz?from=probe")
    assert (answer.status_code, answer.text) == (503, "standby: not ready\n")


def test_scrapes_that_follow_closely_share_an_answer(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(site, "boottime", lambda: now)
    assert "hafailover_term 1.0" in served.get("/metrics").text
    assert "hafailover_term 1.0" in served.get("/metrics").text
    now += site.KEEP_S + 0.01
    assert "hafailover_term 2.0" in served.get("/metrics").text


def test_metrics_come_in_the_format_that_was_asked_for(served: Served) -> None:
    opened = served.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert opened.headers["Content-Type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    assert served.get("/metrics").headers["Content-Type"].startswith("text/plain")


def test_formats_by_the_thousand_take_no_memory(served: Served) -> None:
    for number in range(3 * site.MOST_FORMATS):
        served.get("/metrics", headers={"Accept": f"application/openmetrics-text; version=1.{number}.0"})
    assert len(served.site._formats) <= site.MOST_FORMATS


@pytest.mark.parametrize("path", ALL)
def test_every_answer_has_the_strict_headers(served: Served, path: str) -> None:
    answer = served.get(path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers


@pytest.mark.parametrize("path", ALL)
def test_head_is_get_without_a_body(served: Served, path: str) -> None:
    head = served.get(path, "HEAD")
    assert head.status_code == 200
    assert head.content == b""
    assert int(head.headers["Content-Length"]) > 0


def test_nothing_can_be_changed(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = served.get("/api/status", method)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"


def test_other_paths_are_not_found(served: Served) -> None:
    for path in ("/metricsx", "/healthz/", "/api", "/assets/page.js", "/../site.py", "/%2e%2e/site.py"):
        assert served.get(path).status_code == 404


def test_the_page_has_all_it_needs_and_nothing_from_elsewhere(served: Served) -> None:
    files = {name for name, _ in site.PAGE.values()}
    assert files == {one.name for one in ASSETS.iterdir()}
    for name in files:
        text = (ASSETS / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)^\s*//.*$", "", text), f"{name} leads to another host"
        assert "innerHTML" not in text
    page = served.get("/").text
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page), "inline, so refused"
    for target in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert served.get(f"/{target}").status_code == 200


def test_the_pool_is_looked_at_once_for_many_and_not_when_nobody_asks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hafailover.web.pool_watch.ASKED_FOR_S", 0.5)
    time.sleep(0.1)
    assert served.looks == 0, "nobody has asked yet"
    since = time.monotonic()
    for _ in range(30):
        assert served.get("/api/status").json()["pool"]["active"] == "a"
    most = 2 + (time.monotonic() - since)
    assert 1 <= served.looks <= most
    until(lambda: served.pool._resting, "rest")
    looks = served.looks
    time.sleep(1.2)
    assert served.looks == looks


def test_the_page_answers_at_once_while_consul_says_nothing(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    with Served(consul.address) as served:
        assert served.get("/api/status").json()["verdict"]["level"] == "safe"
        consul.down = True
        monkeypatch.setattr("hafailover.web.documents.FRESH_S", 0.0)
        until(lambda: served.get("/api/status").json()["problem"], "word of the problem")
        answer = served.get("/api/status").json()
    assert answer["verdict"]["level"] == "unknown"
    assert "this host is active" in answer["verdict"]["text"]
    assert answer["pool"]["active"] == "a", "what was known is still told, with its age"
    assert answer["pool_age_s"] >= 0
    assert answer["host"]["height"] == 100


def test_without_any_consul_the_host_tells_of_itself() -> None:
    with Served() as served:
        answer = served.get("/api/status")
        until(lambda: "no connection" in served.get("/api/status").json()["problem"], "the reason")
    assert answer.elapsed.total_seconds() < 4 * FIRST_WAIT_S
    assert answer.json()["pool"] is None
    assert answer.json()["host"]["role"] == "active"
    assert answer.json()["verdict"]["level"] == "unknown"
