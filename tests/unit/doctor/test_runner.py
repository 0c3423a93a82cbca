"""Checks that fail, hang or cannot ask: each is a finding, and the next one runs all the same."""

from __future__ import annotations

import threading

import pytest

from hafailover.config.settings import Settings
from hafailover.doctor.finding import Finding, Severity, ok
from hafailover.doctor.runner import Check, Patient, examine
from hafailover.lock.client import Address
from hafailover.lock.errors import CallError, Kind

from ..config.conftest import no_settings_around as no_settings_around

PATIENT_ACCOUNT = "pool.near"


@pytest.fixture
def patient() -> Patient:
    return Patient(Settings(account_id=PATIENT_ACCOUNT), Address())


def good(patient: Patient) -> list[Finding]:
    return [ok("good.one", patient.settings.account_id)]


def fails(patient: Patient) -> list[Finding]:
    raise RuntimeError("ed25519:secret")


def cannot_ask(patient: Patient) -> list[Finding]:
    raise CallError(Kind.UNREACHABLE, "asking: no connection to Consul")


def test_findings_come_in_order_and_each_check_is_announced(patient: Patient) -> None:
    said: list[str] = []
    found = list(examine([Check("a", "first", good), Check("b", "second", good)], patient, said.append))
    assert [finding.text for finding in found] == [PATIENT_ACCOUNT] * 2
    assert said == ["first", "second"]


def test_an_unexpected_exception_is_a_finding_without_its_text(patient: Patient) -> None:
    failed, after = examine([Check("a", "first", fails), Check("b", "second", good)], patient)
    assert (failed.id, failed.severity) == ("a.failed", Severity.ERROR)
    assert "RuntimeError at test_runner.py:" in failed.text
    assert "secret" not in failed.text
    assert after.id == "good.one"


def test_what_consul_does_not_tell_is_skipped(patient: Patient) -> None:
    (found,) = examine([Check("a", "first", cannot_ask)], patient)
    assert (found.id, found.severity) == ("a.consul", Severity.SKIPPED)
    assert "no connection to Consul" in found.text


def test_a_check_that_hangs_is_left_behind(patient: Patient) -> None:
    let_go = threading.Event()

    def hangs(patient: Patient) -> list[Finding]:
        let_go.wait(60)
        return []

    try:
        late, after = examine([Check("a", "first", hangs, 0.05), Check("b", "second", good)], patient)
    finally:
        let_go.set()
    assert (late.id, late.severity) == ("a.deadline", Severity.ERROR)
    assert after.id == "good.one"
