"""Whether agent and guard of this host run, and say that they are well."""

from __future__ import annotations

from hafailover.doctor.facts.running import Guard, RunningFacts
from hafailover.doctor.finding import Finding, error, info, ok, skipped, warning

OK, UNAVAILABLE = 200, 503


def judge(facts: RunningFacts, guard_socket: str, listen: str) -> list[Finding]:
    return [_guard(facts, guard_socket), *_agent(facts, listen)]


def _guard(facts: RunningFacts, path: str) -> Finding:
    if facts.guard is Guard.RUNS:
        return ok("running.guard", f"the guard listens on {path}")
    if facts.guard is Guard.HIDDEN:
        return skipped("running.guard", f"{path} is not open to user {facts.user}", "run this as root")
    if facts.guard is Guard.DEAD:
        text = f"{path} is there, but nobody listens: the guard has died"
    else:
        text = f"there is no guard: {path} does not exist"
    return warning("running.guard", text, "systemctl start neard; journalctl -u neard -n 50")


def _agent(facts: RunningFacts, listen: str) -> list[Finding]:
    health, ready = facts.healthz, facts.readyz
    if health.status == 0:
        return [
            warning(
                "running.agent",
                f"no agent answers on {listen}: {health.text}",
                "systemctl start hafailover; journalctl -u hafailover -n 50",
            )
        ]
    if health.status == UNAVAILABLE:
        return [error("running.agent", health.text, "journalctl -u hafailover -n 50")]
    if health.status != OK:
        return [
            error("running.agent", f"something else answers on {listen}", "give the agent another address")
        ]
    found = [ok("running.agent", health.text)]
    if ready.status == UNAVAILABLE:
        found.append(info("running.ready", f"this host is not ready: {ready.text}", "hafailover explain"))
    return found
