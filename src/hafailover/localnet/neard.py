"""Which neard to run: a real one if it is named, else the stand-in that comes with hafailover."""

import shutil
import sys
from pathlib import Path

from hafailover.localnet.errors import LocalnetError

STAND_IN = "localneard"


def find_neard(neard: str | Path | None = None) -> Path:
    """Return the absolute path of `neard` (a path or a name on $PATH), or of the stand-in.

    The latter where it is None, or the stand-in's own name.

    The stand-in is looked for beside the running Python first, since that is where it is installed with
    hafailover. Raises LocalnetError when there is no such program.
    """
    if neard is not None and str(neard) != STAND_IN:
        found = shutil.which(neard)
        if found is None:
            raise LocalnetError(f"{neard} cannot be run; give --neard the path of a neard binary")
        return Path(found).absolute()
    found = shutil.which(STAND_IN, path=str(Path(sys.executable).parent)) or shutil.which(STAND_IN)
    if found is None:
        raise LocalnetError(
            f"the stand-in {STAND_IN} is not installed; install hafailover with its extra 'localnet', "
            "or give --neard the path of a neard binary"
        )
    return Path(found).absolute()
