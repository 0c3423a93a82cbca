"""The way to Consul: nobody in between, and nobody in its place."""

from __future__ import annotations

from hafailover.doctor.facts.link import LinkFacts
from hafailover.doctor.finding import Finding, error, ok, warning

SOON_DAYS = 21.0
"""An operator may be on holiday; Consul's own certificates are made for a year by default."""


def judge(facts: LinkFacts | None) -> list[Finding]:
    if facts is None:
        return []
    if facts.tls:
        return [_certificate(facts)]
    if facts.stranger is not None:
        return [error("consul.link", facts.stranger, "see 'Who answers as Consul' in docs/tokens.md")]
    if facts.user is None:
        return [
            error(
                "consul.link",
                f"plain http to {facts.where}, which is another machine: whoever is in between can read the "
                "token, and can answer in Consul's place",
                "run a Consul agent on this host, or set consul.address to https and consul.ca_file",
            )
        ]
    return [ok("consul.link", f"{facts.user} listens on {facts.where}, as is to be")]


def _certificate(facts: LinkFacts) -> Finding:
    if facts.days_left is None:
        return ok("consul.link", f"TLS to {facts.where}")
    text = f"TLS to {facts.where}; Consul's certificate ends in {facts.days_left:.0f} days"
    if facts.days_left >= SOON_DAYS:
        return ok("consul.link", text)
    return warning("consul.link", text, "renew it: without it nobody can sign")
