"""The VM tests' helpers: what they conclude from sightings of the key, and that they fail where they must."""

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

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


def test_watches_that_go_in_step_prove_it_as_well(helpers: ModuleType) -> None:
    seen = [(host, 1 + number / 10, 1.02 + number / 10) for number in range(4) for host in ("a", "b")]
    assert "a and b both had the key at 1.100" in proofs(helpers, *seen)


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


def test_the_longest_gap_is_between_sightings_of_any_host(helpers: ModuleType) -> None:
    seen = [
        helpers.Sighting(asked, asked + 0.1, host)
        for host, asked in (("a", 10.0), ("b", 14.0), ("a", 10.5), ("b", 14.5), ("a", 1.0), ("b", 30.0))
    ]
    assert helpers.longest_gap(seen, 10.0, 15.0) == pytest.approx(3.5)
    assert helpers.longest_gap(seen, 10.0, 20.0) == pytest.approx(5.4)
    assert helpers.longest_gap([], 10.0, 12.0) == pytest.approx(2.0)


class World:
    """Machines whose neards have the key by a timetable, on a clock that each command moves on a little."""

    def __init__(self, keys: dict[str, list[tuple[float, float]]]) -> None:
        self.now = 1000.0
        self.keys = keys
        self.off: set[str] = set()
        self.twice = "[]"
        self.term: Callable[[], int] = lambda: 7
        self.safe: Callable[[], bool] = lambda: True
        self.machines = [Machine(self, name) for name in sorted(keys)]
        self.chain = Machine(self, "chain")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def has_key(self, host: str, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.keys[host])


class Machine:
    """What the helpers ask of a machine, answered by the world."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name

    def execute(
        self, command: str, check_return: bool = True, check_output: bool = True, timeout: int | None = 900
    ) -> tuple[int, str]:
        world = self.world
        assert self.name not in world.off, f"{self.name} is off, and was asked: {command}"
        world.now += 0.01
        if command == "date +%s.%N":
            return 0, f"{world.now}\n"
        if "/localneard/double_signs" in command:
            return 0, world.twice
        if "http://127.0.0.1:3030/status" in command:
            return (0 if world.has_key(self.name, world.now) else 1), ""
        if command == "cat /var/log/keywatch":
            times = (1000 + number / 20 for number in range(int((world.now - 1000) * 20)))
            lines = (f"{at:.3f} {at + 0.005:.3f}\n" for at in times if world.has_key(self.name, at))
            return 0, "".join(lines)
        if command.startswith("awk"):
            return 0, ""
        if "autopilot/health" in command:
            return (0 if world.safe() else 1), ""
        if "hafailover status" in command:
            return 0, f'{{"term": {world.term()}}}'
        raise AssertionError(f"nobody has an answer for: {command}")

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        answers = [self.execute(command) for command in commands]
        assert all(code == 0 for code, _ in answers)
        return "".join(text for _, text in answers)

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        return self.succeed(command)


ALWAYS = (0.0, 9999.0)


def pool_of(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch, **keys: list[tuple[float, float]]
) -> tuple[Any, World]:
    world = World(keys)
    monkeypatch.setattr(helpers, "time", world)
    return helpers.Pool("name", world.chain, world.machines), world


def test_the_active_is_waited_for_with_an_end(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[], b=[(1003, 9999)])
    assert pool.active(5).name == "b"
    with pytest.raises(AssertionError, match="no host had the key within 5 s"):
        pool.active(5, [world.machines[0]])
    assert world.now < 1010


def test_two_active_hosts_are_found(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[(1000, 1005)], b=[(1004.8, 1010)])
    world.now = 1004.7
    pool.check()
    world.now = 1008
    with pytest.raises(AssertionError, match=r"two active: .*[ab] and [ab] both had the key at 1004\.8"):
        pool.check()


def test_a_height_that_was_signed_twice_is_found(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[ALWAYS])
    world.now = 1002
    world.twice = '[{"height": 4, "account_id": "node0"}]'
    pool.check()
    world.twice = '[{"height": 5, "account_id": "node3"}]'
    with pytest.raises(AssertionError, match="a height was signed twice"):
        pool.check()


def test_that_nobody_was_ever_seen_is_no_success(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[], b=[])
    world.now = 1010
    with pytest.raises(AssertionError, match="nobody has ever been seen with the key"):
        pool.check()


def test_a_fault_is_measured_from_the_strike_to_the_successors_key(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[(1000, 1002)], b=[(1005, 9999)])
    world.now = 1001.5
    struck = pool.fault("crashed", lambda host: world.off.add(host.name), gone=True)
    assert struck.name == "a"
    said = re.fullmatch(r"measured: name/crashed: ([0-9.]+) s\n", capsys.readouterr().out)
    assert said is not None and float(said[1]) == pytest.approx(3.5, abs=0.1)


def test_a_fault_after_which_nobody_takes_over(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[(1000, 1002)], b=[])
    world.now = 1001.5
    with pytest.raises(AssertionError, match="no host had the key within 20 s"):
        pool.fault("killed", lambda host: None, timeout_s=20)


def test_no_failover(
    helpers: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[ALWAYS], b=[])
    world.now = 1001
    pool.no_failover("nothing", lambda host: None)
    said = re.fullmatch(r"measured: name/nothing: ([0-9.]+) s\n", capsys.readouterr().out)
    assert said is not None and float(said[1]) < 0.2
    assert world.now > 1013


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([(1000, 1003)], [(1004, 9999)], "strike: b took over from a"),
        ([(1000, 1009)], [], "strike: a lost the key"),
        ([(1000, 1004), (1007, 9999)], [], r"strike: nobody had the key for 3\.\d s"),
    ],
)
def test_what_no_failover_finds(
    a: list[tuple[float, float]],
    b: list[tuple[float, float]],
    message: str,
    helpers: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=a, b=b)
    world.now = 1001
    with pytest.raises(AssertionError, match=message):
        pool.no_failover("strike", lambda host: None)


def test_a_new_term_is_a_failover(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[ALWAYS], b=[])
    world.now = 1001
    world.term = lambda: 7 if world.now < 1004 else 9
    with pytest.raises(AssertionError, match="strike: a new term began"):
        pool.no_failover("strike", lambda host: None)


def test_safe_is_what_stays_so_for_some_seconds(helpers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, world = pool_of(helpers, monkeypatch, a=[ALWAYS], b=[])
    world.safe = lambda: world.now < 1002 or world.now > 1005
    pool.wait_safe(60)
    assert 1009 <= world.now < 1010
    world.safe = lambda: False
    with pytest.raises(AssertionError, match="the pool was not safe within 60 s"):
        pool.wait_safe(60)
