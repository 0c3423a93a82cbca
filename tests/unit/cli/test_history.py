"""``history`` and ``audit`` as a person or a program calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hafailover.lock.keys import PoolKeys

from ..near.servers import STATUS, Peer, Server, answer
from ..observe.tiny_consul import ACCOUNT, TinyConsul
from .command import Command

HEAD = 340
NOW = datetime.now(UTC)
OLD, NEW = (NOW - timedelta(days=9)).isoformat(), (NOW - timedelta(hours=1)).isoformat()
MISSED = {"blocks_missed": 1, "chunks_missed": 3, "endorsements_missed": 2}
ENTRIES: list[dict[str, Any]] = [
    {"event": "began", "term": 10, "node": "a", "height": 100, "at": OLD, "cause": "no predecessor"},
    {"event": "ended", "term": 10, "node": "a", "height": 200, "at": OLD, "cause": "switchover asked for"},
    {"event": "began", "term": 20, "node": "b", "height": 201, "at": NEW, "silent_s": 0.1},
    {
        "event": "measured",
        "term": 20,
        "node": "b",
        "blocks_missed": 1,
        "chunks_missed": 3,
        "endorsements_missed": 2,
    },
    {"event": "not_producing", "term": 20, "node": "b", "cause": "holds the key, and\x1b[2J", "at": NEW},
    {"event": "producing", "term": 10, "node": "a", "cause": "signs, and produces", "at": OLD},
    {"event": "drill", "term": 20, "node": "b", "cause": "switchover: handed over", "ok": False, "at": NEW},
]


def keep(consul: TinyConsul, *entries: dict[str, Any]) -> None:
    for entry in entries:
        consul.put(f"{PoolKeys(ACCOUNT).history}{entry['term']:020d}.{entry['event']}", entry)


class Neard:
    """neard's RPC over a chain of which every tenth block is the pool's."""

    def __init__(self) -> None:
        self.earliest: int | None = 0
        self.own = range(0, HEAD + 1, 10)
        self.signed_twice: list[dict[str, Any]] | None = None
        self.asked: list[int] = []

    def __call__(self, peer: Peer) -> None:
        path = peer.request.split(b" ")[1]
        if path == b"/status":
            sync = {
                **STATUS["sync_info"],
                "latest_block_height": HEAD,
                "earliest_block_height": self.earliest,
            }
            answer({**STATUS, "sync_info": sync})(peer)
        elif path == b"/localneard/double_signs":
            answer(self.signed_twice if self.signed_twice is not None else {})(peer)
        else:
            height = json.loads(peer.request.partition(b"\r\n\r\n")[2])["params"]["block_id"]
            self.asked.append(height)
            answer({"result": {"author": ACCOUNT if height in self.own else "other"}})(peer)


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    keep(consul, *ENTRIES)


@pytest.fixture
def neard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neard]:
    one = Neard()
    with Server(one) as server:
        monkeypatch.setenv("HAFAILOVER_NEARD__RPC_ADDRESS", f"{server.host}:{server.port}")
        yield one


def test_the_changes_and_the_drills(hafailover: Command) -> None:
    lines = hafailover("history").out.splitlines()
    assert lines[1].split()[2:4] == ["10", "-"]
    assert lines[2].split()[2:] == [
        "20",
        "a",
        "b",
        "200",
        ">",
        "201",
        "0.1",
        "s",
        "1+3+2",
        "switchover",
        "asked",
        "for",
    ]
    assert lines[-1].startswith("drill ")
    assert "FAILED" in lines[-1]
    assert lines[-1].endswith("missed ?")
    assert lines[-3:-1] == [
        f"production {OLD}: term 10: a signs, and produces",
        f"production {NEW}: term 20: b holds the key, and\\x1b[2J",
    ]


@pytest.mark.parametrize(
    ("since", "terms", "drills"),
    [("2h", [20], 1), ("30d", [10, 20], 1), ("9999-01-01", [], 0), (OLD, [10, 20], 1)],
)
def test_since(hafailover: Command, since: str, terms: list[int], drills: int) -> None:
    shown = json.loads(hafailover("history", "--json", "--since", since).out)
    assert [row["term"] for row in shown["changes"]] == terms
    assert len(shown["drills"]) == drills
    # Whom it was taken from is known all the same.
    assert [row["from_node"] for row in shown["changes"] if row["term"] == 20] == ["a"] * (20 in terms)


def test_nothing_since_then(hafailover: Command) -> None:
    assert hafailover("history", "--since", "9999-01-01").out == "the signer has not changed since then\n"


@pytest.mark.parametrize("since", ["yesterday", "7", "7w", "2026-13-01", "999999d"])
def test_since_no_time_at_all(hafailover: Command, since: str) -> None:
    done = hafailover("history", "--since", since)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("hafailover: --since: ")


def test_a_clean_audit(hafailover: Command, neard: Neard) -> None:
    done = hafailover("audit", "--blocks", "100", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["ok"], found["from_height"], found["to_height"], found["own_blocks"]) == (
        True,
        241,
        HEAD,
        10,
    )
    assert neard.asked == list(range(241, HEAD + 1))
    # What a real neard cannot tell is not claimed.
    assert [text for text in found["unknown"] if "signed twice" in text]


@pytest.mark.parametrize(
    ("words", "heights"),
    [
        (["--from-height", "300"], (300, HEAD)),
        (["--from-height", "190", "--blocks", "20"], (190, 209)),
        (["--from-height", "335", "--blocks", "20"], (335, HEAD)),
        (["--blocks", "1000"], (0, HEAD)),
    ],
)
def test_which_heights_are_looked_at(
    hafailover: Command, neard: Neard, words: list[str], heights: tuple[int, int]
) -> None:
    hafailover("audit", *words, "--json")
    assert neard.asked == list(range(heights[0], heights[1] + 1))


def test_a_height_that_is_not_there_yet(hafailover: Command, neard: Neard) -> None:
    done = hafailover("audit", "--from-height", "341")
    assert (done.code, done.out) == (2, "")
    assert "--from-height: 341 is above this neard's head, 340" in done.err


def test_heights_that_neard_keeps_no_more_are_told(hafailover: Command, neard: Neard) -> None:
    neard.earliest = 330
    found = json.loads(hafailover("audit", "--blocks", "100", "--json").out)
    assert (found["from_height"], neard.asked[0]) == (330, 330)
    assert [text for text in found["unknown"] if "from height 241 to 329" in text]


def test_an_overlap_is_found_with_and_without_a_chain(hafailover: Command, consul: TinyConsul) -> None:
    keep(consul, {"event": "ended", "term": 20, "node": "b", "height": 300})
    keep(consul, {"event": "began", "term": 30, "node": "c", "height": 290})
    done = hafailover("audit")
    assert done.code == 1
    assert "WRONG      term 30 of c began at height 290, before term 20 of b ended at height 300" in done.out
    assert "each begun after" not in done.out


def test_evidence_of_two_blocks_of_ours(hafailover: Command, neard: Neard) -> None:
    neard.signed_twice = [{"height": 250, "account_id": ACCOUNT}, {"height": 251, "account_id": "other"}]
    done = hafailover("audit", "--json")
    assert (done.code, json.loads(done.out)["wrong"]) == (1, ["height 250 was signed twice"])
    assert not [text for text in json.loads(done.out)["checked"] if "no evidence" in text]


@pytest.mark.parametrize("rpc", [None, "127.0.0.1:1"], ids=["not set", "does not answer"])
def test_without_a_chain_nothing_is_proven(
    hafailover: Command, monkeypatch: pytest.MonkeyPatch, rpc: str | None
) -> None:
    if rpc is not None:
        monkeypatch.setenv("HAFAILOVER_NEARD__RPC_ADDRESS", rpc)
    done = hafailover("audit")
    assert done.code == 4
    assert "neard" in done.err
    assert "unknown    no neard could be asked, so the chain was not looked at" in done.out


@pytest.mark.parametrize("name", ["history", "audit"])
def test_without_consul(hafailover: Command, consul: TinyConsul, name: str) -> None:
    consul.down = True
    done = hafailover(name)
    assert (done.code, done.out) == (4, "")
    assert "the history cannot be read" in done.err
