"""Where a localnet's nodes listen."""

import pytest

from hafailover.localnet.errors import LocalnetError
from hafailover.localnet.places import Places


def test_free_ports_on_loopback() -> None:
    places = Places("127.0.0.1", None, 2)
    four = [*places.next(), *places.next()]
    assert len(set(four)) == 4
    assert all(one.startswith("127.0.0.1:") for one in four)


def test_ports_from_a_base() -> None:
    places = Places("192.168.1.1", 25000, 2)
    assert places.next() == ("192.168.1.1:25100", "192.168.1.1:25000")
    assert places.next() == ("192.168.1.1:25101", "192.168.1.1:25001")


def test_ipv6_in_brackets() -> None:
    assert Places("fd00::1", 25000, 1).next() == ("[fd00::1]:25100", "[fd00::1]:25000")


@pytest.mark.parametrize(
    ("address", "base", "count", "named"),
    [
        ("chain", None, 1, "chain"),
        ("0.0.0.0", None, 1, "0.0.0.0"),
        ("127.0.0.1", 0, 1, "base port: 0"),
        ("127.0.0.1", 65500, 4, "65500"),
        ("127.0.0.1", 1000, 101, "101 nodes"),
    ],
)
def test_what_cannot_be(address: str, base: int | None, count: int, named: str) -> None:
    with pytest.raises(LocalnetError, match=named):
        Places(address, base, count)


def test_the_last_ports_that_fit() -> None:
    assert Places("127.0.0.1", 65536 - 101, 1).next() == ("127.0.0.1:65535", "127.0.0.1:65435")
