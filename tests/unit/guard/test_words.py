"""Words: given only when the key is gone, and believed only as a guard of the pool gave them."""

from __future__ import annotations

import json
import pickle
import stat
from dataclasses import fields, replace
from pathlib import Path

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hafailover.core.views import KeyState
from hafailover.core.words import Checked, Claim, Scope
from hafailover.guard import model as m
from hafailover.guard import protocol
from hafailover.guard.word import WordKey, read_word_key
from hafailover.near.keyfile import KeyFileError

from .bench import ACCOUNT, Bench

SEED = bytes(range(32))
HISTORY, OTHER_HISTORY = "0" * 32, "1" * 32
WORDS = WordKey(SEED, ACCOUNT)
CLAIM = Claim(7, HISTORY, "host1", 103, "host2")


def bench(node: str = "host1") -> Bench:
    return Bench(node=node, words=WORDS)


def vouch(one: Bench, term: int, history: str = HISTORY, height: int = 60) -> Claim | None:
    before = one.guard.word
    one.do(m.VouchAsked(term, history, height, None))
    return one.guard.word if one.guard.word is not before else None


class TestKey:
    @pytest.mark.parametrize(("armed", "scope"), [(True, Scope.ALL), (False, Scope.NODE)])
    def test_a_word_is_good_as_it_was_given(self, armed: bool, scope: Scope) -> None:
        given = WORDS.give(CLAIM, armed)
        assert WordKey(SEED, ACCOUNT).check(given) is scope

    @pytest.mark.parametrize(
        "changes",
        [
            {"term": 8},
            {"history": OTHER_HISTORY},
            {"node": "host3"},
            {"height": 102},
            {"handover_to": None},
            {"handover_to": "host3"},
            {"word": "0" * 64},
            {"word": ""},
        ],
        ids=str,
    )
    def test_for_anything_else_it_is_bad(self, changes: dict[str, object]) -> None:
        given = WORDS.give(CLAIM, armed=True)
        assert WORDS.check(replace(given, **changes)) is Scope.BAD  # type: ignore[arg-type]
        assert {field.name for field in fields(Claim)} == {
            *("term", "history", "node", "height", "handover_to", "word")
        }, "a field that the word does not cover"

    def test_another_key_or_account_gives_other_words(self) -> None:
        given = WORDS.give(CLAIM, armed=True)
        assert WordKey(SEED, "other.near").check(given) is Scope.BAD
        assert WordKey(SEED[::-1], ACCOUNT).check(given) is Scope.BAD

    def test_the_key_is_shown_nowhere(self) -> None:
        one = bench()
        secret = WORDS._key.hex()
        shown = f"{WORDS!r} {WORDS} {one.guard!r} {protocol.describe(one.guard, '', 1)}"
        assert secret not in shown
        assert SEED.hex() not in shown
        assert "words" not in repr(one.guard.config)
        with pytest.raises(TypeError):
            pickle.dumps(WORDS)

    def test_it_is_hkdf(self) -> None:
        """As RFC 5869 has it, by another implementation."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        info = b"hafailover word v1 " + ACCOUNT.encode()
        assert HKDF(SHA256(), 32, None, info).derive(SEED) == WORDS._key


class TestCredential:
    def write(self, folder: Path, mode: int = 0o600) -> Path:
        path = folder / "key.json"
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        document = {
            "account_id": ACCOUNT,
            "public_key": "ed25519:" + base58.b58encode(public).decode(),
            "secret_key": "ed25519:" + base58.b58encode(key.private_bytes_raw() + public).decode(),
        }
        path.write_text(json.dumps(document))
        path.chmod(mode)
        return path

    def test_guards_with_one_credential_believe_each_other(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        given = read_word_key(path, ACCOUNT).give(CLAIM, armed=True)
        assert read_word_key(path, ACCOUNT).check(given) is Scope.ALL

    def test_one_that_is_not_good_gives_none(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, stat.S_IRUSR | stat.S_IRGRP)
        with pytest.raises(KeyFileError, match="chmod 600"):
            read_word_key(path, ACCOUNT)


class TestGiving:
    def test_the_guard_that_armed_in_the_term_knows_of_all_before_it(self) -> None:
        one = bench().loaded(5)
        one.drop(5)
        one.answer(None, height=120)
        given = vouch_in(one, 5)
        assert (given.term, given.node, given.height) == (5, "host1", 120)
        assert WORDS.check(given) is Scope.ALL

    def test_any_other_knows_of_itself_alone(self) -> None:
        one = bench().up()
        given = vouch_in(one, 5)
        assert WORDS.check(given) is Scope.NODE
        assert one.guard.retired == 5
        one.arm(5)
        assert "term 5 and all before it are over" in one.said, "and it keeps its word"

    @pytest.mark.parametrize("state", [KeyState.LOADING, KeyState.LOADED, KeyState.DROPPING])
    def test_none_as_long_as_the_key_may_be_there(self, state: KeyState) -> None:
        one = bench().loading(5) if state is KeyState.LOADING else bench().loaded(5)
        if state is KeyState.DROPPING:
            one.drop(5)
        assert one.key() is state
        for history in ("", HISTORY):
            assert vouch(one, 5, history) is None
            assert f"no word for the end of term 5: the key is {state}" in one.said
        assert one.guard.retired in (0, 5)

    def test_none_while_neard_is_being_killed_for_a_key_that_it_should_not_have(self) -> None:
        one = bench().booting()
        one.answer("ed25519:Any")
        assert one.guard.killed
        assert vouch(one, 5) is None

    def test_none_beside_a_neard_that_may_find_the_key_link(self) -> None:
        """The disk failed as it was placed, and hangs as it is removed: any SIGHUP would load the key."""
        one = bench().linking(5)
        one.disk_hangs = True
        one.link_fails("the disk failed")
        assert (one.key(), one.guard.link) == (KeyState.ABSENT, m.Link.REMOVING)
        assert vouch(one, 5, one.guard.history) is None
        assert "no word for the end of term 5: the key link may be there beside a neard" in one.said
        one.do(m.Unlinked(one.guard.file))
        assert vouch(one, 5, one.guard.history) is not None

    def test_with_no_neard_a_link_that_hangs_keeps_no_word_back(self) -> None:
        one = bench().linking(5)
        one.disk_hangs = True
        one.exit()
        assert one.guard.link is m.Link.REMOVING
        assert vouch(one, 5, one.guard.history) is not None

    def test_the_height_is_the_higher_one(self) -> None:
        one = bench().up()
        assert vouch_in(one, 5, height=40).height == one.guard.height == 50


def vouch_in(one: Bench, term: int, height: int = 60) -> Claim:
    given = vouch(one, term, one.guard.history, height)
    assert given is not None
    return given


class TestChecking:
    def test_what_a_word_is_worth_is_reported_with_all_that_it_says(self) -> None:
        one = bench("host2").up()
        good = WORDS.give(CLAIM, armed=True)
        one.do(m.CheckAsked(good))
        assert one.guard.checked == Checked(good, Scope.ALL)
        one.do(m.CheckAsked(replace(good, height=1)))
        assert one.guard.checked == Checked(replace(good, height=1), Scope.BAD)
        report = protocol.parse_report(protocol.describe(one.guard, "", 1))
        assert report.view.checked == one.guard.checked

    def test_arming_by_a_word_checks_it_once_more(self) -> None:
        one = bench("host2").up()
        good = WORDS.give(CLAIM, armed=True)
        for bad in (replace(good, height=1), WORDS.give(replace(CLAIM, history=OTHER_HISTORY), armed=True)):
            one.do(m.ArmAsked(9, one.now + 7.0, HISTORY, (good, bad)))
            assert one.key() is KeyState.ABSENT
            assert "the word of host1 for term 7 is none that a guard of this pool gave" in one.said
            assert one.guard.refused_term == 9
        one.do(m.ArmAsked(10, one.now + 7.0, HISTORY, (good,)))
        assert one.key() is KeyState.LOADING

    def test_a_word_of_the_term_itself_lets_nobody_arm(self) -> None:
        one = bench("host2").up()
        one.do(m.ArmAsked(7, one.now + 7.0, HISTORY, (WORDS.give(CLAIM, armed=True),)))
        assert one.key() is KeyState.ABSENT

    def test_a_guard_without_a_key_for_words_believes_none(self) -> None:
        one = Bench().up()
        one.do(m.CheckAsked(WORDS.give(CLAIM, armed=True)))
        assert one.guard.checked is not None
        assert one.guard.checked.scope is Scope.BAD


class TestHistories:
    """What a guard has retired is retired in one history of Consul's; in the next one terms begin anew."""

    def retired(self) -> Bench:
        one = bench().up()
        one.do(m.DropAsked(798, True, "lost", HISTORY))
        assert one.guard.retired == 798
        return one

    def test_in_another_history_a_lower_term_arms(self) -> None:
        one = self.retired()
        one.do(m.ArmAsked(30, one.now + 7.0, OTHER_HISTORY))
        assert (one.key(), one.guard.term, one.guard.history) == (KeyState.LOADING, 30, OTHER_HISTORY)

    def test_in_the_same_one_it_does_not(self) -> None:
        one = self.retired()
        one.do(m.ArmAsked(30, one.now + 7.0, HISTORY))
        assert one.key() is KeyState.ABSENT

    def test_not_before_the_key_of_the_history_before_is_gone(self) -> None:
        one = bench().up()
        one.do(m.ArmAsked(5, one.now + 7.0, HISTORY))
        one.do(m.ArmAsked(30, one.now + 7.0, OTHER_HISTORY))
        assert (one.guard.term, one.guard.history) == (5, HISTORY)
        assert "another history of Consul" in one.said
        assert vouch(one, 30, OTHER_HISTORY) is None

    def test_a_drop_in_another_history_drops_all_the_same(self) -> None:
        one = bench().up()
        one.do(m.ArmAsked(5, one.now + 7.0, HISTORY))
        one.answer("ed25519:PoolKey")
        one.do(m.DropAsked(3, True, "lost", OTHER_HISTORY))
        assert one.key() is KeyState.DROPPING
        assert (one.guard.history, one.guard.retired) == (HISTORY, 5)
        one.answer(None)
        one.do(m.DropAsked(3, True, "lost", OTHER_HISTORY))
        assert (one.guard.history, one.guard.retired) == (OTHER_HISTORY, 3)


class TestLines:
    """What the agent says of words, and what it is told, in bounds."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"term": 0},
            {"term": True},
            {"history": "0" * 31},
            {"history": "G" * 32},
            {"history": 5},
            {"node": ""},
            {"node": "x" * 257},
            {"node": None},
            {"node": "\ud800"},
            {"height": -1},
            {"handover_to": 5},
            {"word": "a" * 63},
            {"word": "A" * 64},
            {"word": None},
        ],
        ids=repr,
    )
    def test_a_claim_that_is_none_is_refused(self, changes: dict[str, object]) -> None:
        whole = {
            "term": 7,
            "history": HISTORY,
            "node": "host1",
            "height": 5,
            "handover_to": None,
            "word": "a" * 64,
        }
        good = protocol.parse_command({"op": "check", "claim": whole})
        assert good == m.CheckAsked(Claim(7, HISTORY, "host1", 5, None, "a" * 64))
        with pytest.raises(protocol.ProtocolError):
            protocol.parse_command({"op": "check", "claim": {**whole, **changes}})
        arm = {"op": "arm", "term": 8, "deadline": 1.0, "claims": [{**whole, **changes}]}
        with pytest.raises(protocol.ProtocolError):
            protocol.parse_command(arm)

    def test_many_claims_are_no_commands(self) -> None:
        odd: list[object] = [[None] * 9, {}, "x", [5]]
        for claims in odd:
            with pytest.raises(protocol.ProtocolError):
                protocol.parse_command({"op": "arm", "term": 8, "deadline": 1.0, "claims": claims})

    def test_the_agents_orders_are_what_the_guard_reads(self) -> None:
        from hafailover.core import effects as ef

        claim = WORDS.give(CLAIM, armed=True)
        orders: list[tuple[ef.ArmGuard | ef.DropGuard | ef.Vouch | ef.CheckWord, m.GuardEvent]] = [
            (ef.ArmGuard(8, 1.5, HISTORY, (claim,)), m.ArmAsked(8, 1.5, HISTORY, (claim,))),
            (ef.DropGuard(8, False, "why", HISTORY), m.DropAsked(8, False, "why", HISTORY)),
            (ef.Vouch(8, HISTORY, 70, None), m.VouchAsked(8, HISTORY, 70, None)),
            (ef.CheckWord(claim), m.CheckAsked(claim)),
        ]
        for effect, event in orders:
            line = protocol.encode(protocol.order_of(effect))
            assert protocol.parse_command(protocol.decode(line)) == event
