"""Each field of each document, one after the other: taken away, and exchanged for every odd value.

The random properties meet any pair of changes now and then; this meets every single one, every time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hafailover.core.beat import BeatError, parse_beat
from hafailover.guard import protocol
from hafailover.guard.probe import ProbeError, _parse
from hafailover.guard.protocol import ProtocolError
from hafailover.near.keyfile import KeyFileError, read_key

from ..unit.near.keys import ACCOUNT
from .secret import SECRET_KEY, Silence
from .strategies import ODD, Json, places
from .test_keyfile import KEY
from .test_keyfile import sound as sound_pair
from .test_probe import KEYLESS, LOADED, NODE_KEY, fits_a_report, proved
from .test_protocol import COMMANDS, REPORT, arms_only_in_bounds, asked
from .test_protocol import sound as sound_report
from .test_values import BEAT, sensible


def every_change(document: Json, *more: Json) -> Iterator[Json]:
    """The document without each of its fields, and with each value there instead."""
    for number in range(len(places(document))):
        changed = copy.deepcopy(document)
        container, key = places(changed)[number]
        for value in (*ODD, *more):
            container[key] = copy.deepcopy(value)
            yield changed
        del container[key]
        yield changed


def test_a_status(silence: Silence) -> None:
    def judge(document: Json) -> None:
        data = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(document).encode()
        status = _parse(data, frozenset({NODE_KEY}))
        proved(data, status)
        fits_a_report(status)

    for good in (KEYLESS, LOADED):
        sweep(good, judge, ProbeError, silence, "ed25519:AnotherNode", "k" * 70_000)


def test_a_command(silence: Silence) -> None:
    def judge(document: Json) -> None:
        event = protocol.parse_command(protocol.decode(protocol.encode(document)))
        asked(event, document)
        arms_only_in_bounds(event)

    for good in COMMANDS:
        sweep(good, judge, ProtocolError, silence, 1007.5, 1e4)


def test_a_report(silence: Silence) -> None:
    def judge(document: Json) -> None:
        line = protocol.encode(document)
        sound_report(protocol.parse_report(protocol.decode(line)), json.loads(line))

    sweep(REPORT, judge, ProtocolError, silence, "absent", ["absent"], -1.5)


def test_a_beat(silence: Silence) -> None:
    def judge(document: Json) -> None:
        beat = parse_beat(json.dumps(document))
        assert beat is not None
        sensible(beat)

    sweep(json.loads(BEAT.to_json()), judge, BeatError, silence, 60.5, 0.4, "released")


SPOILT = {
    "not base58": "0" + SECRET_KEY[9:],
    "cut": SECRET_KEY[:-1],
    "longer": SECRET_KEY + "1",
    "of another kind": f"rsa:{SECRET_KEY}",
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_a_key_file(private: Path, silence: Silence, spoilt: str) -> None:
    def judge(document: Json) -> None:
        private.write_text(json.dumps(document))
        sound_pair(read_key(private, ACCOUNT), ACCOUNT)

    sweep(KEY, judge, KeyFileError, silence, spoilt, SECRET_KEY)


def sweep(
    good: Json, judge: Callable[[Json], None], refusal: type[Exception], silence: Silence, *more: Json
) -> None:
    """Without a change it is sound, and with one it is sound or refused, without a piece of a secret."""
    judge(good)
    refused = 0
    for document in every_change(good, *more):
        try:
            judge(document)
        except refusal as error:
            refused += 1
            silence.check(error)
    assert refused
