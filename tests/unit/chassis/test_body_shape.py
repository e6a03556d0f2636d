"""What a body holds is counted as JSON means it, and bodies that hold too much are refused by count."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.body_shape import DEPTH_MAX, MEMBERS_MAX, VALUES_MAX, too_much_of

_TEXTS = st.text(st.sampled_from('{}[],:"\\ a\u0001é'), max_size=12)
_VALUES = st.recursive(
    st.none() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def members(value: object) -> int:
    """Of the object with most."""
    inner = list(value.values() if isinstance(value, dict) else value) if isinstance(value, dict | list) else []
    return max([len(value) if isinstance(value, dict) else 0, *map(members, inner)])


@settings(max_examples=300, deadline=None)
@given(_VALUES, st.integers(2, 5), st.integers(2, 5))
def test_levels_and_members_are_counted_whatever_stands_in_texts(value: object, levels: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chassis.body_shape.DEPTH_MAX", levels)
        patch.setattr("chassis.body_shape.MEMBERS_MAX", most)
        for ascii_only in (True, False):
            found = too_much_of(json.dumps(value, ensure_ascii=ascii_only).encode())
            assert (found is not None) == (depth(value) > levels or members(value) > most)


def test_the_bounds_themselves_are_taken() -> None:
    assert too_much_of(json.dumps({f"k{n}": n for n in range(MEMBERS_MAX)}).encode()) is None
    assert too_much_of(json.dumps({f"k{n}": n for n in range(MEMBERS_MAX + 1)}).encode()) is not None
    assert too_much_of(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX) is None
    assert too_much_of(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1)) is not None
    assert too_much_of(json.dumps([1] * VALUES_MAX).encode()) is None
    assert too_much_of(json.dumps([1] * (VALUES_MAX + 2)).encode()) is not None


def test_what_stands_in_texts_is_not_counted() -> None:
    text = json.dumps({"note": '":' * 60_000, "more": ",[{" * 60_000}).encode()
    assert too_much_of(text) is None


@pytest.mark.parametrize("body", [b'\\"' * 500_000, b'"' * 1_000_001, b'"' + b"\\" * 999_999, b"],[" * 330_000])
def test_what_is_no_json_is_counted_in_linear_time(body: bytes) -> None:
    began = time.thread_time()
    too_much_of(body)
    assert time.thread_time() - began < 0.5
