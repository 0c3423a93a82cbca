"""scripts/apt-fetch: which archives it takes from a machine's configuration, and when it gives up."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
"""


def etc(folder: Path, files: dict[str, str]) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def found(module: ModuleType, folder: Path) -> list[tuple[str, str]]:
    return [(source.uri, source.signed_by) for source in module.configured_sources(folder, "bookworm")]


def test_deb822_sources(apt_fetch: ModuleType, tmp_path: Path) -> None:
    folder = etc(tmp_path, {"sources.list.d/debian.sources": DEB822})
    assert found(apt_fetch, folder) == [("http://mirror.example/debian", KEYRING)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://a.example/debian bookworm main", [("http://a.example/debian", "")]),
        ("deb  http://a.example/debian/  stable  contrib main # it", [("http://a.example/debian/", "")]),
        (f"deb [arch=amd64 signed-by={KEYRING}] http://a/ bookworm main", [("http://a/", KEYRING)]),
        ("deb [signed-by=/k1,/k2] http://a/ bookworm main", [("http://a/", "/k1 /k2")]),
        ("deb [trusted=yes] http://a/ bookworm main", [("http://a/", "")]),
        ("deb mirror+file:/etc/apt/mirrors.list bookworm main", [("mirror+file:/etc/apt/mirrors.list", "")]),
        ("# deb http://a/ bookworm main", []),
        ("deb-src http://a/ bookworm main", []),
        ("deb http://a/ bookworm contrib", []),
        ("deb http://a/ bookworm-updates main", []),
        ("deb http://a/ trixie main", []),
        ("deb cdrom:[Debian] bookworm main", []),
        ("deb cdrom:/ bookworm main", []),
        ("deb http://a/ ./", []),
    ],
)
def test_one_line_sources(
    line: str, expected: list[tuple[str, str]], apt_fetch: ModuleType, tmp_path: Path
) -> None:
    assert found(apt_fetch, etc(tmp_path, {"sources.list": line + "\n"})) == expected


def test_all_files_count_in_the_order_apt_reads_them(apt_fetch: ModuleType, tmp_path: Path) -> None:
    files = {
        "sources.list": "deb http://first/ bookworm main\n",
        "sources.list.d/b.list": "deb http://second/ bookworm main\ndeb http://first/ bookworm main\n",
        "sources.list.d/a.sources": DEB822,
        "sources.list.d/c.list.save": "deb http://old/ bookworm main\n",
    }
    uris = [uri for uri, _ in found(apt_fetch, etc(tmp_path, files))]
    assert uris == ["http://first/", "http://second/", "http://mirror.example/debian"]


def test_a_key_in_the_file_is_taken_whole(apt_fetch: ModuleType, tmp_path: Path) -> None:
    key = " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINB\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: http://a/\nSuites: bookworm\nComponents: main\nSigned-By:\n{key}\n"
    assert found(apt_fetch, etc(tmp_path, {"sources.list.d/d.sources": text})) == [("http://a/", "\n" + key)]


def test_another_release_may_also_be_signed_with_debians_own_keys(
    apt_fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = tmp_path / "debian.gpg"
    monkeypatch.setattr(apt_fetch, "DEBIAN_KEYRING", keyring)

    def keys(signed_by: str, other_release: bool) -> str:
        value: str = apt_fetch.signing_keys(
            apt_fetch.Source("http://a/", signed_by), other_release=other_release
        )
        return value

    assert keys("/own.gpg", True) == "/own.gpg"
    keyring.touch()
    assert keys("/own.gpg", True) == f"/own.gpg {keyring}"
    assert keys("/own.gpg", False) == "/own.gpg"
    assert keys(str(keyring), True) == str(keyring)
    assert keys("", True) == ""
    assert keys("ABCDEF", True) == "ABCDEF"


@pytest.mark.parametrize(
    ("release", "message"),
    [
        (
            {"ID": "ubuntu", "VERSION_CODENAME": "noble", "PRETTY_NAME": "Ubuntu 24.04"},
            "runs Ubuntu 24.04, so its",
        ),
        ({"ID": "debian", "PRETTY_NAME": "Debian odd"}, "this machine runs Debian odd"),
        ({}, "this machine runs an unknown system"),
        (
            {"ID": "debian", "VERSION_CODENAME": "bookworm"},
            "no Debian archive with component main of bookworm",
        ),
    ],
)
def test_where_there_is_no_debian_mirror_it_says_so(
    release: dict[str, str],
    message: str,
    apt_fetch: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    with pytest.raises(apt_fetch.FetchError, match=message):
        apt_fetch.fetch("consul", tmp_path / "out", "bullseye", apt_folder=tmp_path, release=release)


def test_without_apt_it_says_so(
    apt_fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(apt_fetch.FetchError, match=r"apt-get not found: .* on Debian only"):
        apt_fetch.fetch("consul", tmp_path / "out", None, apt_folder=tmp_path, release={})


@pytest.mark.parametrize("arguments", [[], ["consul"], ["--help"], ["a", "b", "c", "d"], ["x; y", "z"]])
def test_bad_arguments_are_refused(
    arguments: list[str], apt_fetch: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apt_fetch.main(arguments) == 2
    assert "apt-fetch" in capsys.readouterr().err
