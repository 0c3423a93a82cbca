"""scripts/apt-fetch and scripts/get-consul, against archives and binaries made here; no network is used."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
DEBIAN = {"ID": "debian", "VERSION_CODENAME": "bookworm"}

needs_apt = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb", "gpg", "gpgconf", "gpgv")),
    reason="needs apt-get, dpkg-deb and gpg, to make and check a Debian archive",
)


class Archive:
    """A Debian archive in a folder, with one package, signed with a key made here."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "archive"
        self.keyring = folder / "keyring.gpg"
        self._gnupg = folder / "gnupg"
        self._gnupg.mkdir(mode=0o700)
        self._dist = self.root / "dists" / "bookworm"
        packages = self._dist / "main" / f"binary-{self._architecture()}"
        packages.mkdir(parents=True)
        (packages / "Packages").write_text(self._make_package(folder / "tree"))
        self.release(origin="Debian")

    @staticmethod
    def _architecture() -> str:
        done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _make_package(self, tree: Path) -> str:
        control = (
            "Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: x\n"
        )
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(control)
        (tree / "usr" / "bin").mkdir(parents=True)
        (tree / "usr" / "bin" / "hello").write_text("hello")
        self.package = self.root / "pool" / "hello.deb"
        self.package.parent.mkdir(parents=True)
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-b", tree, self.package], check=True, capture_output=True
        )
        digest = hashlib.sha256(self.package.read_bytes()).hexdigest()
        size = self.package.stat().st_size
        return f"{control}Filename: pool/hello.deb\nSize: {size}\nSHA256: {digest}\n"

    def _gpg(self, *arguments: str | Path) -> None:
        options = [
            "--homedir",
            str(self._gnupg),
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        command = ["gpg", *options, *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def release(self, origin: str) -> None:
        """Write and sign the release file."""
        packages = next(self._dist.glob("main/*/Packages"))
        data = packages.read_bytes()
        name = packages.relative_to(self._dist)
        (self._dist / "Release").write_text(
            f"Origin: {origin}\nSuite: stable\nCodename: bookworm\nDate: {formatdate(usegmt=True)}\n"
            f"Architectures: {self._architecture()}\nComponents: main\n"
            f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
        )
        if not self.keyring.exists():
            self._gpg("--quick-generate-key", "test@example.org", "ed25519", "sign", "never")
            self._gpg("--output", self.keyring, "--export")
        signed = self._dist / "InRelease"
        signed.unlink(missing_ok=True)
        self._gpg("--output", signed, "--clearsign", self._dist / "Release")

    def close(self) -> None:
        """End the agent that gpg has started in the background for this folder."""
        command = ["gpgconf", "--homedir", str(self._gnupg), "--kill", "gpg-agent"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def configure(self, etc: Path, options: str | None = None) -> Path:
        """Write a sources.list that names the archive."""
        (etc / "sources.list.d").mkdir(parents=True, exist_ok=True)
        options = f"[signed-by={self.keyring}]" if options is None else options
        (etc / "sources.list").write_text(f"deb {options} file:{self.root} bookworm main\n")
        return etc


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.close()


@needs_apt
def test_a_signed_package_is_unpacked(apt_fetch: ModuleType, archive: Archive, tmp_path: Path) -> None:
    etc = archive.configure(tmp_path / "etc")
    for _ in range(2):
        apt_fetch.fetch("hello", tmp_path / "out" / "it", None, apt_folder=etc, release=DEBIAN)
        assert (tmp_path / "out" / "it" / "usr" / "bin" / "hello").read_text() == "hello"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["it"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["apt.lock"]


@needs_apt
@pytest.mark.parametrize("options", ["[trusted=yes]", "[allow-insecure=yes]", ""])
def test_an_archive_without_a_signature_is_refused_whatever_the_machine_allows(
    options: str, apt_fetch: ModuleType, archive: Archive, tmp_path: Path
) -> None:
    (archive.root / "dists" / "bookworm" / "InRelease").unlink()
    etc = archive.configure(tmp_path / "etc", options)
    with pytest.raises(apt_fetch.FetchError, match="is not signed"):
        apt_fetch.fetch("hello", tmp_path / "out", None, apt_folder=etc, release=DEBIAN)
    assert not (tmp_path / "out").exists()


@needs_apt
def test_a_signature_by_a_key_that_is_not_trusted_is_refused(
    apt_fetch: ModuleType, archive: Archive, tmp_path: Path
) -> None:
    etc = archive.configure(tmp_path / "etc", "")
    with pytest.raises(apt_fetch.FetchError, match=r"is not signed|NO_PUBKEY"):
        apt_fetch.fetch("hello", tmp_path / "out", None, apt_folder=etc, release=DEBIAN)
    assert not (tmp_path / "out").exists()


@needs_apt
def test_a_package_that_was_tampered_with_is_refused(
    apt_fetch: ModuleType, archive: Archive, tmp_path: Path
) -> None:
    data = bytearray(archive.package.read_bytes())
    data[-1] ^= 1
    archive.package.write_bytes(data)
    etc = archive.configure(tmp_path / "etc")
    with pytest.raises(apt_fetch.FetchError, match=r"Hash Sum mismatch|download failed"):
        apt_fetch.fetch("hello", tmp_path / "out", None, apt_folder=etc, release=DEBIAN)
    assert not (tmp_path / "out").exists()


@needs_apt
def test_what_is_not_there_is_named(apt_fetch: ModuleType, archive: Archive, tmp_path: Path) -> None:
    etc = archive.configure(tmp_path / "etc")
    with pytest.raises(apt_fetch.FetchError, match="Unable to locate package nothing"):
        apt_fetch.fetch("nothing", tmp_path / "out", None, apt_folder=etc, release=DEBIAN)
    with pytest.raises(apt_fetch.FetchError, match=r"bullseye.* does not have a Release file"):
        apt_fetch.fetch("hello", tmp_path / "out", "bullseye", apt_folder=etc, release=DEBIAN)


@needs_apt
def test_only_debians_own_archive_will_do(apt_fetch: ModuleType, archive: Archive, tmp_path: Path) -> None:
    archive.release(origin="Somebody")
    etc = archive.configure(tmp_path / "etc")
    with pytest.raises(apt_fetch.FetchError, match=r"is not an archive of Debian \(its origin: Somebody\)"):
        apt_fetch.fetch("hello", tmp_path / "out", None, apt_folder=etc, release=DEBIAN)


def checkout(folder: Path) -> Path:
    """Make a folder with the scripts alone, so that what they leave there is not in the real one."""
    shutil.copytree(SCRIPTS, folder / "scripts")
    return folder


def fake_consul(path: Path, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho Consul v1.8.7\nexit {code}\n")
    path.chmod(0o755)
    return path


def get_consul(root: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HAFAILOVER_")}
    return subprocess.run(
        [root / "scripts" / "get-consul"],
        env={**clean, "PYTHON": sys.executable, **environment},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def path_without_consul(folder: Path) -> str:
    """Return a $PATH with the tools that the script needs and nothing more."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "timeout", "mkdir", "flock", "uname"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    return str(tools)


def test_the_binary_that_was_named_comes_first(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    named, other = fake_consul(root / "named" / "consul"), fake_consul(root / "other" / "consul")
    path = f"{other.parent}:{os.environ['PATH']}"
    done = get_consul(root, {"HAFAILOVER_CONSUL_BINARY": str(named), "PATH": path})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{named}\n", "")
    relative = get_consul(root, {"HAFAILOVER_CONSUL_BINARY": "./named/consul"})
    assert relative.stdout == f"{root}/./named/consul\n"
    assert get_consul(root, {"PATH": path}).stdout == f"{other}\n"


@pytest.mark.parametrize("code", [None, 1])
def test_a_named_binary_that_does_not_run_is_an_error(code: int | None, tmp_path: Path) -> None:
    root = checkout(tmp_path)
    binary = root / "consul"
    if code is not None:
        fake_consul(binary, code)
    done = get_consul(root, {"HAFAILOVER_CONSUL_BINARY": str(binary)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"HAFAILOVER_CONSUL_BINARY={binary} cannot be run" in done.stderr


def test_a_fetched_binary_is_used_again(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    cached = fake_consul(root / ".cache" / "consul" / "usr" / "bin" / "consul")
    done = get_consul(root, {"PATH": path_without_consul(tmp_path)})
    assert (done.returncode, done.stdout) == (0, f"{cached}\n")


def test_where_none_can_be_fetched_it_says_how_to_install_one(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    done = get_consul(root, {"PATH": path_without_consul(tmp_path)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "apt-get not found" in done.stderr
    assert "Install Consul from its vendor" in done.stderr
    assert "HAFAILOVER_CONSUL_BINARY" in done.stderr
