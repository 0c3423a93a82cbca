"""Whether what history and chain show fits a pool that never had two signers. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hafailover.observe.records import TermRecord

AFTER_END = 2
"""A block from a term's last moment stands a height or two above the head that it ended with."""


@dataclass(frozen=True, slots=True)
class Audit:
    """``wrong``: what must not be. ``unknown``: what could not be told, and why."""

    terms: int
    own_blocks: int
    from_height: int | None
    to_height: int | None
    wrong: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    checked: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return not self.wrong

    def to_plain(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}


def audit(
    records: Sequence[TermRecord],
    own_blocks: Sequence[int],
    heights: tuple[int, int] | None,
    signed_twice: Iterable[int] | None,
    not_kept: tuple[int, int] | None = None,
) -> Audit:
    """:param own_blocks: heights of the pool's blocks between ``heights``, both ends included.
    :param signed_twice: heights with two blocks of the pool's, where a node keeps evidence; else ``None``.
    :param not_kept: heights that were to be looked at, and whose blocks neard does not keep any more.
    """
    began = {record.term: record for record in records if record.event == "began"}
    ended = {record.term: record for record in records if record.event == "ended"}
    terms = sorted(began)
    overlaps = _overlaps(terms, began, ended)
    wrong = [*overlaps, *_keys(began.values())]
    unknown = [
        f"the end of term {term} ({began[term].node}) is not on record: its host had no time to write it"
        for term in terms[:-1]
        if term not in ended
    ]
    unknown += [
        f"whether {record.node} ever had the key in term {term}: only the end is on record, as where a host "
        "asks for the key and gives way before it has it, or dies before it can write"
        for term, record in ended.items()
        if term not in began
    ]
    checked = [_said_of(terms, ended, bool(overlaps))]
    if heights is None and not_kept is None:
        unknown.append("no neard could be asked, so the chain was not looked at")
    elif heights is not None:
        strays, late = _strays(own_blocks, terms, began, ended)
        wrong += strays
        unknown += late
        checked.append(f"{len(own_blocks)} blocks of ours from height {heights[0]} to {heights[1]}")
    if not_kept is not None:
        unknown.append(
            f"whose the blocks from height {not_kept[0]} to {not_kept[1]} are: this neard keeps them no more "
            "(an archival node does)"
        )
    if signed_twice is None:
        unknown.append(
            "whether any height was signed twice: a chain keeps one block of each height, and neard keeps no "
            "evidence of another (the stand-in localneard does)"
        )
    else:
        twice = [f"height {height} was signed twice" for height in signed_twice]
        wrong += twice
        if not twice:
            checked.append("the node that was asked has no evidence of two blocks of ours at one height")
    low, high = heights if heights is not None else (None, None)
    return Audit(len(terms), len(own_blocks), low, high, tuple(wrong), tuple(unknown), tuple(checked))


def _said_of(terms: Sequence[int], ended: dict[int, TermRecord], overlap: bool) -> str:
    changes = max(0, len(terms) - 1)
    known = sum(term in ended for term in terms[:-1])
    text = f"{len(terms)} terms"
    if overlap or not changes:
        return text
    if known == changes:
        return f"{text}, each begun after the one before had ended"
    return f"{text}; of {changes} changes, {known} have their end on record, before the next term's beginning"


def _overlaps(terms: Sequence[int], began: dict[int, TermRecord], ended: dict[int, TermRecord]) -> list[str]:
    wrong = []
    for before, after in itertools.pairwise(terms):
        end, start = ended.get(before), began[after]
        if end is not None and start.height < end.height:
            wrong.append(
                f"term {after} of {start.node} began at height {start.height}, before term {before} of "
                f"{end.node} ended at height {end.height}"
            )
        if end is not None and end.node != began[before].node:
            wrong.append(f"term {before} was begun by {began[before].node} and ended by {end.node}")
    return wrong


def _keys(began: Iterable[TermRecord]) -> list[str]:
    keys = {record.public_key for record in began if record.public_key}
    return [f"the terms were begun with {len(keys)} different keys"] if len(keys) > 1 else []


def _strays(
    own_blocks: Sequence[int],
    terms: Sequence[int],
    began: dict[int, TermRecord],
    ended: dict[int, TermRecord],
) -> tuple[list[str], list[str]]:
    """Blocks of ours from heights at which nobody of ours was to sign, and those that may be late ones.

    The end of a term has the last head that its host knew of: where that died, or its agent, it knew of less.
    A term whose beginning is not on record may have been one of a host with the key.
    """
    if not terms:
        return ([f"{len(own_blocks)} blocks of ours, but no term is on record"] if own_blocks else []), []
    first = began[terms[0]].height
    spans = []
    for term, following in zip(terms, [*terms[1:], None], strict=True):
        until = began[following].height if following is not None else 1 << 63
        known = ended[term].height + AFTER_END if term in ended else until
        spans.append((began[term].height, known, until if term in ended and following is not None else known))
    strays = [
        height
        for height in own_blocks
        if height > first and not any(low <= height <= known for low, known, _ in spans)
    ]
    for term in ended.keys() - began.keys():
        # It may have had the key from any moment after the term before it.
        before = [one.height for number, one in (*began.items(), *ended.items()) if number < term]
        spans.append((max(before, default=first), first, ended[term].height + AFTER_END))
    late = [height for height in strays if any(low <= height <= until for low, _, until in spans)]
    sure = [height for height in strays if height not in late]
    said = [f"block {height} is ours, but no host of ours was active then" for height in sure]
    if not late:
        return said, []
    shown = ", ".join(map(str, late[:10])) + (" ..." if late[10:] else "")
    return said, [
        f"whose blocks {shown} are: they are ours, from after the end on record of a term, whose host may "
        "have known no better, and before the next began, or from a term whose beginning is not on record"
    ]
