"""The kernel's clock discipline, by adjtimex(2): read, never set."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

STA_UNSYNC = 0x0040
NOMINAL_TICK_US = 10_000
PPM = 65536
"""``freq`` counts millionths in steps of 1/65536."""


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """``error``: why the kernel did not tell. The rest is then empty."""

    error: str = ""
    synchronised: bool = False
    max_error_s: float = 0.0
    estimated_error_s: float = 0.0
    rate: float = 0.0
    """How much faster the kernel lets its clocks run than the hardware, as a fraction; below 0: slower."""


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


def look_at_clock() -> ClockFacts:
    timex = _Timex()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return ClockFacts(error="this system's C library has no adjtimex")
    if done < 0:
        return ClockFacts(error=f"the kernel does not tell: {os.strerror(ctypes.get_errno())}")
    tick = (timex.tick - NOMINAL_TICK_US) / NOMINAL_TICK_US
    return ClockFacts(
        synchronised=not timex.status & STA_UNSYNC,
        max_error_s=timex.maxerror / 1e6,
        estimated_error_s=timex.esterror / 1e6,
        rate=tick + timex.freq / PPM / 1e6,
    )
