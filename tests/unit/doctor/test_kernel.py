"""Kernel parameters and limits, from a /proc made for the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hafailover.doctor.checks.kernel import WANTED, judge
from hafailover.doctor.facts.kernel import KernelFacts, look_at_kernel
from hafailover.doctor.finding import Severity

from .said import bad, one

GOOD = KernelFacts(dict(WANTED), 1048576, guard_runs=True)
SOCKET = Path("/run/hafailover/guard.sock")


def changed(**values: str | None) -> KernelFacts:
    return KernelFacts({**WANTED, **{k.replace("__", "."): v for k, v in values.items()}}, 1048576, True)


def test_a_kernel_as_neard_wants_it() -> None:
    assert {finding.severity for finding in judge(GOOD)} == {Severity.OK}
    assert (
        bad(judge(changed(net__core__rmem_max="16777216", net__ipv4__tcp_rmem="4096 131072 16777216"))) == {}
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net__core__rmem_max", "212992"),
        ("net__core__wmem_max", "odd"),
        ("net__ipv4__tcp_rmem", "4096 131072 6291456"),
        ("net__ipv4__tcp_slow_start_after_idle", "1"),
    ],
)
def test_a_parameter_that_is_not(name: str, value: str) -> None:
    found = judge(changed(**{name: value}))
    assert bad(found) == {"kernel.network": Severity.WARNING}
    assert "sysctl" in one(found, "kernel.network").remedy


def test_parameters_that_a_container_hides() -> None:
    found = judge(changed(net__core__rmem_max=None))
    assert bad(found) == {}
    assert "net.core.rmem_max" in one(found, "kernel.network").text


def test_open_files() -> None:
    assert bad(judge(KernelFacts(dict(WANTED), 1024, True))) == {"kernel.files": Severity.WARNING}
    for facts in (KernelFacts(dict(WANTED)), KernelFacts(dict(WANTED), None, True)):
        assert one(judge(facts), "kernel.files").severity is Severity.SKIPPED


def fake_proc(folder: Path, limit: str, socket: Path = SOCKET) -> Path:
    (folder / "sys/net/core").mkdir(parents=True)
    (folder / "sys/net/core/rmem_max").write_text("8388608\n")
    for pid, command in (
        (7, [b"python", b"-m", b"hafailover.guard", json.dumps({"socket": str(socket)}).encode()]),
        (8, [b"python", b"-m", b"other"]),
        (9, []),
    ):
        (folder / str(pid)).mkdir()
        (folder / str(pid) / "cmdline").write_bytes(b"".join(word + b"\0" for word in command))
    (folder / "7/limits").write_text(
        f"Limit Soft Limit Hard Limit Units\nMax open files            1024           {limit}       files\n"
    )
    return folder


@pytest.mark.parametrize(("limit", "most"), [("524288", 524288), ("unlimited", 1 << 62)])
def test_the_guard_is_found_by_its_socket(tmp_path: Path, limit: str, most: int) -> None:
    facts = look_at_kernel(["net.core.rmem_max", "net.core.wmem_max"], SOCKET, fake_proc(tmp_path, limit))
    assert facts.values == {"net.core.rmem_max": "8388608", "net.core.wmem_max": None}
    assert (facts.guard_runs, facts.open_files) == (True, most)


def test_another_hosts_guard_is_not_taken_for_it(tmp_path: Path) -> None:
    facts = look_at_kernel([], SOCKET, fake_proc(tmp_path, "5", Path("/other/guard.sock")))
    assert (facts.guard_runs, facts.open_files) == (False, None)
