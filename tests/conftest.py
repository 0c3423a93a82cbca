"""Fixtures for every kind of test: a real Consul, by itself and in clusters."""

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from hafailover.lab import ConsulCluster

# A machine that is busy beside the test says nothing about its strategies. The same examples are drawn each
# time, so that what a run says of a commit stays true; `make fuzz` draws new ones.
settings.register_profile(
    "ours",
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="HAFAILOVER_FUZZ_EXAMPLES" not in os.environ,
)
settings.load_profile("ours")

# Under nohup, or in the background of a script, these two are ignored, and every child would inherit that.
for _number, _handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

_CHECKOUT = Path(__file__).resolve().parent.parent
# Time to fetch Debian's package; below pytest's own timeout, which would end the whole run.
_FETCH_TIMEOUT_S = 100


@pytest.fixture(scope="session")
def consul_binary() -> Path:
    """A Consul binary that runs, found or fetched as `make test` does.

    `make test` itself hands over the binary, and stops where none can be had; the skip is for pytest called
    by hand on a machine without a network.
    """
    done = subprocess.run(
        ["timeout", str(_FETCH_TIMEOUT_S), _CHECKOUT / "scripts" / "get-consul"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Path(done.stdout.strip())
    if os.environ.get("HAFAILOVER_CONSUL_BINARY"):
        pytest.fail(done.stderr, pytrace=False)
    pytest.skip(f"NO CONSUL, so this was NOT TESTED: {done.stderr}")


@pytest.fixture(scope="session")
def consul_cluster(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulCluster]:
    """Three servers that all tests share: leave them running, and keep to keys and sessions of your own."""
    with ConsulCluster(consul_binary, tmp_path_factory.mktemp("consul-cluster")) as cluster:
        cluster.start(60)
        yield cluster


@pytest.fixture(scope="session")
def consul_single(consul_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulCluster]:
    """One server that all tests share: enough where nothing is to fail over within Consul."""
    with ConsulCluster(consul_binary, tmp_path_factory.mktemp("consul-single"), servers=1) as cluster:
        cluster.start(60)
        yield cluster


@pytest.fixture(scope="session")
def fake_neard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with neard's command line that can be told to misbehave (see tests/fake_neard.py)."""
    path = tmp_path_factory.mktemp("fake-neard") / "neard"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_CHECKOUT / "tests" / "fake_neard.py"}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def apt_fetch(tmp_path: Path) -> ModuleType:
    """scripts/apt-fetch as a module, with what it keeps in a folder of the test's own."""
    loader = importlib.machinery.SourceFileLoader("apt_fetch", str(_CHECKOUT / "scripts" / "apt-fetch"))
    spec = importlib.util.spec_from_loader("apt_fetch", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    module.__dict__["CACHE"] = tmp_path / "cache"
    return module
