"""The history's rows, and an audit that finds what must not be."""

from datetime import UTC, datetime

import pytest

from hafailover.core.views import FORCED
from hafailover.observe.audit import audit
from hafailover.observe.history import changes, is_since
from hafailover.observe.records import TermRecord


def began(term: int, node: str, height: int, **more: object) -> TermRecord:
    given = {"event": "began", "term": term, "node": node, "height": height, "public_key": "k", **more}
    return TermRecord.model_validate(given)


def ended(term: int, node: str, height: int, **more: object) -> TermRecord:
    return TermRecord.model_validate({"event": "ended", "term": term, "node": node, "height": height, **more})


GOOD = [
    began(10, "a", 100, at="2026-01-01T00:00:00Z", cause="no predecessor"),
    ended(10, "a", 200, cause="switchover asked for"),
    began(20, "b", 201, silent_s=0.1, from_node="a", cause="term 10 was released by a"),
    TermRecord(event="measured", term=20, node="b", blocks_missed=1, chunks_missed=3, endorsements_missed=2),
    began(30, "c", 320, silent_s=9.2, from_node="b", cause="the key of b is gone"),
]


def test_one_row_for_each_change() -> None:
    first, second, third = changes(GOOD)
    assert (first.from_node, first.to_node, first.cause, first.ended) == (None, "a", "no predecessor", True)
    assert (second.from_node, second.to_node, second.cause) == ("a", "b", "switchover asked for")
    assert (second.height_from, second.height_to, second.silent_s) == (200, 201, 0.1)
    assert (second.blocks_missed, second.chunks_missed, second.ended) == (1, 3, False)
    assert (second.endorsements_missed, third.endorsements_missed) == (2, None)
    # Whoever was killed writes nothing: then the new one's reason stands.
    assert (third.height_from, third.cause, third.blocks_missed) == (None, "the key of b is gone", None)


def test_a_forced_takeover_shows_as_such() -> None:
    rows = changes([*GOOD[:2], began(20, "b", 201, cause=f"{FORCED}root@b, without a lease")])
    assert rows[-1].cause == "forced by root@b, without a lease"


NOTHING = "holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"


def told(event: str, term: int, node: str, at: str, cause: str = NOTHING) -> TermRecord:
    return TermRecord(event=event, term=term, node=node, at=at, cause=cause)


def test_a_term_whose_work_did_not_arrive_shows_as_such() -> None:
    bad = told("not_producing", 20, "b", "2026-01-01T01:00:00Z")
    again = told("producing", 20, "b", "2026-01-01T01:05:00Z", "signs, and produces")
    first, second, third = changes([*GOOD, bad])
    assert (first.production, second.production, third.production) == ("", NOTHING, "")
    cured = f"{NOTHING}; it arrives again since 2026-01-01T01:05:00Z"
    assert changes([*GOOD, again, bad])[1].production == cured, "in whatever order Consul names them"
    worse = told("not_producing", 20, "b", "2026-01-01T01:09:00Z", "holds the key, and little\nof it arrives")
    assert changes([*GOOD, bad, again, worse])[1].production == "holds the key, and little\\nof it arrives"
    assert changes([*GOOD, told("not_producing", 20, "x", "2026")])[1].production == "", (
        "of no host of that term"
    )
    assert len(changes([*GOOD, told("not_producing", 20, "b", "", "x" * 9999)])[1].production) <= 500


def test_an_empty_history_has_no_rows() -> None:
    assert changes([]) == []
    assert changes([ended(10, "a", 5)]) == []


def test_what_is_well_is_well() -> None:
    found = audit(GOOD, [150, 202, 319, 330], (90, 340), [])
    assert (found.ok, found.wrong) == (True, ())
    assert found.unknown == ("the end of term 20 (b) is not on record: its host had no time to write it",)
    assert (found.terms, found.own_blocks) == (3, 4)


def test_terms_that_overlap() -> None:
    found = audit([*GOOD[:2], began(20, "b", 195)], [], None, None)
    assert found.wrong == ("term 20 of b began at height 195, before term 10 of a ended at height 200",)
    assert not found.ok


def test_a_term_that_another_host_has_ended() -> None:
    assert audit([began(10, "a", 1), ended(10, "b", 5), began(20, "b", 6)], [], None, None).wrong == (
        "term 10 was begun by a and ended by b",
    )


def test_a_term_whose_end_alone_is_on_record() -> None:
    """As of a host that asks its guard for the key and gives way before it has it."""
    found = audit([began(10, "a", 100), ended(10, "a", 200), ended(20, "b", 210)], [205, 230], (90, 250), [])
    assert found.wrong == ("block 230 is ours, but no host of ours was active then",)
    assert "whether b ever had the key in term 20" in found.unknown[0]
    assert "whose blocks 205 are" in found.unknown[1]


def test_another_key() -> None:
    found = audit([began(10, "a", 1), began(20, "b", 6, public_key="other")], [], None, None)
    assert found.wrong == ("the terms were begun with 2 different keys",)


def test_a_block_from_when_nobody_was_to_sign() -> None:
    records = [*GOOD[:2], began(20, "b", 260), ended(20, "b", 290)]
    found = audit(records, [202, 250, 261, 291, 295], (90, 300), [])
    assert found.wrong == ("block 295 is ours, but no host of ours was active then",)
    # Who ended the first term may have known less than it had signed.
    assert [text[:20] for text in found.unknown] == ["whose blocks 250 are"]
    assert audit([], [5], (1, 9), []).wrong == ("1 blocks of ours, but no term is on record",)


def test_a_height_that_was_signed_twice() -> None:
    assert audit(GOOD, [], (1, 9), [7]).wrong == ("height 7 was signed twice",)


def test_only_what_is_shown_is_claimed() -> None:
    assert audit(GOOD[:4], [], None, []).checked[0] == "2 terms, each begun after the one before had ended"
    assert audit(GOOD, [], None, []).checked[0] == (
        "3 terms; of 2 changes, 1 have their end on record, before the next term's beginning"
    )
    overlapping = audit([*GOOD[:2], began(20, "b", 195)], [], None, [7])
    assert overlapping.checked == ("2 terms",)
    assert len(overlapping.wrong) == 2


def test_blocks_that_neard_keeps_no_more() -> None:
    found = audit(GOOD, [150], (120, 340), [], (90, 119))
    assert (found.ok, found.from_height) == (True, 120)
    assert [text for text in found.unknown if "from height 90 to 119" in text]
    nothing = audit(GOOD, [], None, [], (90, 119)).unknown
    assert not [text for text in nothing if "no neard" in text]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-01-02T00:00:00+00:00", True),
        ("2026-01-01T23:59:59.999+00:00", False),
        ("2026-01-02T01:00:00+02:00", False),
        ("2026-01-02T00:00:00Z", True),
        ("2026-01-01T00:00:00", False),
        ("", True),
    ],
)
def test_since_a_moment(at: str, shown: bool) -> None:
    assert is_since(at, datetime(2026, 1, 2, tzinfo=UTC)) is shown
    assert is_since(at, None)


def test_what_nobody_can_tell_is_said() -> None:
    unknown = audit(GOOD, [], None, None).unknown
    assert "no neard could be asked, so the chain was not looked at" in unknown
    assert any(line.startswith("whether any height was signed twice") for line in unknown)
