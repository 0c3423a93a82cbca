"""The API of a real pool: what its schema says, on every host."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import requests

from hafailover.lab.host import FailoverHost
from hafailover.lab.pool import LabPool

pytestmark = [pytest.mark.consul, pytest.mark.timeout(180)]


def get(host: FailoverHost, path: str) -> Any:
    answer = requests.get(f"http://127.0.0.1:{host.metrics_port}{path}", timeout=5)
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
