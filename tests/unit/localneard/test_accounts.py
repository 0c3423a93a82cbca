"""Which node speaks for which validator, as the records that travel between nodes have it."""

from dataclasses import replace
from typing import Any

import pytest

from localneard.accounts import AccountRecord, Accounts
from localneard.addresses import Address, BootNode
from localneard.keys import Key

POOL = Key.from_name("node3", "node3")
OTHER = Key.from_name("node0", "node0")
A, B, C = (Key.from_name("node", name).public_key for name in "abc")


def accounts() -> Accounts:
    return Accounts([POOL.public_key, OTHER.public_key])


def place(cache: Accounts) -> tuple[str, int]:
    record = cache.records[POOL.public_key]
    return record.peer_id, record.version


def test_a_new_holders_record_replaces_the_old_ones_everywhere() -> None:
    old, new, far = accounts(), accounts(), accounts()
    first = old.set_local(POOL, A, (), 1)
    assert first is not None
    for cache in (new, far):
        assert cache.insert(first, 2) is first
        assert cache.insert(first, 2) is None
    second = new.set_local(POOL, B, (), 3)
    assert second is not None
    assert second.version == first.version + 1
    assert far.insert(second, 4) is second
    assert far.insert(first, 5) is None
    assert place(far) == (B, 2)


def test_a_node_that_gave_the_key_up_contradicts_the_new_holder_and_is_contradicted() -> None:
    old, new, far = accounts(), accounts(), accounts()
    first = old.set_local(POOL, A, (), 1)
    assert first is not None
    new.insert(first, 2)
    record = new.set_local(POOL, B, (), 3)
    for speaker, peer, version in ((old, A, 3), (new, B, 4), (old, A, 5)):
        assert record is not None
        record = speaker.insert(record, version)
        assert record is not None
        assert (record.peer_id, record.version) == (peer, version)
        assert record.is_signed()
        far.insert(record, version)
        assert place(far) == (peer, version)
    # A process that has started anew knows nothing of the key.
    last = new.insert(far.records[POOL.public_key], 6)
    assert last is not None
    assert accounts().insert(last, 7) is last
    assert last.peer_id == B


def test_a_record_of_this_very_node_from_an_earlier_run_needs_no_answer() -> None:
    before, after = accounts(), accounts()
    before.set_local(POOL, A, (), 1)
    again = before.set_local(POOL, A, (), 2)
    assert again is not None
    after.set_local(POOL, A, (), 3)
    assert after.insert(again, 4) is again


def test_only_validators_and_good_signatures_count() -> None:
    cache = accounts()
    stranger = Key.from_name("nobody", "nobody")
    assert cache.set_local(stranger, A, (), 1) is None
    foreign = Accounts([stranger.public_key]).set_local(stranger, A, (), 1)
    assert foreign is not None
    assert cache.insert(foreign, 1) is None
    good = accounts().set_local(POOL, A, (), 1)
    assert good is not None
    with pytest.raises(ValueError, match="bad signature"):
        cache.insert(replace(good, peer_id=B), 1)
    assert cache.records == {}


def test_a_record_arrives_as_it_was_sent() -> None:
    proxies = (BootNode(C, Address("10.0.0.1", 24567)),)
    record = accounts().set_local(POOL, A, proxies, 5)
    assert record is not None
    assert AccountRecord.from_wire(record.to_wire()) == record


GOOD: list[Any] = [POOL.public_key, A, [], 1, 1, "s"]


@pytest.mark.parametrize(
    "values",
    [
        None,
        GOOD[:-1],
        ["key", *GOOD[1:]],
        [*GOOD[:2], [[A, "h", 0]], *GOOD[3:]],
        [*GOOD[:2], [[A, "h" * 300, 1]], *GOOD[3:]],
        [*GOOD[:2], [[A, 5, 1]], *GOOD[3:]],
        [*GOOD[:2], [[A, "h", 1]] * 11, *GOOD[3:]],
        [*GOOD[:3], -1, *GOOD[4:]],
        [*GOOD[:3], True, *GOOD[4:]],
        [*GOOD[:3], 1 << 63, *GOOD[4:]],
        [*GOOD[:5], "s" * 200],
        [*GOOD[:5], 7],
    ],
)
def test_rubbish_is_no_record(values: Any) -> None:
    AccountRecord.from_wire(GOOD)
    with pytest.raises(ValueError, match=r"makes no sense|without keys"):
        AccountRecord.from_wire(values)
