"""A start script in place of neard's binary: whether neard would be the guard's own child.

A look at the text alone, which can be wrong either way; the guard looks at the process itself.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

MOST_BYTES = 64 * 1024
SHELL = re.compile(rb"#!\s*(?:\S*/)?(?:env\s+(?:-\S+\s+)*)?(?:\S*/)?(?:ba|da|k|z)?sh\b")
BETWEEN = ("docker", "podman", "sudo", "doas", "su", "runuser", "tini", "dumb-init", "setsid", "systemd-run")
"""Programs that stay between their caller and what they start, or have somebody else start it."""
# Where a command may begin: a line, or after what separates commands.
_START = r"(?:^|[;&|({]|\b(?:then|else|do|exec|nice|env|command)\b)\s*(?:\S*/)?"
_BETWEEN = re.compile(_START + rf"({'|'.join(map(re.escape, BETWEEN))})(?=\s|$)")
_EXEC = re.compile(r"(?:^|[;&|({]|\b(?:then|else|do)\b)\s*exec\s")
_CLOSING = re.compile(r"(?:fi|esac|done|\}|\)|;;)\s*;*$")


def launcher_trouble(binary: str) -> str:
    """Why neard would not be the guard's child, and what to change; empty if nothing of that shows.

    :param binary: neard.binary, a path or a name in $PATH. One that is not there, or is no shell script, is
        not judged.
    """
    path = shutil.which(binary)
    if path is None:
        return ""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_BYTES)
    except OSError:
        return ""
    if not SHELL.match(raw):
        return ""
    trouble = _trouble(_commands(raw.decode(errors="replace")))
    return f"neard.binary: {path} {trouble}" if trouble else ""


def _commands(script: str) -> list[str]:
    """The lines that do something; those that a backslash continues are one."""
    lines = [line.strip() for line in script.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _trouble(commands: list[str]) -> str:
    for command in commands:
        if between := _BETWEEN.search(command):
            return (
                f"starts neard by {between[1]}, which stays in between, so the guard cannot tell neard's end "
                "and does not arm: run neard without it, as the user of the guard's unit"
            )
    execs = [bool(_EXEC.search(command)) for command in commands]
    if not any(execs) or not (execs[-1] or _CLOSING.search(commands[-1])):
        return (
            "is a script that does not `exec` neard with its last command, so it stays in between, and the "
            'guard does not arm: end it with exec /path/to/neard "$@"'
        )
    return ""
