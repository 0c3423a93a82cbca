"""``hafailover allow-first-term``: for one host, by the account's own name, and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hafailover.takeover.first_term import FirstTermFile

from .command import Command


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(f'account_id = "pool.near"\nnode_name = "a"\nstate_dir = "{tmp_path}"\n')
    return path


@pytest.fixture
def file(tmp_path: Path) -> FirstTermFile:
    return FirstTermFile(tmp_path, "pool.near", "a")


def test_it_orders_it_and_says_what_is_risked(hafailover: Command, config: Path, file: FirstTermFile) -> None:
    done = hafailover("allow-first-term", "--account", "pool.near", "--config", str(config))
    assert done.code == 0, done.err
    assert "makes a double signature" in done.out
    assert "void in 10" in done.out
    order = file.order()
    assert order is not None
    assert order.by


def test_it_is_taken_back(hafailover: Command, config: Path, file: FirstTermFile) -> None:
    file.put("root@a", "o1")
    assert hafailover("allow-first-term", "--end", "--config", str(config)).out == "the order is taken back\n"
    assert file.order() is None
    assert hafailover("allow-first-term", "--end", "--config", str(config)).out == "no such order stood\n"


def test_for_programs(hafailover: Command, config: Path, file: FirstTermFile) -> None:
    words = ("allow-first-term", "--json", "--config", str(config))
    given = json.loads(hafailover(*words, "--account", "pool.near").out)
    order = file.order()
    assert order is not None
    assert (given["id"], given["valid_s"]) == (order.id, 600.0)
    assert json.loads(hafailover(*words, "--end").out) == {"v": 1, "was_allowed": True}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "give either --account pool.near or --end"),
        (("--account", "pool.near", "--end"), 2, "give either"),
        (("--account", "other.near"), 5, "other.near is not this pool's account; nothing was done"),
    ],
)
def test_it_has_to_be_meant(
    hafailover: Command, config: Path, file: FirstTermFile, words: tuple[str, ...], code: int, said: str
) -> None:
    done = hafailover("allow-first-term", *words, "--config", str(config))
    assert done.code == code
    assert said in done.err
    assert file.order() is None


def test_a_folder_that_is_not_there_is_named(hafailover: Command, config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(str(tmp_path), f"{tmp_path}/gone"))
    done = hafailover("allow-first-term", "--account", "pool.near", "--config", str(config))
    assert done.code == 2
    assert "state_dir:" in done.err
    assert "as root" in done.err
