"""The commands that are typed: as the page has them, and nothing that the index could change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .test_plan import LINUX, NIXOS

ROOT = Path(__file__).resolve().parents[3]
PAGES = (*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md")


def test_the_page_has_the_commands_of_the_plan() -> None:
    page = (ROOT / "docs" / "upgrade.md").read_text()
    for command in LINUX.agent_steps("host1")[:3]:
        assert f"\n# {command}\n" in page
    assert NIXOS.agent_steps("host1")[0] in page.replace("`", "")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_is_installed_without_its_hash(path: Path) -> None:
    for line in path.read_text().splitlines():
        if re.search(r"\bpip install\b", line):
            assert "--require-hashes -r " in line or "--no-deps --no-index " in line, line


def test_every_library_in_the_lock_has_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    pinned = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert pinned
    assert all(re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in pinned)
