"""A home to make ready, the stand-in's binary, and a private chain's genesis."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hafailover.localnet import init_localnet
from hafailover.near.prepare import Plan

CHAIN = "prepared"
POOL = "node3"


@pytest.fixture(scope="session")
def neard() -> str:
    binary = shutil.which("localneard", path=str(Path(sys.executable).parent)) or shutil.which("localneard")
    assert binary is not None, "the stand-in is not installed: make venv"
    return binary


@pytest.fixture(scope="session")
def genesis(tmp_path_factory: pytest.TempPathFactory, neard: str) -> Path:
    net = init_localnet(tmp_path_factory.mktemp("net") / "net", neard=neard, hosts=1, chain_id=CHAIN)
    return net.nodes[0].home / "genesis.json"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def plan(home: Path, genesis: Path, neard: str) -> Callable[..., Plan]:
    base = Plan(
        home=home,
        neard=neard,
        chain_id=CHAIN,
        hot=True,
        overlay={"tracked_shards_config": {"ShadowValidator": POOL}, "rpc": {"addr": "127.0.0.1:4040"}},
        genesis=genesis,
    )
    return lambda **changes: replace(base, **changes)


def read(path: Path) -> Any:
    return json.loads(path.read_text())
