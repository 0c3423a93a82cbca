"""localnet.json: what it says and what it says when it is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hafailover.localnet import Localnet, LocalnetError, LocalnetNode, Pool


def localnet(home: Path) -> Localnet:
    nodes = (
        LocalnetNode("node0", "validator", home / "node0", "127.0.0.1:3030", "127.0.0.1:24567"),
        LocalnetNode("host1", "host", home / "host1", "127.0.0.1:3031", "127.0.0.1:24568"),
    )
    pool = Pool("node3", "ed25519:p", home / "pool" / "validator_key.json")
    return Localnet(home, Path("/usr/bin/neard"), "test-chain", 1.0, nodes, pool)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = localnet(tmp_path)
    made.save()
    assert Localnet.load(tmp_path) == made
    assert [node.name for node in made.validators] == ["node0"]
    assert [node.name for node in made.hosts] == ["host1"]
    assert made.node("host1").rpc_url == "http://127.0.0.1:3031"
    assert [path.name for path in tmp_path.iterdir()] == ["localnet.json"]


def test_its_folder_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    localnet(tmp_path / "old").save()
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Localnet.load(tmp_path / "new")
    assert moved == localnet(tmp_path / "new")


def test_an_unknown_node_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(LocalnetError, match=r"no node host9 in .*; there are node0, host1"):
        localnet(tmp_path).node("host9")


def test_a_folder_without_a_localnet_says_how_to_make_one(tmp_path: Path) -> None:
    expected = f"no localnet in {tmp_path}; make one: hafailover localnet init --home {tmp_path}"
    with pytest.raises(LocalnetError, match=re.escape(expected)):
        Localnet.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format: "),
        ({"pool": {"account_id": "x", "public_key": "y"}}, "pool.credential: Field required"),
        ({"block_time_s": 0}, "block_time_s: Input should be greater than 0"),
        ({"nodes": []}, "nodes: "),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
    ],
)
def test_a_bad_file_names_the_key(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    localnet(tmp_path).save()
    path = tmp_path / "localnet.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(LocalnetError, match=re.escape(f"{path}: {message}")):
        Localnet.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_garbage_is_an_error_that_names_the_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "localnet.json").write_bytes(content)
    with pytest.raises(LocalnetError, match=re.escape(str(tmp_path / "localnet.json"))):
        Localnet.load(tmp_path)
