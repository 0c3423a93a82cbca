"""The look at neard's disk: its figures, and a disk that hangs."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hafailover.agent import disk
from hafailover.agent.disk import Disk, DiskWatch

from ..observe.tiny_consul import until


def test_the_figures_are_the_file_systems(tmp_path: Path) -> None:
    found, asked = disk.look(tmp_path), os.statvfs(tmp_path)
    assert found.free_bytes is not None and found.free_ratio is not None
    free = asked.f_bavail * asked.f_frsize
    # Others write to it, too.
    assert abs(found.free_bytes - free) < 4 * disk.ROUND
    assert 0 <= found.free_ratio <= 1


def test_a_few_blocks_more_are_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(blocks: int) -> Disk:
        found = os.statvfs_result((4096, 4096, 1 << 28, blocks, blocks, 0, 0, 0, 0, 255))
        monkeypatch.setattr("hafailover.agent.disk.os.statvfs", lambda _: found)
        return disk.look(Path("/"))

    assert of(100 << 18) == of((100 << 18) + 5000) == Disk(100 << 30, 0.098)
    assert of(70).free_bytes == 70 * 4096


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert disk.look(tmp_path / "none") == Disk()
    watch = DiskWatch(None)
    watch.start()
    assert watch.last() == Disk()


def test_a_disk_that_hangs_holds_nobody_up_and_its_old_figure_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, go_on, asked = threading.Event(), threading.Event(), []

    def look(folder: Path) -> Disk:
        asked.append(folder)
        if len(asked) > 1:
            hung.set()
            go_on.wait(30)
        return Disk(5 << 30, 0.5)

    monkeypatch.setattr(disk, "look", look)
    monkeypatch.setattr(disk, "EVERY_S", 0.01)
    watch = DiskWatch(tmp_path)
    watch.start()
    try:
        assert hung.wait(10)
        until(lambda: watch.last() == Disk(5 << 30, 0.5), "the first figure")
        monkeypatch.setattr(disk, "OLD_S", -1.0)
        assert watch.last() == Disk()
    finally:
        go_on.set()
