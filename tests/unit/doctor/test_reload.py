"""Edits of config.json that the next change of signer would apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hafailover.doctor.checks.reload import judge, waiting
from hafailover.doctor.finding import Severity

from .said import bad, one

CONFIG: dict[str, Any] = {
    "expected_shutdown": None,
    "produce_chunk_add_transactions_time_limit": {"secs": 0, "nanos": 200_000_000},
    "resharding_config": {"batch_size": 500_000, "retry_delay": {"secs": 10, "nanos": 0}},
    "consensus": {
        "min_num_peers": 3,
        "min_block_production_delay": {"secs": 0, "nanos": 600_000_000},
        "chunk_wait_mult": [1, 6],
    },
}
OLD: dict[str, Any] = {
    "expected_shutdown": "null",
    "produce_chunk_add_transactions_time_limit": "[0,200000000]",
    "resharding_config": json.dumps(CONFIG["resharding_config"]),
    "min_block_production_delay": [0, 600_000_000],
    "chunk_wait_mult": [1, 6],
}
"""As 2.10 answers ``client_config``: what can be reloaded is JSON within a text."""
NEW = {**OLD, "min_block_production_delay": "[0,600000000]", "chunk_wait_mult": "[1,6]"}
"""With the timing of blocks among them, as since nearcore pull request 15742."""


def edited(**consensus: Any) -> dict[str, Any]:
    return {**CONFIG, "consensus": {**CONFIG["consensus"], **consensus}}


@pytest.mark.parametrize("running", [OLD, NEW])
@pytest.mark.parametrize("neard", ["2.10.0", "2.13.3", "trunk"])
def test_what_runs_is_what_the_file_says(running: dict[str, Any], neard: str) -> None:
    found = judge(CONFIG, running, neard)
    assert [finding.severity for finding in found] == [Severity.OK]


@pytest.mark.parametrize(
    ("change", "name", "now", "then"),
    [
        ({"expected_shutdown": 777}, "expected_shutdown", "777", "null"),
        (
            {"resharding_config": {"batch_size": 1, "retry_delay": {"secs": 10, "nanos": 0}}},
            "resharding_config.batch_size",
            "1",
            "500000",
        ),
        (
            {"produce_chunk_add_transactions_time_limit": {"secs": 1, "nanos": 0}},
            "produce_chunk_add_transactions_time_limit",
            "[1, 0]",
            "[0, 200000000]",
        ),
    ],
)
def test_an_edit_that_every_release_would_apply(
    change: dict[str, Any], name: str, now: str, then: str
) -> None:
    found = judge({**CONFIG, **change}, OLD, "2.10.0")
    assert bad(found) == {"neard.reload": Severity.WARNING}
    said = one(found, "neard.reload").text
    assert said.startswith(f"config.json says {name} = {now}, and neard runs with {then}: ")


def test_an_expected_shutdown_that_was_taken_out_of_the_file() -> None:
    without = {name: value for name, value in CONFIG.items() if name != "expected_shutdown"}
    assert [*waiting(without, {**OLD, "expected_shutdown": "777"}, "2.10.0")] == [
        ("expected_shutdown", None, 777)
    ]


def test_the_timing_of_blocks_counts_where_this_neard_reloads_it() -> None:
    config = edited(min_block_production_delay={"secs": 1, "nanos": 0})
    expected = [("consensus.min_block_production_delay", [1, 0], [0, 600_000_000])]
    assert [*waiting(config, NEW, "2.10.0")] == expected, "its form says that it can be reloaded"
    assert [*waiting(config, OLD, "2.13.3")] == expected
    assert [*waiting(config, OLD, "2.11.0")] == [], "a start alone would apply it"
    assert [*waiting(edited(min_num_peers=9), NEW, "2.13.3")] == []


def test_durations_as_texts_of_seconds() -> None:
    running = {**NEW, "min_block_production_delay": json.dumps("0.600000000")}
    assert [*waiting(CONFIG, running, "2.14.0")] == []


def test_what_neard_does_not_tell() -> None:
    assert [one.severity for one in judge(CONFIG, None, "2.13.3")] == [Severity.SKIPPED]
    assert [*waiting(CONFIG, {}, "2.13.3")] == []
    assert [*waiting({"consensus": 7}, NEW, "2.13.3")] == []


@pytest.mark.parametrize("odd", ["{", "[" * 100_000, '"' + "x" * 70_000 + '"', 7, None, [1], "\x1b[2J"])
def test_odd_answers_are_shown_short_and_on_one_line(odd: Any) -> None:
    for found in judge({**CONFIG, "expected_shutdown": 5}, {**OLD, "expected_shutdown": odd}, "2.13.3"):
        assert len(found.text) < 500
        assert found.text.isprintable()
