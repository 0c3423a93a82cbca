"""The documents say what the program does."""

import re
from pathlib import Path

from hafailover.agent.loop import EXIT_NAME_TAKEN
from hafailover.cli import exit_codes
from hafailover.config.reference import reference
from hafailover.defect import EXIT_DEFECT
from hafailover.guard.main import EXIT_AGAIN
from hafailover.lock.policy import agent_rule, host_policy, operator_policy
from hafailover.observe.metrics import Metrics
from hafailover.timing import CLOCK_OFF, CLOCKS_APART

from ...simulation.world import Shape

ROOT = Path(__file__).resolve().parents[3]


def test_the_configuration_reference_is_the_settings_own() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == reference(), "run: make docs"


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    documented = set(re.findall(r"`(hafailover_[a-z_]+?)(?:_total)?(?:\{[^`]*\})?`", text))
    exported = {
        family.name for family in Metrics("a.near", "n").registry.collect() if family.name != "hafailover"
    }
    assert documented == exported


def test_the_published_policies_are_those_that_are_tried() -> None:
    text = (ROOT / "docs" / "tokens.md").read_text()
    shown = re.findall(r"```hcl\n(.*?)```", text, re.DOTALL)
    account = "mypool.poolv1.near"
    rules = [host_policy(account, "host1", "host1"), operator_policy(account, "host1")]
    assert shown == ["\n".join(one) + "\n" for one in rules]
    assert agent_rule("host1") in text


def test_the_two_commands_stand_at_the_top_of_the_readme() -> None:
    top = (ROOT / "README.md").read_text()[:1500]
    assert "make demo" in top
    assert "make test" in top


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _anchors(page: Path) -> set[str]:
    """Those of its headings, as GitHub makes them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_to_a_heading_finds_it() -> None:
    """In the documents, and in what the product says."""
    links = [
        (page, page.parent / target if target else page, anchor)
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)#([^)]+)\)", page.read_text())
    ]
    links += [
        (source, ROOT / "docs" / page, anchor)
        for source in (ROOT / "src").rglob("*")
        if source.suffix in (".py", ".yml")
        for page, anchor in re.findall(r"docs/(\w+\.md)#([\w-]+)", source.read_text())
    ]
    assert len(links) > 100
    for source, page, anchor in links:
        if page.suffix == ".md":
            assert anchor in _anchors(page), f"{source.name} links to {page.name}#{anchor}"


def test_the_manual_lists_every_exit_code_and_no_other() -> None:
    text = (ROOT / "docs" / "operating.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    own = [value for name, value in vars(exit_codes).items() if name.isupper()]
    assert sorted(listed) == sorted([*own, EXIT_DEFECT, EXIT_AGAIN])
    assert exit_codes.NAME_TAKEN == EXIT_NAME_TAKEN


CLOCKS = re.compile(
    r"(?:CLOCK_BOOTTIME|[Cc]locks)[^.|]* apart\b[^.|]*?(\d[\d.]* %)(?:[^.|]*?(0\.\d+ %) of real time)?"
)


def test_the_bound_on_clocks_is_the_same_wherever_it_is_told() -> None:
    """Also in the simulator, whose clocks are off by the whole of it, each."""
    told: dict[str, set[str]] = {}
    for page in (*ROOT.glob("docs/*.md"), ROOT / "docs" / "model" / "README.md"):
        for match in CLOCKS.finditer(re.sub(r"\s+", " ", page.read_text())):
            told.setdefault(page.name, set()).add(match[1])
            assert match[2] in (None, f"{int(CLOCK_OFF * 10_000) / 100} %"), page.name
    bound = {f"{CLOCKS_APART * 100:g} %"}
    assert told == {"how-it-works.md": bound, "guarantees.md": bound, "README.md": bound}
    assert Shape(()).drift == CLOCKS_APART


def test_every_test_that_a_document_names_is_there() -> None:
    named = 0
    for page in ROOT.glob("docs/*.md"):
        for path, test in re.findall(r"`(tests/[a-z_/0-9.]+)(?:::(\w+))?`", page.read_text()):
            named += 1
            assert (ROOT / path).exists(), f"{page.name} names {path}"
            if test:
                text = (ROOT / path).read_text()
                assert re.search(rf"def {test}\(", text), f"{page.name} names {path}::{test}"
    assert named > 20
