"""The dashboard: one file, made from the panels, about metrics that there are."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import hafailover.monitoring
from hafailover.core.views import Role
from hafailover.monitoring.dashboard import COLUMNS, dashboard, text
from hafailover.monitoring.panels import FIRING, ROLE_COLOURS, SECTIONS, Panel, Query, Section

from .exported import agents, every

FILE = Path(hafailover.monitoring.__file__).parent / "dashboard.json"
NAME = re.compile(r"\b(?:hafailover|near|consul|node)_[A-Za-z0-9_]+")


def queries() -> list[str]:
    return [query.expression for section in SECTIONS for panel in section.panels for query in panel.queries]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def test_the_file_is_what_the_panels_make() -> None:
    assert FILE.read_text() == text(), "run: make docs"
    assert json.loads(FILE.read_text()) == dashboard()


@pytest.mark.parametrize("query", queries())
def test_every_metric_in_the_dashboard_is_exported(query: str) -> None:
    names = set(NAME.findall(query))
    assert names or query.startswith((FIRING, f"count({FIRING})"))
    assert names <= every()


def test_promtool_takes_every_query(promtool: Path, tmp_path: Path) -> None:
    filled = [query.replace("$__rate_interval", "5m").replace("$account", "pool.near") for query in queries()]
    rules = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(filled)]
    # JSON is YAML.
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    command = [str(promtool), "check", "rules", "rules.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_of_the_agent_is_shown() -> None:
    shown = {name for query in queries() for name in NAME.findall(query)}
    # The moments at which counters began, and how many beats there were in all, say nothing by themselves.
    mute = {name for name in agents() if name.endswith("_created")}
    mute |= {
        "hafailover_renew_seconds_sum",
        "hafailover_renew_seconds_count",
        "hafailover_hot_swap_seconds_bucket",
    }
    assert agents() - mute <= shown


def test_every_role_has_a_colour() -> None:
    assert set(ROLE_COLOURS) == set(Role)


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_a_panel_that_does_not_fit_begins_a_new_line() -> None:
    half = Panel("half", [Query("vector(1)")], width=12, height=4)
    most = Panel("most", [Query("vector(1)")], width=16, height=3)
    made = dashboard([Section("one", [half, most, half]), Section("two", [half])])["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made]
    assert places == [(0, 0), (0, 1), (0, 5), (0, 8), (0, 12), (0, 13)]


def test_the_data_source_is_chosen_in_the_dashboard() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in shown} == {"${datasource}"}
    assert [variable["name"] for variable in dashboard()["templating"]["list"]] == ["datasource", "account"]
