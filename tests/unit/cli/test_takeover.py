"""``hafailover takeover``: what it asks before it orders anything."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from hafailover.cli import takeover
from hafailover.near.rpc import Production
from hafailover.takeover import silence
from hafailover.takeover.documents import Answer, Files
from hafailover.takeover.silence import Consul

from .command import Command

SILENT = [(100 + 10 * n, Production(5, 5 + n, 0, 0, 1)) for n in range(9)]
SIGNED = [(100 + 10 * n, Production(5 + n, 5 + n, 0, 0, 1)) for n in range(9)]
STILL = [(100, Production(5, 5, 0, 0, 1))] * 9
IDLE = [(100 + 10 * n, Production(5, 5, 0, 0, 1)) for n in range(9)]


class Bench:
    """A host whose Consul and chain say what a test wants, and an agent that answers every order."""

    def __init__(self, command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._command, self._monkeypatch = command, monkeypatch
        self.files = Files(folder, "pool.near", "a")
        self.config = folder / "config.toml"
        self.config.write_text(
            f'account_id = "pool.near"\nnode_name = "a"\nstate_dir = "{folder}"\n'
            '[neard]\nrpc_address = "127.0.0.1:1"\n'
        )
        self.consul = Consul.NO_LEADER
        self.looks = list(SILENT)
        self.answers: list[str] = ["signing"]
        monkeypatch.setattr(silence.Probe, "ask", lambda _: self.consul)
        monkeypatch.setattr(takeover, "_look", lambda *_: self.looks.pop(0))
        monkeypatch.setattr(takeover, "LOOK_S", 0.0)
        monkeypatch.setattr(takeover, "WATCH_S", 0.0)
        monkeypatch.setattr(takeover, "ANSWER_S", 0.5)
        put_order: Any = Files.put_order

        def answered(files: Files, order: Any) -> None:
            put_order(files, order)
            for state in self.answers:
                self.files.put_answer(Answer.model_validate({"id": order.id, "state": state, "text": "so"}))

        monkeypatch.setattr(Files, "put_order", answered)

    def __call__(self, *words: str, typed: str = "pool.near"):  # type: ignore[no-untyped-def]
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
        return self._command("takeover", *words, "--config", str(self.config))


@pytest.fixture
def bench(hafailover: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(hafailover, tmp_path, monkeypatch)


def test_it_spells_out_the_risk_and_orders_it(bench: Bench) -> None:
    done = bench("--force")
    assert done.code == 0, done.err
    assert done.out == "so. End it with: hafailover takeover --end\n"
    assert "WITHOUT A LEASE" in done.err
    assert bench.files.order() is not None


@pytest.mark.parametrize(
    ("consul", "words", "said"),
    [
        (Consul.ANSWERS, (), "Consul answers, so a lease can be had"),
        (Consul.DOWN, (), "says nothing of the others"),
        (Consul.DOWN, ("--local-consul-down",), ""),
        (Consul.NO_COMMIT, (), ""),
    ],
)
def test_it_asks_consul_first(bench: Bench, consul: Consul, words: tuple[str, ...], said: str) -> None:
    bench.consul = consul
    done = bench("--force", *words)
    assert done.code == (5 if said else 0)
    assert said in done.err


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (SIGNED, "another host signs: 1 of the pool's blocks, chunks and endorsements"),
        (STILL, "the chain stands still"),
        (IDLE, "nothing was expected of the pool"),
    ],
)
def test_it_watches_the_chain(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, looks: list[tuple[int, Production]], said: str
) -> None:
    bench.looks = looks * 1000
    whole = takeover._look_until_sure
    monkeypatch.setattr(takeover, "LOOK_S", 0.1)
    # The command's own least is half a minute.
    monkeypatch.setattr(takeover, "_look_until_sure", lambda rpc, own, _, quiet: whole(rpc, own, 0.5, quiet))
    done = bench("--force")
    assert (done.code, said in done.err) == (5, True), done.err
    assert bench.files.order() is None


def test_where_consul_does_not_commit_it_says_what_may_be_all_it_takes(bench: Bench) -> None:
    bench.consul = Consul.NO_COMMIT
    done = bench("--force")
    assert done.code == 0
    assert "its leader carries no write out" in done.err
    assert "that may be all it takes" in done.err


def test_another_name_does_nothing(bench: Bench) -> None:
    done = bench("--force", typed="pool.test")
    assert (done.code, "nothing was done" in done.err) == (5, True)
    assert bench.files.order() is None


def test_an_agents_refusal_and_silence_are_told(bench: Bench) -> None:
    bench.answers = ["over"]
    done = bench("--force", "--json")
    assert (done.code, '"signing": false' in done.out, "refused: so" in done.err) == (5, True, True)
    bench.answers, bench.looks = [], list(SILENT)
    done = bench("--force")
    assert (done.code, "does it run on this host?" in done.err) == (5, True)
    assert bench.files.order() is None, "nobody may take it later"


@pytest.mark.parametrize("words", [(), ("--force", "--end")])
def test_it_must_be_said_what_is_wanted(bench: Bench, words: tuple[str, ...]) -> None:
    done = bench(*words)
    assert (done.code, "either --force or --end" in done.err) == (2, True)


def test_the_end(bench: Bench) -> None:
    assert bench("--end").code == 5
    bench("--force")
    bench.files.put_answer(Answer(id="x", state="over", text=""))
    done = bench("--end")
    assert (done.code, done.out) == (0, "this host has given the key up\n")
    assert bench.files.order() is None


def test_an_end_that_nobody_confirms_is_not_called_one(bench: Bench) -> None:
    bench("--force")
    done = bench("--end", "--json")
    assert (done.code, '"ended": false' in done.out) == (1, True)


def test_a_host_without_an_agent_is_told_which_folder_is_missing(bench: Bench) -> None:
    bench.config.write_text(bench.config.read_text().replace('state_dir = "', 'state_dir = "/nowhere'))
    done = bench("--force")
    assert (done.code, "state_dir" in done.err) == (2, True), done.err
