"""scripts/build-consul, and get-consul with a version, with a Go that is made here; no network is used."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
SUM = "h1:a4tbzEZTk+LDrgdgBztSb65gWoVIk222Z0wDeE/06uU="
GO = """\
#!/bin/sh
echo "$* [$GOSUMDB ${GOPRIVATE:-}]" >>"$CALLS"
case "$1 $2" in
    "mod init") echo module scratch >go.mod ;;
    "get "*)
        [ -z "${NO_NETWORK:-}" ] || { echo "dial tcp: no network" >&2; exit 1; }
        echo "github.com/hashicorp/consul v${2##*@v} $SUM" >go.sum
        ;;
    "build "*)
        printf '#!/bin/sh\\necho Consul v%s\\n' "${SAYS:-$WANTED}" >built
        chmod +x built
        ;;
esac
"""


class Checkout:
    """A checkout with the two scripts, and a Go beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        (self.root / "scripts").mkdir(parents=True)
        for name in ("build-consul", "get-consul"):
            shutil.copy(SCRIPTS / name, self.root / "scripts" / name)
        self.go = folder / "go" / "go"
        self.go.parent.mkdir()
        self.go.write_text(GO)
        self.go.chmod(0o755)
        self.calls = folder / "calls"

    def run(
        self, script: str, *words: str, wanted: str = "1.13.9", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HAFAILOVER_")},
            "PATH": f"{self.go.parent}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "WANTED": wanted,
            "SUM": SUM,
            "GOSUMDB": "off",
            "GOPRIVATE": "*",
            **extra,
        }
        return subprocess.run(
            [self.root / "scripts" / script, *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def built(self) -> Path:
        return self.root / ".cache" / "consul-1.13.9" / "consul"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_is_built_once_and_every_module_is_checked(checkout: Checkout) -> None:
    first = checkout.run("build-consul", "1.13.9")
    calls = checkout.calls.read_text()
    second = checkout.run("build-consul", "1.13.9")

    assert (first.returncode, first.stdout) == (0, f"{checkout.built}\n"), first.stderr
    assert (second.returncode, second.stdout, second.stderr) == (0, f"{checkout.built}\n", "")
    assert checkout.calls.read_text() == calls
    # The environment says GOSUMDB=off and GOPRIVATE=*.
    assert "get github.com/hashicorp/consul@v1.13.9 [sum.golang.org ]" in calls
    assert list((checkout.root / ".cache").glob("build-consul-*")) == []
    assert "Business Source" not in first.stderr


def test_what_is_not_the_module_that_it_was_is_refused(checkout: Checkout) -> None:
    done = checkout.run("build-consul", "1.13.9", SUM="h1:other=")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not what it was before" in done.stderr
    assert not checkout.built.exists()


def test_a_build_that_is_another_version_is_refused(checkout: Checkout) -> None:
    done = checkout.run("build-consul", "1.13.9", SAYS="1.12.0")
    assert done.returncode == 1
    assert "'Consul v1.12.0', not Consul v1.13.9" in done.stderr
    assert not checkout.built.exists()


def test_without_a_network_it_says_why(checkout: Checkout) -> None:
    done = checkout.run("build-consul", "1.13.9", NO_NETWORK="1")
    assert done.returncode == 1
    assert "dial tcp: no network" in done.stderr
    assert "could not be fetched" in done.stderr


def test_a_later_licence_is_named(checkout: Checkout) -> None:
    done = checkout.run("build-consul", "1.17.0", wanted="1.17.0")
    assert done.returncode == 0
    assert "Business Source License 1.1" in done.stderr


@pytest.mark.parametrize("words", [[], ["latest"], ["v1.13.9"], ["1.13"], ["../1.2.3"], ["1.13.9", "x"]])
def test_what_is_no_version_is_refused(checkout: Checkout, words: list[str]) -> None:
    done = checkout.run("build-consul", *words)
    assert done.returncode == 2
    assert "give one version, such as 1.13.9" in done.stderr
    assert not checkout.calls.exists()


def test_a_consul_of_the_version_that_is_named_is_taken_and_another_is_not(checkout: Checkout) -> None:
    named = checkout.root / "named"
    named.write_text("#!/bin/sh\necho Consul v1.13.9\n")
    named.chmod(0o755)
    same = checkout.run("get-consul", "1.13.9", HAFAILOVER_CONSUL_BINARY=str(named))
    assert (same.returncode, same.stdout) == (0, f"{named}\n")
    assert not checkout.calls.exists()

    named.write_text("#!/bin/sh\necho Consul v1.8.7\n")
    other = checkout.run("get-consul", "1.13.9", HAFAILOVER_CONSUL_BINARY=str(named))
    assert (other.returncode, other.stdout) == (0, f"{checkout.built}\n")
