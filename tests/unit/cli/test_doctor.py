"""``hafailover doctor``: which checks run, what is printed, and the exit code that scripts go by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hafailover.cli.doctor import NAMES
from hafailover.doctor import catalogue
from hafailover.doctor.finding import Finding, error, ok, warning
from hafailover.doctor.runner import Check, Patient

from ..near.keys import ACCOUNT, secret_key, write_key
from ..observe.pool import fill
from ..observe.tiny_consul import TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "ACCOUNT_ID": ACCOUNT,
        "NODE_NAME": "a",
        "CONSUL__ADDRESS": f"http://127.0.0.1:{consul.port}",
        "VALIDATOR_KEY_FILE": str(write_key(tmp_path / "key.json", "a")),
        "GUARD_SOCKET": str(tmp_path / "guard.sock"),
        "STATE_DIR": str(tmp_path),
        "NEARD__RPC_ADDRESS": "127.0.0.1:1",
        "NEARD__BINARY": str(tmp_path / "neard"),
        "LISTEN": "127.0.0.1:1",
    }.items():
        monkeypatch.setenv(f"HAFAILOVER_{name}", value)


def only(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    def run(patient: Patient) -> list[Finding]:
        return list(findings)

    monkeypatch.setattr(catalogue, "HOST", (Check("one", "one thing", run),))


def test_the_help_names_every_check() -> None:
    assert NAMES.split(", ") == [check.name for check in catalogue.HOST]


@pytest.mark.parametrize(
    ("findings", "code", "strict"),
    [
        ([ok("one.a", "fine")], 0, 0),
        ([ok("one.a", "fine"), warning("one.b", "odd", "mend it")], 0, 1),
        ([error("one.a", "broken", "mend it")], 1, 1),
    ],
)
def test_the_exit_code(
    hafailover: Command, monkeypatch: pytest.MonkeyPatch, findings: list[Finding], code: int, strict: int
) -> None:
    only(monkeypatch, *findings)
    assert hafailover("doctor").code == code
    assert hafailover("doctor", "--strict").code == strict
    document = json.loads(hafailover("doctor", "--json").out)
    assert document["ok"] is (code == 0)
    assert [finding["id"] for finding in document["findings"]] == [finding.id for finding in findings]


def test_a_finding_is_printed_with_what_to_do(hafailover: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, error("one.a", "the [red]key[/red] is broken", "mend it", "host1"))
    done = hafailover("doctor")
    assert "error   one.a (host1): the [red]key[/red] is broken\n" in done.out
    assert "to do: mend it\n" in done.out
    assert "1 errors, 0 warnings" in done.out
    assert done.err == ""


def test_every_check_runs_without_consul_neard_guard_and_agent(
    hafailover: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first minute on a host where nothing works yet: each check has something to say, none breaks."""
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", "http://127.0.0.1:1")
    done = hafailover("doctor", "--json")
    assert done.code == 1
    findings = {finding["id"]: finding["severity"] for finding in json.loads(done.out)["findings"]}
    assert findings["consul.reach"] == "error"
    assert {findings[f"{name}.consul"] for name in ("latency", "rights", "pool", "ports")} == {"skipped"}
    assert findings["key.file"] == "ok"
    assert findings["neard.rpc"] == findings["neard.binary"] == "error"
    assert findings["running.guard"] == findings["running.agent"] == "warning"
    seen = {id_.partition(".")[0] for id_ in findings}
    assert seen == {check.name for check in catalogue.HOST}
    assert not [id_ for id_ in findings if id_.endswith((".failed", ".deadline"))]
    assert secret_key("a").removeprefix("ed25519:") not in done.out + done.err


def test_only_some_checks(hafailover: Command) -> None:
    done = hafailover("doctor", "--json", "--only", "key", "--only", "settings")
    assert {finding["id"].partition(".")[0] for finding in json.loads(done.out)["findings"]} == {
        "key",
        "settings",
    }


def test_a_check_that_there_is_not(hafailover: Command) -> None:
    done = hafailover("doctor", "--only", "keys")
    assert (done.code, done.out) == (2, "")
    assert "no check keys here; there are settings, consul" in done.err
    assert "there are consul, pool\n" in hafailover("doctor", "--cluster", "--only", "key").err


def test_the_cluster_as_consul_shows_it(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    consul.publish("b", "session-of-b", role="standby", reason="syncing", ready=False)
    done = hafailover("doctor", "--cluster", "--json", "--only", "pool")
    assert done.code == 0, done.out
    document = json.loads(done.out)
    assert document["node"] == ""
    hosts = {f["node"]: f["severity"] for f in document["findings"] if f["id"] == "pool.host"}
    assert hosts == {"a": "ok", "b": "warning", "c": "ok"}


def test_wrong_settings(hafailover: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", "No Account")
    assert hafailover("doctor").code == 2
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__TOKEN_FILE", "/nowhere/token")
    done = hafailover("doctor")
    assert (done.code, "consul.token_file" in done.err) == (2, True)
