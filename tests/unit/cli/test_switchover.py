"""``hafailover switchover``: exit codes, and what it says that the handover cost in time and blocks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from hafailover.cli import switchover
from hafailover.orders import following
from hafailover.text import unix_time

from ..near.keys import ACCOUNT
from ..near.servers import STATUS, Peer, Server, answer
from ..observe.pool import PAUSE_S, Active, beat, fill, publish_budget, publish_signer, publish_unknown_budget
from ..observe.tiny_consul import KEYS, TinyConsul, until
from .command import Command


class Neard:
    """neard's RPC with the pool's counts: one pair for each time it is asked, expected and produced."""

    def __init__(self) -> None:
        self.counts = [(10, 10), (10, 10)]
        self.epoch_starts = [500, 500]
        self.ended: tuple[int, int] | None = None
        """The counts at the end of the first epoch, if it is still known."""
        self.asked = 0
        self.windows: list[tuple[int, int]] | None = None
        """Heights without a duty; the head is at 120 at first. ``None``: it does not tell."""
        self.head = 120
        self.block_s: float | None = None
        """By its blocks' timestamps. ``None``: it does not tell."""

    def __call__(self, peer: Peer) -> None:
        if peer.request.startswith(b"GET /status"):
            sync = {**STATUS["sync_info"], "latest_block_height": self.head}
            answer({**STATUS, "sync_info": sync})(peer)
            return
        asked = json.loads(peer.request.partition(b"\r\n\r\n")[2])
        if asked["method"] == "block" and asked["params"] == {"block_id": self.epoch_starts[1]}:
            answer({"result": {"header": {"prev_hash": "last"}}})(peer)
        elif asked["method"] == "maintenance_windows" and self.windows is not None:
            answer({"result": self.windows})(peer)
        elif asked["method"] == "block" and self.block_s is not None:
            made_at = unix_time(STATUS["sync_info"]["latest_block_time"])
            made_at -= (self.head - asked["params"]["block_id"]) * self.block_s
            answer({"result": {"header": {"timestamp_nanosec": f"{int(made_at * 1e9)}"}}})(peer)
        elif asked["method"] in ("maintenance_windows", "block"):
            answer({"error": {"cause": {"name": "INTERNAL_ERROR"}}})(peer)
        elif asked["params"] == ["last"] and self.ended is None:
            answer({"error": {"cause": {"name": "UNKNOWN_EPOCH"}}})(peer)
        elif asked["params"] == ["last"] and self.ended is not None:
            self._tell(peer, *self.ended, self.epoch_starts[0])
        else:
            self._count(peer)

    def _count(self, peer: Peer) -> None:
        number = min(self.asked, 1)
        self.asked += 1
        self._tell(peer, *self.counts[number], self.epoch_starts[number])

    def _tell(self, peer: Peer, expected: int, produced: int, epoch_start: int) -> None:
        entry = {
            "account_id": ACCOUNT,
            "num_expected_blocks": expected,
            "num_produced_blocks": produced,
            "num_expected_chunks": 0,
            "num_produced_chunks": 0,
        }
        result = {"current_validators": [entry], "epoch_start_height": epoch_start}
        answer({"jsonrpc": "2.0", "id": "hafailover", "result": result})(peer)


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")
    monkeypatch.setattr(switchover, "SETTLE_S", 0.0)
    monkeypatch.setattr(switchover, "ARRIVES_WITHIN_S", 0.0)


@pytest.fixture
def neard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neard]:
    one = Neard()
    with Server(one) as server:
        monkeypatch.setenv("HAFAILOVER_NEARD__RPC_ADDRESS", f"{server.host}:{server.port}")
        yield one


def test_what_it_cost(hafailover: Command, consul: TinyConsul, neard: Neard) -> None:
    fill(consul)
    Active(consul)
    neard.counts = [(10, 9), (16, 13)]
    done = hafailover("switchover", "--at-once", "--to", "c", "--json")
    assert (done.code, done.err) == (0, "")
    moved = json.loads(done.out)
    assert set(moved) == {
        "from_node",
        "to_node",
        "term",
        "gap_s",
        "total_s",
        "blocks_missed",
        "chunks_missed",
        "endorsements_missed",
        "producing",
        "production",
    }
    assert (moved["from_node"], moved["to_node"], moved["term"]) == ("a", "c", 33)
    assert moved["gap_s"] >= PAUSE_S / 4
    # Six more were expected and four more came; the one missed before is none of the handover's.
    assert moved["blocks_missed"] == 2


@pytest.mark.parametrize("how", [(), ("--now",), ("--at", "5000"), ("--dry-run",)], ids=" ".join)
def test_a_handover_waits_for_a_better_epoch(
    hafailover: Command, consul: TinyConsul, how: tuple[str, ...]
) -> None:
    fill(consul)
    publish_budget(consul, missable=49)
    refused = hafailover("switchover", *how)
    assert (refused.code, refused.out) == (5, "")
    assert refused.err.strip() == (
        "hafailover: not switched over: budget low: 49 of 99 chunks may still be missed on shard 3 in this "
        "epoch, some 5 min without any, then the network gives its chunks to others (EarlyKickout). What is "
        "missed counts until the epoch ends, in 41201 blocks. To go on all the same, as where that ends the "
        "loss: --despite-budget"
    )
    assert consul.get(KEYS.request) is None


def test_a_handover_that_ends_the_loss_can_be_had(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    publish_budget(consul, missable=0)
    Active(consul)
    assert hafailover("switchover", "--now", "--despite-budget").code == 0


@pytest.mark.parametrize("how", ["--now", "--at-once"])
@pytest.mark.parametrize("option", [[], ["--despite-budget"]], ids=["-", "despite"])
def test_a_wish_carries_what_it_was_put_with(
    hafailover: Command, consul: TinyConsul, neard: Neard, how: str, option: list[str]
) -> None:
    """The active's agent looks at the budget, too."""
    fill(consul)
    Active(consul)
    assert hafailover("switchover", how, *option).code == 0
    assert consul.get(KEYS.request)["despite_budget"] is bool(option)


@pytest.mark.parametrize("option", [[], ["--despite-budget"]], ids=["-", "despite"])
def test_a_plan_carries_what_it_was_ordered_with(
    hafailover: Command, consul: TinyConsul, option: list[str]
) -> None:
    """The active's agent looks at the budget again when its time has come."""
    fill(consul)
    assert hafailover("switchover", "--no-wait", *option).code == 0
    assert consul.get(KEYS.orders + "plan")["despite_budget"] is bool(option)


def test_what_is_left_over_half_holds_nothing_back(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    """Nor does what a host that is gone has said."""
    fill(consul)
    publish_budget(consul, missable=50)
    publish_budget(consul, missable=0, node="c", alive=False)
    Active(consul)
    assert hafailover("switchover", "--now").code == 0


def test_that_the_budget_is_not_known_is_said_before_the_key_moves(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    publish_unknown_budget(consul, 90.0, "no answer within 5 s")
    Active(consul)
    done = hafailover("switchover", "--now", "--json")
    assert done.code == 0
    assert "budget not known: for 90 s a's neard has not told" in done.err
    assert json.loads(done.out)["to_node"] == "b"


@pytest.mark.parametrize("silent_s", [0.0, 90.0])
@pytest.mark.parametrize(
    "how", [("--dry-run",), ("--no-wait",), ("--dry-run", "--despite-budget")], ids=" ".join
)
def test_a_plan_for_programs_tells_that_the_budget_is_not_known(
    hafailover: Command, consul: TinyConsul, neard: Neard, how: tuple[str, ...], silent_s: float
) -> None:
    fill(consul)
    neard.windows = [(126, 131)]
    if silent_s:
        publish_unknown_budget(consul, silent_s, "no answer within 5 s")
    told = json.loads(hafailover("switchover", *how, "--json").out)["budget_unknown"]
    assert told == (
        "budget not known: for 90 s a's neard has not told how much may still be missed in this epoch "
        "(no answer within 5 s)"
        if silent_s
        else ""
    )


def test_a_person_reads_the_same(hafailover: Command, consul: TinyConsul, neard: Neard) -> None:
    fill(consul)
    Active(consul)
    done = hafailover("switchover", "--at-once")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "handing over to b"
    assert lines[1].startswith("b is active in term 33: ")
    assert "ms between the two" in lines[1]
    assert lines[2] == "missed: 0 blocks, 0 chunks, 0 endorsements"
    assert lines[3] == "b signs, and produces (last block 2 s ago, 9 of 9 duties)"


def test_now_is_the_best_moment_of_the_next_seconds(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    active = Active(consul)
    neard.windows = [(121, 124), (126, 131), (150, 190)]
    done = hafailover("switchover", "--now")
    assert done.code == 0
    assert done.out.splitlines()[:2] == [
        "no duty at 126 to 130: the key moves before it",
        "handing over to b",
    ]
    assert (active.asked["from_height"], active.asked["to_height"]) == (125, 0)


def test_a_moment_that_neard_takes_back_is_let_go_before_the_key_moves(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    """Windows are a forecast: the wish is changed in place, so that its target need not prepare again."""
    fill(consul)
    neard.windows = [(125, 131), (150, 190)]
    wishes: list[tuple[str, int]] = []

    def heights() -> list[int]:
        wish = consul.get(KEYS.request)
        if not wishes or wishes[-1] != (wish["id"], wish["from_height"]):
            wishes.append((wish["id"], wish["from_height"]))
        return [height for _, height in wishes]

    def play() -> None:
        consul.await_key(KEYS.request)
        until(lambda: heights() == [124], "the first choice")
        neard.windows, neard.head = [(126, 128), (150, 190)], 123
        until(lambda: heights() == [124, 125], "another choice")
        neard.windows, neard.head = [(150, 190)], 124
        until(lambda: heights() == [124, 125, 0], "none is left")
        consul.put(KEYS.answer, {"id": wishes[-1][0], "accepted": True, "reason": "handing over to b"})
        publish_signer(consul, "b")
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    done = hafailover("switchover", "--now")
    assert len({name for name, _ in wishes}) == 1
    assert [height for _, height in wishes] == [124, 125, 0]
    assert (done.code, done.err) == (0, "")
    first, second, third, *_ = done.out.splitlines()
    assert first == "no duty at 125 to 130: the key moves before it"
    assert second == "neard has a duty at 125 now; no duty at 126 to 127: the key moves before it"
    assert third.startswith("neard has a duty at 126 now; no height of the next ")
    assert third.endswith(" s is free of duties: the key moves at once")


def test_a_moment_that_ends_as_the_key_moves_was_not_taken_back(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    neard.windows = [(125, 131), (150, 190)]

    def play() -> None:
        wish = consul.await_key(KEYS.request)
        consul.put(KEYS.answer, {"id": wish["id"], "accepted": True, "reason": "handing over to b"})
        time.sleep(0.5)
        neard.windows, neard.head = [(150, 190)], 130
        time.sleep(0.5)
        publish_signer(consul, "b")
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    done = hafailover("switchover", "--now")
    assert (done.code, done.err) == (0, "")
    first, second, third, *_ = done.out.splitlines()
    assert (first, second) == ("no duty at 125 to 130: the key moves before it", "handing over to b")
    assert third.startswith("b is active in term 33")


def test_a_neard_that_falls_silent_leaves_the_moment_as_it_is(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    neard.windows = [(125, 131)]

    def play() -> None:
        wish = consul.await_key(KEYS.request)
        neard.windows, neard.head = None, 123
        time.sleep(0.5)
        consul.put(KEYS.answer, {"id": wish["id"], "accepted": True, "reason": "handing over to b"})
        publish_signer(consul, "b")
        consul.put_beat(beat("b", 33))

    threading.Thread(target=play, daemon=True).start()
    done = hafailover("switchover", "--now")
    assert done.code == 0
    assert consul.get(KEYS.request)["from_height"] == 124
    told = "neard does not tell whether that height is free still (maintenance_windows: INTERNAL_ERROR)"
    assert done.out.splitlines().count(told) == 1


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        ([(150, 190)], "no height of the next 10 s is free of duties: the key moves at once"),
        ([], "no height of the next 10 s is free of duties: the key moves at once"),
        (None, "neard does not tell when it has no duty (maintenance_windows: INTERNAL_ERROR): "),
    ],
)
def test_without_a_better_moment_it_is_at_once(
    hafailover: Command, consul: TinyConsul, neard: Neard, windows: list[tuple[int, int]] | None, told: str
) -> None:
    fill(consul)
    active = Active(consul)
    neard.windows = windows
    done = hafailover("switchover", "--now")
    assert done.code == 0
    assert done.out.splitlines()[0].startswith(told)
    assert (active.asked["from_height"], active.asked["to_height"]) == (0, 0)


def test_at_once_looks_for_no_moment(hafailover: Command, consul: TinyConsul, neard: Neard) -> None:
    fill(consul)
    active = Active(consul)
    neard.windows = [(126, 131)]
    done = hafailover("switchover", "--at-once")
    assert done.out.splitlines()[0] == "handing over to b"
    assert active.asked["from_height"] == 0


@pytest.mark.parametrize(
    ("how", "when"),
    [
        ("--now", "within seconds, at height 126, free of duties up to 130"),
        ("--at-once", "at once"),
        ("--in-window", "at height 180, free of duties up to 189"),
    ],
)
def test_a_dry_run_says_when(
    hafailover: Command, consul: TinyConsul, neard: Neard, how: str, when: str
) -> None:
    fill(consul)
    neard.windows = [(126, 131), (180, 190)] if how != "--in-window" else [(180, 190)]
    done = hafailover("switchover", how, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"a would hand over to b {when}; b is ready. Nothing was done."


@pytest.mark.parametrize(("block_s", "height"), [(1.0, 125), (0.2, 137)])
def test_a_dry_run_names_the_height_that_would_be_taken(
    hafailover: Command, consul: TinyConsul, neard: Neard, block_s: float, height: int
) -> None:
    fill(consul)
    neard.windows, neard.block_s = [(118, 300)], block_s
    assert json.loads(hafailover("switchover", "--dry-run", "--json").out)["start"] == height


def test_of_the_two_only_one_is_meant(hafailover: Command) -> None:
    done = hafailover("switchover", "--now", "--at-once")
    assert "--now and --at-once: one of them, please" in done.err


def test_blocks_that_are_made_up_for_are_not_negative(
    hafailover: Command, consul: TinyConsul, neard: Neard
) -> None:
    fill(consul)
    Active(consul)
    neard.counts = [(10, 8), (12, 12)]
    assert json.loads(hafailover("switchover", "--at-once", "--json").out)["blocks_missed"] == 0


@pytest.mark.parametrize(("ended", "missed"), [((13, 12), 3), (None, None)], ids=["known", "not known"])
def test_across_an_epochs_end_both_epochs_count(
    hafailover: Command, consul: TinyConsul, neard: Neard, ended: tuple[int, int] | None, missed: int | None
) -> None:
    """The counts begin anew, so their difference means nothing without those at the end."""
    fill(consul)
    Active(consul)
    neard.counts, neard.epoch_starts, neard.ended = [(10, 10), (2, 0)], [500, 1000], ended
    assert json.loads(hafailover("switchover", "--at-once", "--json").out)["blocks_missed"] == missed


@pytest.mark.parametrize("rpc", [None, "127.0.0.1:1"], ids=["not set", "does not answer"])
def test_without_neard_it_switches_over_all_the_same(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, rpc: str | None
) -> None:
    if rpc is not None:
        monkeypatch.setenv("HAFAILOVER_NEARD__RPC_ADDRESS", rpc)
    fill(consul)
    Active(consul)
    done = hafailover("switchover", "--at-once")
    assert done.code == 0
    assert "missed: unknown" in done.out


@pytest.mark.parametrize(
    ("to", "told"), [("a", "a is the active already"), ("x", "no host named x is known")]
)
def test_a_refusal_is_5(hafailover: Command, consul: TinyConsul, to: str, told: str) -> None:
    fill(consul)
    done = hafailover("switchover", "--at-once", "--to", to)
    assert (done.code, done.out) == (5, "")
    assert f"hafailover: not switched over: {told}" in done.err
    assert len(done.err.splitlines()) == 1


def test_the_actives_own_refusal_is_5(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    Active(consul, accepted=False)
    done = hafailover("switchover", "--at-once", "--json")
    assert (done.code, done.out) == (5, "")
    assert "b is not prepared" in done.err


@pytest.mark.parametrize("taker", ["b", "a"], ids=["a third one", "the one that handed over"])
def test_it_is_6_where_another_than_the_named_host_signs_now(
    hafailover: Command, consul: TinyConsul, taker: str
) -> None:
    """`switchover --to c && ssh a reboot` must not reboot the host that signs, nor a plan go on without c."""
    fill(consul)
    Active(consul, taker=taker)
    done = hafailover("switchover", "--at-once", "--to", "c")
    assert done.code == 6
    assert f"{taker} is active in term 33" in done.out
    assert f"hafailover: c was to take over, but {taker} signs" in done.err


def test_without_a_named_host_it_is_6_where_the_same_one_signs_on(
    hafailover: Command, consul: TinyConsul
) -> None:
    fill(consul)
    Active(consul, taker="a")
    done = hafailover("switchover", "--at-once", "--json")
    assert done.code == 6
    assert json.loads(done.out)["to_node"] == "a"


def test_without_a_named_host_any_other_will_do(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    Active(consul, taker="c")
    assert hafailover("switchover", "--at-once").code == 0


def planned(
    consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, taker: str, grade: str | None = "good"
) -> None:
    """The active's agent carries each plan out at once."""

    def follow(*_: object) -> following.Moved:
        publish_signer(consul, taker, grade)
        consul.put_beat(beat(taker, 33))
        return following.Moved("a", taker, 33, 50, 53, 2.0)

    monkeypatch.setattr(following, "follow", follow)


@pytest.mark.parametrize(
    ("to", "taker", "code"), [("c", "c", 0), ("c", "b", 6), (None, "b", 0), (None, "a", 6)]
)
def test_a_planned_one_says_the_same(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    to: str | None,
    taker: str,
    code: int,
) -> None:
    fill(consul)
    planned(consul, monkeypatch, taker)
    done = hafailover("switchover", *(["--to", to] if to else []))
    assert (done.code, f"{taker} is active in term 33" in done.out) == (code, True)


# --- what comes of what the new holder signs


@pytest.mark.parametrize("how", ["planned", "--now", "--at-once"])
@pytest.mark.parametrize(
    ("grade", "told"),
    [
        ("deaf", "b holds the key, and nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC"),
        ("doubt", "b holds the key, and what it does is not seen to arrive yet: 0 of 9 blocks since"),
        ("still", "b holds the key, but the chain stands still, or this site is cut off from it"),
    ],
)
def test_it_is_1_where_nothing_of_what_the_new_holder_signs_arrives(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    grade: str,
    told: str,
) -> None:
    """`switchover && ssh a reboot` must not go on: the key has moved, and the validator does nothing."""
    fill(consul)
    if how == "planned":
        planned(consul, monkeypatch, "b", grade)
        done = hafailover("switchover")
    else:
        Active(consul, grade=grade)
        done = hafailover("switchover", how)
    assert (done.code, "b is active in term 33" in done.out) == (1, True)
    assert f"hafailover: {told}" in done.err
    assert "; see docs/runbook.md#hafailovernotproducing" in done.err


@pytest.mark.parametrize("how", ["planned", "--at-once"])
@pytest.mark.parametrize(
    ("grade", "producing", "begins", "code"),
    [
        ("good", True, "signs, and produces", 0),
        ("deaf", False, "holds the key, and nothing of it arrives", 1),
        ("not due", None, "signs, and no duty has been due since 13:02:11 UTC", 0),
        (None, None, "", 0),
    ],
)
def test_a_program_reads_whether_it_produces(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    grade: str | None,
    producing: bool | None,
    begins: str,
    code: int,
) -> None:
    fill(consul)
    if how == "planned":
        planned(consul, monkeypatch, "b", grade)
        done = hafailover("switchover", "--json")
    else:
        Active(consul, grade=grade)
        done = hafailover("switchover", how, "--json")
    moved = json.loads(done.out)
    assert (done.code, moved["producing"]) == (code, producing)
    assert moved["production"].startswith(begins)


@pytest.mark.parametrize(
    ("grade", "told"),
    [
        (None, "b signs; whether it produces is not known yet"),
        ("unknown", "b signs; whether it produces is not known yet"),
        (
            "not due",
            "b signs, and no duty has been due since 13:02:11 UTC; whether it produces is not known yet",
        ),
    ],
)
def test_what_is_not_known_yet_is_not_called_good(
    hafailover: Command, consul: TinyConsul, grade: str | None, told: str
) -> None:
    fill(consul)
    Active(consul, grade=grade)
    done = hafailover("switchover", "--at-once")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == told


def test_what_is_bad_at_first_is_looked_at_for_a_while(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network has to learn of the new holder: what it missed meanwhile is no failure."""
    monkeypatch.setattr(switchover, "ARRIVES_WITHIN_S", 20.0)
    fill(consul)
    Active(consul, grade="doubt")

    def heal() -> None:
        until(lambda: consul.get(KEYS.heartbeat)["node"] == "b", "b's beat")
        time.sleep(1.0)
        publish_signer(consul, "b", "good")

    threading.Thread(target=heal, daemon=True).start()
    done = hafailover("switchover", "--at-once")
    assert (done.code, done.err) == (0, "")
    assert "b signs, and produces" in done.out


def test_it_is_1_where_nobody_signs_in_the_end(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    Active(consul)

    def die() -> None:
        until(lambda: consul.get(KEYS.nodes + "b")["role"] == "active", "b signs")
        consul.publish("b", None, role="active")

    threading.Thread(target=die, daemon=True).start()
    done = hafailover("switchover", "--at-once")
    assert (done.code, "b is active in term 33" in done.out) == (1, True)
    assert "hafailover: no host of this pool signs" in done.err


def test_it_is_4_where_consul_fails_before_that_is_known(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(consul)
    planned(consul, monkeypatch, "b")
    moves = following.follow

    def follow(*_: object) -> following.Moved:
        moved = moves(consul.address, ACCOUNT, None, "a", print, 1.0)  # type: ignore[arg-type]
        consul.down = True
        return moved

    monkeypatch.setattr(following, "follow", follow)
    done = hafailover("switchover", "--json")
    assert (done.code, json.loads(done.out)["producing"]) == (4, None)
    assert "hafailover: who signs now is not known: Consul could not be asked: " in done.err
