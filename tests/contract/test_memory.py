"""What only the test double can do: fail when told to, and lose the answer to a call that took effect."""

import pytest

from hafailover.lock.errors import CallError, Kind
from hafailover.lock.memory import MemoryConsul

from .pools import active


@pytest.mark.parametrize("kind", list(Kind))
def test_a_call_that_is_to_fail_changes_nothing(kind: Kind) -> None:
    consul = MemoryConsul()
    a, b = consul.lease("a"), consul.lease("b")
    session = a.open_session()
    consul.fail("a", kind, calls=2)
    for _ in range(2):
        with pytest.raises(CallError) as error:
            a.acquire(session)
        assert error.value.kind is kind
    b.acquire(b.open_session())


def test_a_call_whose_answer_is_lost_took_effect() -> None:
    consul = MemoryConsul()
    a = consul.lease("a")
    session = a.open_session()
    consul.lose_replies("a")
    with pytest.raises(CallError) as error:
        a.acquire(session)
    assert error.value.kind is Kind.UNREACHABLE
    _, lock = consul.watch().lock(None, 0.0)
    assert lock.session == session
    a.beat(session, active(a.acquire(session).term))


def test_a_watch_fails_as_its_node_does() -> None:
    consul = MemoryConsul()
    consul.fail("a", Kind.DENIED)
    with pytest.raises(CallError):
        consul.watch("a").lock(None, 0.0)
    consul.watch("b").lock(None, 0.0)
