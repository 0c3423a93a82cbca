"""Networks of stand-ins on loopback, each node a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .nodes import MakeNet, Net, Node, build_net


@pytest.fixture
def make_net(tmp_path: Path) -> Iterator[MakeNet]:
    nets: list[Net] = []

    def make(validators: int, plain: int = 0, **options: Any) -> Net:
        nets.append(build_net(tmp_path / f"net{len(nets)}", validators, plain, **options))
        return nets[-1]

    yield make
    for net in nets:
        net.stop()


@pytest.fixture
def node(make_net: MakeNet) -> Node:
    """A network of one validator, not started."""
    return make_net(1)[0]


@pytest.fixture(scope="package")
def shared_net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    net = build_net(tmp_path_factory.mktemp("shared"), 4, plain=1)
    # So that being stopped in a test costs nobody the seat.
    net.change_genesis(epoch_length=1000)
    net.start()
    yield net
    net.stop()


@pytest.fixture
def whole_net(shared_net: Net) -> Iterator[Net]:
    """Four validators and a keyless node that all tests share: a test leaves all five running, in sync.

    No test here may make two nodes sign with one key, and that is checked after each.
    """
    for one in shared_net.nodes:
        one.wait(lambda node: node.height >= 3 and not node.syncing and node.peers == 4, 15)
    yield shared_net
    assert all(one.get("/localneard/double_signs") == [] for one in shared_net.nodes)
