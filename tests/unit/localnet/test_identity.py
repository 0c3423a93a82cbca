"""Which neard a run is on: what the binary says, what its nodes say, and what a limit of open files does."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from hafailover.localnet import identity
from hafailover.localnet.chain import NodeView
from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.identity import Binary
from hafailover.localnet.model import LocalnetNode

REAL = (
    "(release 2.10.0) (build 2.10.0-7-ga9557047d) (commit a9557047d1) (rustc 1.86.0) "
    "(min_protocol 80) (protocol 84) (db 47)"
)
NODE = LocalnetNode("node0", "validator", Path("/nowhere"), "127.0.0.1:1", "127.0.0.1:2")


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def nodes_say(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    monkeypatch.setattr(identity, "view_node", lambda _: NodeView(version=version))


def test_a_real_neard_is_known_by_its_version_and_commit(tmp_path: Path) -> None:
    path = program(tmp_path / "neard", f"echo a warning >&2\necho 'neard {REAL}'\necho 'features: [default]'")
    found = Binary.of(path)
    assert (found.version, found.commit, found.stand_in) == (f"neard {REAL}", "a9557047d1", False)
    assert found.to_plain() == {
        "path": str(path),
        "version": f"neard {REAL}",
        "commit": "a9557047d1",
        "stand_in": False,
    }
    assert "stand-in" not in str(found)


@pytest.mark.parametrize("name", [None, "localneard"])
def test_the_stand_in_is_called_that_by_whatever_name_it_was_asked_for(name: str | None) -> None:
    found = Binary.of(name)
    assert found.stand_in
    assert str(found).startswith("the stand-in localneard, which is no NEAR node: localneard (release ")


def test_what_is_no_neard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalnetError, match="is no neard: its --version does not name a release"):
        Binary.of(program(tmp_path / "neard", "echo Consul v1.8.7"))
    with pytest.raises(LocalnetError, match="cannot be run"):
        Binary.of(tmp_path / "absent")


@pytest.mark.parametrize(("hard", "named"), [(20_000, True), (65_535, False), (-1, False)])
def test_a_low_limit_of_open_files_is_told_with_what_to_do(
    hard: int, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resource.RLIM_INFINITY == -1
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    path = program(tmp_path / "neard", 'echo "Error: couldn\'t set the file descriptor limit" >&2; exit 1')
    with pytest.raises(LocalnetError, match="couldn't set the file descriptor limit") as error:
        Binary.of(path)
    text = "neard wants 65535 open files, and the hard limit here is 20000: raise it (LimitNOFILE="
    assert (text in str(error.value)) is named


def test_a_low_limit_is_nothing_to_a_neard_that_lives_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 20_000))
    assert not Binary.of(program(tmp_path / "neard", f"echo 'neard {REAL}'")).stand_in


@pytest.mark.parametrize(
    ("version", "said", "refused"),
    [
        (REAL, "2.10.0", ""),
        (REAL, "localneard-0.1.0", "node0 runs localneard-0.1.0, but "),
        ("localneard (release localneard-0.1.0)", "localneard-0.1.0", ""),
        ("localneard (release localneard-0.1.0)", "2.10.0", "node0 runs 2.10.0, but "),
        (REAL, None, "node0 does not say which neard it is"),
    ],
)
def test_nodes_of_another_kind_end_the_run(
    version: str, said: str | None, refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = Binary.of(program(tmp_path / "localneard", f"echo '{version} (release x)'"))
    nodes_say(monkeypatch, said)
    if not refused:
        binary.check_nodes([NODE])
        return
    with pytest.raises(LocalnetError, match=refused):
        binary.check_nodes([NODE])
