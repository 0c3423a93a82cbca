"""JSON with neard's comments: what is a comment, what is not, and errors that show nothing of the content."""

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hafailover.near import jsonc

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1} // end',
        '// start\n{"a": 1}',
        '{"a": # why\n 1}',
        '{"a": /* in between */ 1}',
        '/* over\nseveral\nlines */{"a": 1}',
        '{"a": 1}/**/',
        '{"a": 1}//',
        '{"a": 1}#',
        '{"a"/* // # */: 1}',
        '{"a": 1} // it said "no',
        '{"a": 1} /* a quote " alone */',
    ],
)
def test_comments_are_blanks(text: str) -> None:
    assert jsonc.loads(text) == {"a": 1}


@pytest.mark.parametrize(
    "value", ["http://host/path", "# none", "/* none */", 'a \\" // b', "\\", '"', "\\\\// x", "*/"]
)
def test_signs_in_texts_are_texts(value: str) -> None:
    assert jsonc.loads(json.dumps({"a": value, value: 1})) == {"a": value, value: 1}


@given(JSON)
def test_plain_json_stays_what_it_is(value: Any) -> None:
    assert jsonc.loads(json.dumps(value)) == value
    assert jsonc.loads(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(JSON, st.sampled_from(["// c\n", "# c\n", "/* c */", "/* \n ' */"]))
def test_comments_around_anything(value: Any, comment: str) -> None:
    text = json.dumps([value, value], indent=0).replace("\n", comment)
    assert jsonc.loads(comment + text + comment) == [value, value]


@settings(max_examples=300)
@given(st.text(alphabet='{}[]":,/*# \n\\a1.e-', max_size=40))
@example("[" * 100_000)
@example('{"a":' * 50_000)
@example("1" * 5000)
@example("")
def test_only_value_errors(text: str) -> None:
    with contextlib.suppress(ValueError):
        jsonc.loads(text)


@settings(max_examples=300)
@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 70))
def test_errors_show_nothing_of_the_content(before: str, after: str, cut: int) -> None:
    secret = "3D4YudUahN1nawWogh8pAKSj92sUNMdbZGjn7kERKzYoTy8tnFQuwoGUC51DowKqorvkr2pytJSnwuSbsNVfqygr"
    text = (before + json.dumps({"secret_key": f"ed25519:{secret}"})[: 20 + cut] + after)[:200]
    try:
        jsonc.loads(text)
    except ValueError as error:
        assert secret[:8] not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_an_error_says_where() -> None:
    with pytest.raises(ValueError, match=r"not valid JSON: .* at line 2, column 6"):
        jsonc.loads('{\n"a": }')


@pytest.mark.parametrize("piece", ["/*", '\\"', '"\\', "/", "#", "*/", "/* "])
def test_what_never_ends_takes_no_time_to_speak_of(piece: str) -> None:
    """The guard reads config.json in the midst of a drop; one that is damaged must not hold it up."""
    text = '{"a": "' + piece * (64 * 1024 // len(piece))
    started = time.perf_counter()
    with pytest.raises(ValueError, match=r"not valid JSON"):
        jsonc.loads(text)
    with pytest.raises(ValueError, match=r"not valid JSON"):
        jsonc.loads(text[7:])
    # Milliseconds; looking for an end from every quote anew would take half a minute.
    assert time.perf_counter() - started < 5
