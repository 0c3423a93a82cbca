"""``hafailover status`` from the agent of this host: the same as without it, and nothing slow is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hafailover.config.load import consul_address, load_settings
from hafailover.local import client, start
from hafailover.observe.records import NodeRecord

from ..near.keys import ACCOUNT
from ..observe.pool import fill
from ..observe.tiny_consul import TinyConsul
from .command import Command


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no reason for an answer to be late."""
    monkeypatch.setattr(client, "HELLO_S", 20.0)
    monkeypatch.setattr(client, "ANSWER_S", 20.0)


@pytest.fixture
def config(tmp_path: Path, consul: TinyConsul) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(
        f'account_id = "{ACCOUNT}"\nnode_name = "a"\nstate_dir = "{tmp_path}"\n'
        f'[consul]\naddress = "http://127.0.0.1:{consul.port}"\n'
    )
    return path


@pytest.fixture
def agent(config: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Starts an agent's side; from then on, nothing else may look."""

    def answers() -> None:
        settings = load_settings(config)
        start.serve(settings, consul_address(settings))
        monkeypatch.delattr("hafailover.cli.app.make_app")

    return answers


def leaderless(consul: TinyConsul) -> None:
    fill(consul)
    consul.leaderless = True


def down(consul: TinyConsul) -> None:
    consul.down = True


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "JSON"])
@pytest.mark.parametrize(
    ("prepare", "code"),
    [(fill, 0), (lambda consul: fill(consul, standbys=()), 1), (leaderless, 4), (down, 4)],
    ids=["good", "no standby", "no leader", "no Consul"],
)
def test_it_says_the_same(
    hafailover: Command,
    consul: TinyConsul,
    config: Path,
    agent: Callable[[], None],
    prepare: Callable[[TinyConsul], None],
    code: int,
    words: list[str],
) -> None:
    prepare(consul)
    slow = hafailover("status", *words, "--config", str(config))
    agent()
    quick = hafailover("status", *words, "--config", str(config))
    assert quick == slow
    assert quick.code == code
    assert quick.out or quick.err


@pytest.mark.parametrize(
    "words", [["-c", "FILE", "--json"], ["--json", "--config=FILE"], ["--json", "--config", "FILE", "--json"]]
)
def test_the_usual_forms_are_quick(
    hafailover: Command, consul: TinyConsul, config: Path, agent: Callable[[], None], words: list[str]
) -> None:
    fill(consul)
    agent()
    done = hafailover("status", *(word.replace("FILE", str(config)) for word in words))
    assert json.loads(done.out)["active"] == "a"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--help"], "Show the pool."),
        (["--nonsense"], "No such option"),
        (["--config"], "requires an argument"),
        (["--js"], "No such option"),
    ],
    ids=" ".join,
)
def test_all_others_take_the_way_of_every_command(
    hafailover: Command, consul: TinyConsul, config: Path, words: list[str], told: str
) -> None:
    fill(consul)
    settings = load_settings(config)
    start.serve(settings, consul_address(settings))
    done = hafailover("status", "--config", str(config), *words)
    assert told in done.out + done.err


def test_nothing_is_loaded_that_takes_long(consul: TinyConsul, config: Path) -> None:
    fill(consul)
    settings = load_settings(config)
    start.serve(settings, consul_address(settings))
    slow = ("typer", "pydantic", "pydantic_settings", "requests", "urllib3", "consul", "asyncio")
    script = f"""
import sys
import hafailover.local.client as client
client.HELLO_S = client.ANSWER_S = 20.0
sys.argv = ["hafailover", "status", "--config", {str(config)!r}]
from hafailover.cli.main import main
try:
    main()
finally:
    print("loaded:", *[name for name in {slow} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "a signs, and b and c are ready" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded:"


DEAF = {"grade": "deaf", "since": "13:02:11 UTC", "blocks": {"expected": 9, "recent_expected": 9}}
NOTHING = (
    "a signs without a lease, by order: nothing but people keeps others from signing; it holds the key, and "
    "nothing of it arrives: 0 of 9 blocks since 13:02:11 UTC; "
)


@pytest.mark.parametrize(("prepare", "seen"), [(leaderless, True), (down, False)], ids=["no leader", "dead"])
def test_on_a_host_that_signs_without_a_lease_its_agent_says_what_comes_of_it(
    hafailover: Command,
    consul: TinyConsul,
    config: Path,
    prepare: Callable[[TinyConsul], None],
    seen: bool,
) -> None:
    """Nobody else can: Consul is dead, and neither the host's role nor its production get into it."""
    prepare(consul)
    own = NodeRecord.model_validate({"node": "a", "role": "forced", "reason": "WITHOUT", "production": DEAF})
    settings = load_settings(config)
    start.serve(settings, consul_address(settings), own=lambda: own)
    done = hafailover("status", "--config", str(config))
    assert done.code == 4
    assert NOTHING in " ".join((done.out if seen else done.err).split())
    if seen:
        plain = json.loads(hafailover("status", "--json", "--config", str(config)).out)
        assert plain["verdict"].startswith(NOTHING)
        assert (plain["hosts"][0]["node"], plain["hosts"][0]["role"]) == ("a", "forced")
