"""The token that all clients share: replaced by its file's when denied, without waiting for a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from hafailover.lock import token as module
from hafailover.lock.token import Token, TokenError

from ..observe.tiny_consul import until

OLD, NEW = "0ac5cf1b-old", "0ac5cf1b-new"


class File:
    """What holds the token, and counts how often it is read."""

    def __init__(self) -> None:
        self.holds: str | None = OLD
        self.reads = 0
        self.hangs = threading.Event()
        self.hangs.set()

    def read(self) -> str:
        self.reads += 1
        self.hangs.wait(20)
        if self.holds is None:
            raise TokenError("consul.token_file: /a/file: No such file or directory")
        return self.holds


@pytest.fixture
def file() -> Iterator[File]:
    file = File()
    yield file
    file.hangs.set()


@pytest.fixture
def token(file: File) -> Token:
    return Token(OLD, file.read, "consul.token_file /a/file")


def test_a_denied_token_is_replaced_by_the_files(file: File, token: Token) -> None:
    assert not token.differs_from(OLD)
    file.holds = NEW
    time.sleep(module.AGAIN_S)
    assert token.differs_from(OLD)
    assert (token.value, token.number) == (NEW, 1)


def test_who_was_denied_an_older_one_need_not_wait(file: File, token: Token) -> None:
    file.holds = NEW
    assert token.read_again()
    reads = file.reads
    assert token.differs_from(OLD)
    assert file.reads == reads


def test_a_disk_that_hangs_does_not_hold_up_the_call(file: File, token: Token) -> None:
    file.hangs.clear()
    began = time.monotonic()
    for _ in range(3):
        assert not token.differs_from(OLD)
    assert time.monotonic() - began < 3 * module.READ_S + 1.0
    assert file.reads == 1, "one thread hangs, and no second one"
    file.holds = NEW
    file.hangs.set()
    until(lambda: token.value == NEW, "the new token, when the disk is back")


def test_many_that_are_denied_at_once_read_the_file_once(file: File, token: Token) -> None:
    file.holds = NEW
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(token.differs_from(OLD))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [True] * 12
    assert file.reads == 1


def test_a_file_that_is_gone_is_named_and_the_token_stays(file: File, token: Token) -> None:
    file.holds = None
    assert not token.differs_from(OLD)
    assert token.value == OLD
    assert token.hint == "consul.token_file: /a/file: No such file or directory"


def test_a_file_with_the_same_token_is_named(token: Token) -> None:
    assert not token.differs_from(OLD)
    assert "consul.token_file /a/file holds no other one" in token.hint
    assert OLD not in token.hint


def test_without_a_file_it_says_which_setting() -> None:
    assert not Token(None).differs_from(None)
    assert "consul.token_file" in Token(None).hint


def test_a_new_token_is_hidden_before_it_is_used(file: File, token: Token) -> None:
    hidden: list[tuple[str | None, str | None]] = []
    token.tell(lambda secret: hidden.append((secret, token.value)))
    file.holds = NEW
    token.read_again()
    assert hidden == [(OLD, OLD), (NEW, OLD)]


def test_it_is_never_shown(token: Token) -> None:
    assert OLD not in f"{token} {token!r} {[token]}"
