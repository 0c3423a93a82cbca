"""``hafailover status``: the exit code that scripts go by, what it prints, and how it watches."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hafailover.observe import moving

from ..near.keys import ACCOUNT
from ..observe.pool import fill
from ..observe.tiny_consul import KEYS, TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def settings(consul: TinyConsul, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAFAILOVER_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", f"http://127.0.0.1:{consul.port}")


def two_actives(consul: TinyConsul) -> None:
    fill(consul)
    consul.publish("b", "session-of-b", role="active", ready=True)


@pytest.mark.parametrize(
    ("prepare", "code", "told"),
    [
        (fill, 0, "a signs, and b and c are ready to take over"),
        (lambda consul: fill(consul, standbys=()), 1, "a signs, but no standby is ready"),
        (lambda consul: fill(consul, active=None), 1, "no host of this pool signs"),
        (two_actives, 1, "a and b both say that they are active"),
        (lambda consul: None, 1, "no host has ever joined this pool"),
    ],
    ids=["good", "no standby", "no active", "two actives", "empty"],
)
def test_only_one_active_and_a_ready_standby_are_a_yes(
    hafailover: Command, consul: TinyConsul, prepare: Callable[[TinyConsul], None], code: int, told: str
) -> None:
    prepare(consul)
    done = hafailover("status")
    assert (done.code, done.err) == (code, "")
    assert told in done.out
    plain = hafailover("status", "--json")
    assert plain.code == code
    view = json.loads(plain.out)
    assert view["ok"] is (code == 0)
    assert view["verdict"].startswith(told)


def test_a_consul_that_does_not_commit_is_a_no_and_nowhere_said_to_be_well(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "STILL_S", 0.3)
    monkeypatch.setattr(moving, "WRITE_S", 0.3)
    monkeypatch.setenv("COLUMNS", "300")
    fill(consul)
    consul.hangs.set()
    done = hafailover("status")
    assert done.code == 1
    lines = done.out.splitlines()
    assert "Consul does not commit" in lines[0]
    assert "stop Consul on 127.0.0.1:8300" in lines[0]
    assert "a signs" not in done.out
    assert "Consul: 1 servers, leader 127.0.0.1:8300, which carries nothing out" in done.out


def test_what_a_program_gets(hafailover: Command, consul: TinyConsul) -> None:
    fill(consul)
    view = json.loads(hafailover("status", "--json").out)
    assert (view["account_id"], view["active"], view["term"]) == (ACCOUNT, "a", 20)
    by_name = {host["node"]: host for host in view["hosts"]}
    assert by_name["a"]["role"] == "active"
    assert by_name["a"]["lease_left_s"] == 6.2
    assert by_name["b"]["ready"] is True


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["switchover"]], ids=" ".join)
def test_a_consul_that_does_not_answer_is_4(
    hafailover: Command, consul: TinyConsul, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    consul.down = True
    done = hafailover(*words)
    assert (done.code, done.out) == (4, "")
    assert "No cluster leader" in done.err
    monkeypatch.setenv("HAFAILOVER_CONSUL__ADDRESS", "http://127.0.0.1:1")
    done = hafailover(*words)
    assert done.code == 4
    assert "no connection to Consul" in done.err
    assert len(done.err.splitlines()) == 1


def test_without_consuls_leader_the_pool_is_still_shown_and_the_code_is_4(
    hafailover: Command, consul: TinyConsul
) -> None:
    fill(consul)
    consul.leaderless = True
    done = hafailover("status")
    assert done.code == 4
    assert "Consul has no leader; before that: a signs" in done.out
    view = json.loads(hafailover("status", "--json").out)
    assert (view["stale"], view["ok"], len(view["hosts"])) == (True, False, 3)


class Neard:
    """Answers one call of its RPC as a real one does."""

    def __init__(self, windows: object) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                raw = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": windows}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are no news."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.mark.parametrize(
    ("windows", "window"),
    [([[50, 90], [98, 104], [120, 130]], [101, 104]), ([[50, 90]], None), ("nonsense", None)],
)
def test_the_next_heights_without_a_duty(
    hafailover: Command,
    consul: TinyConsul,
    monkeypatch: pytest.MonkeyPatch,
    windows: object,
    window: list[int] | None,
) -> None:
    fill(consul)
    neard = Neard(windows)
    try:
        monkeypatch.setenv("HAFAILOVER_NEARD__RPC_ADDRESS", f"127.0.0.1:{neard.server.server_port}")
        view = json.loads(hafailover("status", "--json").out)
        assert (view["window"], view["ok"]) == (window, True)
        assert ("without a duty: 101 to 103" in hafailover("status").out) is (window is not None)
    finally:
        neard.server.shutdown()
        neard.server.server_close()


# --- --watch


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What happens in the pauses between the looks; Ctrl-C after the last."""

    def happen(*steps: Callable[[], object]) -> None:
        left = list(steps)

        def sleep(seconds: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr("hafailover.cli.status.time.sleep", sleep)

    return happen


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["table", "json"])
def test_after_ctrl_c_the_last_look_counts(
    hafailover: Command, consul: TinyConsul, between: Callable[..., None], words: list[str]
) -> None:
    fill(consul)
    between()
    assert hafailover("status", "--watch", *words).code == 0
    between(lambda: consul.expire("session-of-a"))
    assert hafailover("status", "--watch", *words).code == 1


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["table", "json"])
def test_a_consul_that_goes_away_is_shown_and_counts(
    hafailover: Command, consul: TinyConsul, between: Callable[..., None], words: list[str]
) -> None:
    fill(consul)

    def go() -> None:
        consul.down = True

    between(go)
    done = hafailover("status", "--watch", *words)
    assert done.code == 1
    assert "No cluster leader" in done.out


def test_watching_as_json_is_a_line_for_each_look(
    hafailover: Command, consul: TinyConsul, between: Callable[..., None]
) -> None:
    fill(consul)

    def go() -> None:
        consul.down = True

    def come() -> None:
        consul.down = False
        consul.put(KEYS.heartbeat, b"")

    between(lambda: None, go, come)
    lines = [json.loads(line) for line in hafailover("status", "--watch", "--json").out.splitlines()]
    assert [line["ok"] for line in lines] == [True, True, False, False]
    assert "No cluster leader" in lines[2]["error"]
    assert lines[3]["active"] is None
