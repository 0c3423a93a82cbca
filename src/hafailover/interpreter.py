"""Starts a module of this package in a Python process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES = ("site-packages", "dist-packages")


def command(module: str, *arguments: str) -> list[str]:
    """The command line; it needs :func:`environment`.

    Without ``-P`` Python would look for modules in the current folder first, and run what anybody put there.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """``base`` with a PYTHONPATH by which the process finds what this one has found.

    Its folders are whole paths: an empty or relative one would be looked for below the current folder.
    Programs of Nix have their packages named in a script around them: the interpreter alone knows none.
    """
    here = str(Path(__file__).resolve().parents[1])
    found = [path for path in sys.path if Path(path).name in PACKAGES and Path(path).is_absolute()]
    return {**base, "PYTHONPATH": os.pathsep.join(dict.fromkeys([here, *found]))}
