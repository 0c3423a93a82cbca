"""What becomes of the guard when one of its own steps fails: it ends, and neard with it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

EXIT_DEFECT = 70


def end_by_defect(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A step that the loop has called has failed: what it was to see would stay unseen for good.

    All else that asyncio tells in this way, as that no more connections can be taken, is the world's trouble.
    """
    loop.default_exception_handler(context)
    if "handle" in context:
        logging.shutdown()
        os._exit(EXIT_DEFECT)
