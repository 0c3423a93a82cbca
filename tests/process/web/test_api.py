"""The API of a real pool: what its schema says, on every host."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from typing import Any

import jsonschema
import pytest
import requests

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool
from hafailover.lab.waiting import wait_until
from hafailover.web.places import MOST

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]


def asked(host: FailoverHost, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{host.metrics_port}{path}", timeout=5)


def get(host: FailoverHost, path: str) -> Any:
    answer = asked(host, path)
    assert answer.status_code == 200
    return answer.json()


def test_real_answers_are_what_the_schema_says(pool: LabPool) -> None:
    active = pool.wait_settled()
    for host in pool.hosts:
        schema = get(host, "/api/schema")
        validate = jsonschema.validators.validator_for(schema)
        for path, name in (("/api/status", "StatusDocument"), ("/api/history", "HistoryDocument")):
            document = get(host, path)
            validate({**schema, "oneOf": [{"$ref": f"#/$defs/{name}"}]}).validate(document)
            assert (document["v"], document["node"]) == (1, host.name)
    assert get(pool.host(active), "/api/history")["changes"][-1]["to_node"] == active


def test_every_host_tells_of_the_pool_and_the_active_of_its_beats(pool: LabPool) -> None:
    active = pool.wait_settled()
    for host in pool.hosts:
        status = get(host, "/api/status")
        assert status["verdict"]["level"] == "safe"
        assert status["pool"]["active"] == active
        assert status["pool_age_s"] < 5
        assert (status["last_beat"] is not None) == (host.name == active)
    beat = get(pool.host(active), "/api/status")["last_beat"]
    assert 0 < beat["took_s"] < 5
    assert beat["age_s"] < 7


def test_idle_connections_and_one_that_speaks_up_late_take_nobody_along(pool: LabPool) -> None:
    active = pool.wait_settled()
    host = pool.host(active)
    term = pool.look().term
    with ExitStack() as held:
        idle = [
            held.enter_context(socket.create_connection(("127.0.0.1", host.metrics_port), timeout=5))
            for _ in range(MOST + 1)
        ]
        # The oldest ones had to make room; what they send has nowhere to go.
        for one in idle[: MOST // 2]:
            with suppress(OSError):
                one.send(b"G")
        # As long as those are looked at, the answer may be that others are in front.
        wait_until(lambda: asked(host, "/metrics").status_code == 200, timeout_s=10, what="an answer")
        assert get(host, "/api/status")["pool"]["active"] == active
    assert host.running_agent().is_alive()
    assert (pool.wait_settled(), pool.look().term) == (active, term)
