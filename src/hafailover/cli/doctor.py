"""``hafailover doctor``: a host, or the whole cluster, examined before something goes wrong."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hafailover.cli.common import ConfigOption, JsonOption, fail, settings_or_exit
from hafailover.cli.exit_codes import NOT_GOOD, OK, WRONG_SETTINGS
from hafailover.text import one_line

if TYPE_CHECKING:
    from hafailover.doctor.finding import Finding
    from hafailover.doctor.runner import Check, Patient

STYLES = {"ok": "green", "info": "cyan", "skipped": "dim", "warning": "bold yellow", "error": "bold red"}
SUMMARY = {"error": "errors", "warning": "warnings", "skipped": "not seen", "info": "notes", "ok": "ok"}
NAMES = (
    "settings, consul, latency, rights, pool, key, home, neard, ports, clock, disk, kernel, units, running"
)


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="All hosts, as far as Consul shows them."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="CHECK", help=f"Only this one; may be given again. There are {NAMES}."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings, too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine this host, or the whole cluster: what is not as it should be, and what to do about it.

    Nothing is changed; the token's rights are tried with a key, a session and a service that are taken back
    at once. Without root it says what it could not see. Exit code 1: something is in error.

    Examples: hafailover doctor; hafailover doctor --cluster --json; hafailover doctor --only key --strict
    """
    from hafailover.config.load import ConfigError, consul_address
    from hafailover.doctor.catalogue import CLUSTER, HOST
    from hafailover.doctor.finding import counts, is_good
    from hafailover.doctor.runner import Patient

    checks = _chosen(CLUSTER if cluster else HOST, only)
    settings = settings_or_exit(config)
    try:
        patient = Patient(settings, consul_address(settings))
    except ConfigError as error:
        fail(str(error), WRONG_SETTINGS)
    findings = _examine(checks, patient, as_json)
    good = is_good(findings, strict)
    if as_json:
        document = {
            "v": 1,
            "account_id": settings.account_id,
            "node": "" if cluster else settings.node_name,
            "ok": good,
            "counts": counts(findings),
            "findings": [finding.to_plain() for finding in findings],
        }
        print(json.dumps(document, indent=2))
    else:
        found = counts(findings)
        print(", ".join(f"{found[name]} {text}" for name, text in SUMMARY.items()))
    raise typer.Exit(OK if good else NOT_GOOD)


def _chosen(checks: Sequence[Check], only: list[str] | None) -> list[Check]:
    if not only:
        return list(checks)
    known = {check.name: check for check in checks}
    for name in only:
        if name not in known:
            fail(f"--only: no check {name} here; there are {', '.join(known)}", WRONG_SETTINGS)
    return [check for check in checks if check.name in only]


def _examine(checks: Sequence[Check], patient: Patient, quiet: bool) -> list[Finding]:
    from hafailover.doctor.runner import examine

    findings = []
    with _progress() as say:
        for finding in examine(checks, patient, say):
            findings.append(finding)
            if not quiet:
                _print(finding)
    return findings


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on a terminal that says what is being looked at."""
    if not sys.stderr.isatty():
        yield lambda about: None
        return
    from rich.console import Console

    with Console(stderr=True).status("looking") as status:
        yield lambda about: status.update(f"looking at {about}")


def _print(finding: Finding) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    name = f"{finding.id} ({finding.node})" if finding.node else finding.id
    line = Text(f"{finding.severity:8}", style=STYLES[finding.severity])
    # Consul's and neard's own words are in it.
    line.append(one_line(f"{name}: {finding.text}"), style="default")
    console.print(line)
    if finding.remedy:
        console.print(Text(f"{'':8}  to do: {one_line(finding.remedy)}"))
