"""The order and its answer as files that only their owner can read."""

from pathlib import Path

import pytest

from hafailover.agent.identity import boot_id
from hafailover.clock import boottime
from hafailover.takeover.documents import TAKEN_WITHIN_S, Answer, Files, Order


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, "pool.near", "a")


def order(**changes: object) -> Order:
    given = {"id": "1", "by": "root@a", "at": boottime(), "boot": boot_id(), **changes}
    return Order.model_validate(given)


def test_an_order_and_its_answer_come_back_as_they_were(files: Files, tmp_path: Path) -> None:
    files.put_order(order())
    assert files.order() == order(at=files.order().at)  # type: ignore[union-attr]
    answer = Answer(id="1", state="signing", text="as term 9")
    files.put_answer(answer)
    assert files.answer() == answer
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    files.put_order(order(id="2"))
    assert files.answer() is None, "it was another order's"


def test_an_order_is_taken_away_once(files: Files) -> None:
    files.put_order(order())
    assert files.end_order()
    assert not files.end_order()
    assert files.order() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', "\x00" * 20_000])
def test_what_cannot_be_understood_is_no_order(files: Files, tmp_path: Path, text: str) -> None:
    (tmp_path / "takeover-pool.near-a.json").write_text(text)
    assert files.order() is None


@pytest.mark.parametrize(
    ("changes", "fresh"),
    [
        ({}, True),
        ({"at": boottime() - TAKEN_WITHIN_S - 1}, False),
        ({"at": boottime() + 1000}, False),
        ({"boot": "another"}, False),
    ],
)
def test_an_order_from_before_is_void(files: Files, changes: dict[str, object], fresh: bool) -> None:
    assert files.is_fresh(order(**changes)) is fresh


def test_a_folder_that_is_not_there_is_an_error_of_the_systems(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Files(tmp_path / "no", "pool.near", "a").put_order(order())
