"""What the VM tests' helpers conclude from sightings of the key: a proof of two actives, and no false one."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

HELPERS = Path(__file__).parents[3] / "nix" / "tests" / "helpers.py"


@pytest.fixture(scope="module")
def helpers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vm_helpers", HELPERS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def proofs(helpers: ModuleType, *seen: tuple[str, float, float]) -> list[str]:
    found = helpers.two_at_once([helpers.Sighting(asked, answered, host) for host, asked, answered in seen])
    assert isinstance(found, list)
    return found


def test_one_after_the_other_is_no_proof(helpers: ModuleType) -> None:
    assert not proofs(helpers, ("a", 1.0, 1.01), ("a", 1.1, 1.11), ("b", 1.12, 1.13), ("b", 1.2, 1.21))


def test_one_between_two_of_the_other_is_a_proof(helpers: ModuleType) -> None:
    found = proofs(helpers, ("a", 1.0, 1.01), ("b", 1.05, 1.06), ("a", 1.1, 1.11))
    assert found == ["a and b both had the key at 1.050"]


def test_the_order_of_the_lines_does_not_matter(helpers: ModuleType) -> None:
    assert proofs(helpers, ("b", 1.05, 1.06), ("a", 1.1, 1.11), ("a", 1.0, 1.01))


def test_an_answer_that_was_asked_for_before_the_drop_is_no_proof(helpers: ModuleType) -> None:
    # b's answer may speak of a moment before a's first sighting.
    assert not proofs(helpers, ("a", 1.0, 1.01), ("b", 1.005, 1.06), ("a", 1.1, 1.11))


def test_there_and_back_is_no_proof(helpers: ModuleType) -> None:
    assert not proofs(helpers, ("a", 1.0, 1.01), ("b", 2.0, 2.01), ("a", 3.0, 3.01))


def test_keywatch_lines(helpers: ModuleType) -> None:
    text = "1.000 1.010\n\n1.050 1.060\ngarbage here\n1.100 1.1"
    assert [one.asked for one in helpers.parse_keywatch(text, "a")] == [1.0, 1.05, 1.1]
    assert helpers.parse_keywatch("1.100 1\n1.2", "a") == []
