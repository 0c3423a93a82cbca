"""Commands that must end, and whose output is shown when they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nixos_hosts.problem import Broken


def run(
    command: Sequence[str | Path],
    timeout_s: float,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> str:
    """Runs a command; returns what it wrote, errors included.

    :raises Broken: it failed or took longer.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=env,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"{' '.join(words)[:200]}: did not end within {timeout_s:g} s") from None
    except OSError as error:
        raise Broken(f"{words[0]}: {error.strerror}") from None
    if check and done.returncode != 0:
        tail = "\n  ".join(done.stdout.splitlines()[-20:])
        raise Broken(f"{' '.join(words)[:200]}: code {done.returncode}\n  {tail}")
    return done.stdout
