"""The Grafana dashboard as a file, made from the panels: ``python -m hafailover.monitoring.dashboard``.

Written for Grafana 10 and later (schema version 39). Data source and pool are chosen in the dashboard,
so the file works in any Grafana that has a Prometheus with the jobs of docs/monitoring.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from hafailover.monitoring.panels import ROLE_COLOURS, SECTIONS, Panel, Section

SCHEMA_VERSION = 39
COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(sections: Sequence[Section] = SECTIONS) -> dict[str, Any]:
    """The dashboard as Grafana reads it from a file."""
    panels: list[dict[str, Any]] = []
    top = 0
    for section in sections:
        panels.append(_headline(section.title, len(panels) + 1, top))
        top += 1
        left = tallest = 0
        for panel in section.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            panels.append(_panel(panel, len(panels) + 1, left, top))
            left += panel.width
            tallest = max(tallest, panel.height)
        top += tallest
    return {
        "uid": "hafailover",
        "title": "hafailover",
        "tags": ["hafailover", "near"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": panels,
    }


def _variables() -> list[dict[str, Any]]:
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        },
        {
            "name": "account",
            "label": "Pool",
            "type": "query",
            "datasource": DATASOURCE,
            "definition": "label_values(hafailover_info, account_id)",
            "query": {"query": "label_values(hafailover_info, account_id)", "refId": "account"},
            "refresh": 2,
            "sort": 1,
        },
    ]


def _headline(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "mappings": list(panel.mappings),
        "thresholds": {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in panel.steps],
        },
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.minimum is not None:
        defaults["min"] = panel.minimum
    overrides = [_colour_by_name(role, colour) for role, colour in ROLE_COLOURS.items()]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": defaults, "overrides": overrides if panel.title == "Roles" else []},
        "options": panel.options,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "range": panel.kind != "stat",
                "instant": panel.kind == "stat",
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def _colour_by_name(role: str, colour: str) -> dict[str, Any]:
    properties = [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]
    return {"matcher": {"id": "byRegexp", "options": f"/ {role}$/"}, "properties": properties}


def text() -> str:
    """The dashboard's file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
