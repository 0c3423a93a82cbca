"""Rights that are missing, each told once, with its rule."""

from __future__ import annotations

from hafailover.doctor.checks.rights import WHAT, judge
from hafailover.doctor.facts.rights import Right
from hafailover.doctor.finding import Severity

from .said import bad, one

RULE = 'key_prefix "hafailover/pool.near/" { policy = "write" }'


def right(
    name: str, rule: str = RULE, *, needed: bool = True, denied: bool = False, failed: str = ""
) -> Right:
    return Right(name, rule, needed, failed or ("denied" if denied else None), denied)


def test_everything_there() -> None:
    found = judge([right(name) for name in WHAT])
    assert [(finding.id, finding.severity) for finding in found] == [("rights.agent-needs", Severity.OK)]


def test_a_rule_that_several_trials_miss_is_told_once() -> None:
    found = judge([right("keys-read"), right("keys-write", denied=True), right("key-lock", denied=True)])
    assert bad(found) == {"rights.keys-write": Severity.ERROR}
    assert one(found, "rights.keys-write").remedy == f"add to its policy: {RULE}"


def test_a_right_that_only_shows_more() -> None:
    found = judge([right("keys-write"), right("operator", 'operator = "read"', needed=False, denied=True)])
    assert bad(found) == {}
    assert one(found, "rights.operator").severity is Severity.INFO
    assert 'operator = "read"' in one(found, "rights.operator").remedy
    assert one(found, "rights.agent-needs").severity is Severity.OK


def test_a_trial_that_failed_otherwise() -> None:
    found = judge([right("session", failed="creating a session: Consul answered 500")])
    assert bad(found) == {"rights.session": Severity.WARNING}
    assert "500" in one(found, "rights.session").text
    assert not [finding for finding in found if finding.severity is Severity.OK]
