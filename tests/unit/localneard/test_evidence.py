"""The records of double signing and of who held a key when."""

import os
from pathlib import Path

from localneard.clock import boottime
from localneard.evidence import DoubleSigns, KeyEvents, read_lines
from localneard.keys import Key
from localneard.signer import Signer


def test_a_height_is_recorded_once_for_each_key_and_over_restarts(tmp_path: Path) -> None:
    records = DoubleSigns(tmp_path)
    records.record(5, "node0", "key0", ["a", "b"])
    records.record(5, "node0", "key0", ["a", "b", "c"])
    records.record(5, "node1", "key1", ["d", "e"])
    records.record(9, "node0", "key0", ["f", "g"])
    assert records.heights == 2
    again = DoubleSigns(tmp_path)
    assert again.records == records.records
    again.record(5, "node0", "key0", ["x", "y"])
    assert len(read_lines(tmp_path / "double_signs.jsonl")) == 3


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    DoubleSigns(tmp_path).record(5, "node0", "key0", ["a", "b"])
    with (tmp_path / "double_signs.jsonl").open("a") as file:
        file.write('{"height": 6, "publ')
    assert [line["height"] for line in DoubleSigns(tmp_path).records] == [5]


def test_each_change_of_the_key_is_noted_around_the_time_that_it_can_sign(tmp_path: Path) -> None:
    signer = Signer(KeyEvents(tmp_path))
    seen: list[tuple[str | None, int]] = []
    path = tmp_path / "key_events.jsonl"

    def note() -> None:
        seen.append((signer.key.account_id if signer.key else None, len(read_lines(path))))

    signer.on_change = note
    before = boottime()
    first, second = Key.from_name("node0", "node0"), Key.from_name("node1", "node1")
    for key in (first, first, second, None, None):
        signer.set(key, "reload")
    lines = read_lines(path)
    assert [(line["event"], line["account_id"]) for line in lines] == [
        ("load", "node0"),
        ("drop", "node0"),
        ("load", "node1"),
        ("drop", "node1"),
    ]
    assert seen == [("node0", 1), ("node1", 3), (None, 4)]
    assert {line["pid"] for line in lines} == {os.getpid()}
    assert lines[0]["public_key"] == first.public_key
    times = [line["boottime"] for line in lines]
    assert times == sorted(times)
    assert before <= times[0] <= boottime()
