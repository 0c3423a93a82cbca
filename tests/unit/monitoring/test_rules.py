"""The alert rules: what promtool says of them, and of what they do with series made up for each of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import hafailover.monitoring

from .exported import agents, every

RULES = Path(hafailover.monitoring.__file__).parent / "alerts.yml"
HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "docs"
PAGE = DOCS / "monitoring.md"
RUNBOOK = DOCS / "runbook.md"
SCENARIOS = sorted(HERE.glob("*.test.yml"))
NAME = re.compile(r"\b(?:hafailover|near|consul|node)_[A-Za-z0-9_]+")


def run(promtool: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(promtool), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def expressions() -> str:
    """All expressions, without comments and texts for people."""
    lines: list[str] = []
    indent = None
    for line in RULES.read_text().splitlines():
        depth = len(line) - len(line.lstrip())
        if indent is not None and depth <= indent:
            indent = None
        if line.lstrip().startswith("expr:"):
            indent = depth
        if indent is not None:
            lines.append(line)
    return "\n".join(lines)


def alerts() -> dict[str, str]:
    """Each alert's text by its name."""
    _, *parts = re.split(r"- alert: (\w+)\n", RULES.read_text())
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_promtool_takes_the_rules(promtool: Path) -> None:
    done = run(promtool, RULES.parent, "check", "rules", RULES.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name.partition(".")[0])
def test_the_rules_fire_and_rest_as_they_should(scenario: Path, promtool: Path, tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    shutil.copy(scenario, tmp_path)
    done = run(promtool, tmp_path, "test", "rules", scenario.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scenario_that_does_not_hold_is_noticed(promtool: Path, tmp_path: Path) -> None:
    """Guards the two tests above: a promtool that says yes to everything would make them worthless."""
    (tmp_path / "alerts.yml").write_text(
        RULES.read_text().replace("hafailover_session == 0", "vector(0) > 1")
    )
    shutil.copy(HERE / "host.test.yml", tmp_path)
    done = run(promtool, tmp_path, "test", "rules", "host.test.yml")
    assert done.returncode != 0
    assert "HafailoverNoConsulSession" in done.stdout + done.stderr


def test_every_alert_is_seen_to_fire_in_a_scenario() -> None:
    expected = {
        name
        for scenario in SCENARIOS
        for name in re.findall(r"\{labels: '\{alertname=\"(\w+)\"", scenario.read_text())
    }
    assert expected == set(alerts())


def test_every_metric_in_a_rule_is_exported() -> None:
    used = set(NAME.findall(expressions()))
    assert len(used) > 20
    assert used <= every()


def test_every_alert_has_a_severity_and_says_what_to_do() -> None:
    for name, text in alerts().items():
        assert re.search(r"severity: (critical|warning|info)\n", text), name
        assert "summary: " in text, name
        assert "description: " in text, name


def test_every_alert_is_documented_with_its_severity() -> None:
    documented: dict[str, str] = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `Hafailover"):
            _, names, severity, *_ = (cell.strip() for cell in line.split("|"))
            documented |= dict.fromkeys(re.findall(r"`(\w+)`", names), severity)
    severities = {name: re.findall(r"severity: (\w+)\n", text)[0] for name, text in alerts().items()}
    assert documented == severities


def test_every_alert_has_its_section_in_the_runbook_and_every_section_an_alert() -> None:
    headings = re.findall(r"^### (Hafailover\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(alerts())
    for name, text in alerts().items():
        assert f"runbook_url: docs/runbook.md#{name.lower()}\n" in text, name


def test_every_link_within_the_runbook_leads_to_a_section() -> None:
    text = RUNBOOK.read_text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize("page", ["monitoring.md", "operating.md", "runbook.md", "glossary.md"])
def test_every_metric_that_a_page_names_is_exported(page: str) -> None:
    named = set(re.findall(r"`((?:hafailover|near)_[a-z0-9_]+)", (DOCS / page).read_text()))
    # A histogram is named without the endings of its samples.
    families = {name.removesuffix("_bucket") for name in every()}
    assert named <= every() | families


def test_every_metric_of_the_agent_is_in_a_page() -> None:
    pages = PAGE.read_text() + (DOCS / "operating.md").read_text()
    families = {re.sub(r"_(bucket|sum|count|created|info)$", "", name) for name in agents()}
    made = {name for name in families if not re.search(r"_created$", name)}
    counters = {name for name in made if f"{name}_total" in made}
    # `hafailover` is what is left of hafailover_info; it only says whose the others are.
    missing = {name for name in made - counters - {"hafailover"} if f"`{name}" not in pages}
    assert missing == set()
