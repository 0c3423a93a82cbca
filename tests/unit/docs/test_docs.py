"""The documents say what the program does."""

import re
from pathlib import Path

from hafailover.agent.loop import EXIT_NAME_TAKEN
from hafailover.cli import exit_codes
from hafailover.config.reference import reference
from hafailover.guard.main import EXIT_DEFECT
from hafailover.lock.policy import agent_rule, host_policy, operator_policy
from hafailover.observe.metrics import Metrics

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


def test_the_manual_lists_every_exit_code_and_no_other() -> None:
    text = (ROOT / "docs" / "operating.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    own = [value for name, value in vars(exit_codes).items() if name.isupper()]
    assert sorted(listed) == sorted([*own, EXIT_DEFECT])
    assert exit_codes.NAME_TAKEN == EXIT_NAME_TAKEN
