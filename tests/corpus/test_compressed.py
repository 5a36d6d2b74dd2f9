"""Longer texts in one piece of memory, packed as they come, of which a few are looked at."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.corpus.store.compressed import TEXTS, CompressedTexts, Compressor


def compressed(texts) -> CompressedTexts:
    compressor = Compressor()
    for text in texts:
        compressor.add(text)
    return compressor.compressed()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=12), st.integers(0, 3))
def test_texts_come_back(some, times):
    texts = some * (1 + times * TEXTS // 5)
    packed = compressed(texts).checked()
    assert packed == texts
    assert packed[:3] == texts[:3]
    assert len(packed) == packed.num_packed == len(texts)
    rows = np.flatnonzero(np.arange(len(texts)) % 3 == 1)
    assert packed.take(rows) == [texts[i] for i in rows]
    assert packed.take(rows).take(np.arange(len(rows))[::-1]) == [texts[i] for i in rows[::-1]]


def test_a_lone_surrogate_stays_what_it_is_and_much_of_the_same_takes_little_room():
    texts = ["\udc80 三体", ""] * 1000
    packed = compressed(texts)
    assert packed == texts
    assert len(packed.content) < 10_000


def changed(packed: CompressedTexts, **given) -> CompressedTexts:
    values = {"content": packed.content, "starts": packed.starts, "num_packed": packed.num_packed} | given
    return CompressedTexts(**values)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda packed: {"num_packed": packed.num_packed + 1},
        lambda packed: {"num_packed": packed.num_packed - 1},
        lambda packed: {"starts": packed.starts[:-1]},
        lambda packed: {"starts": np.insert(packed.starts, 1, 0)},
        lambda packed: {"starts": packed.starts.astype(np.int32)},
        lambda packed: {"starts": packed.starts[:0]},
        lambda packed: {"content": packed.content[::-1]},
        lambda packed: {"content": packed.content.astype(np.int64)},
    ],
)
def test_arrays_that_are_not_as_they_were_are_refused(wrong):
    packed = compressed(map(str, range(2 * TEXTS + 3)))
    assert changed(packed).checked() == packed
    with pytest.raises(ValueError, match=r"."):
        changed(packed, **wrong(packed)).checked()


@pytest.mark.parametrize(
    "block",
    [
        b"",
        np.array([1], "<i8").tobytes(),
        np.array([1, 0, 9], "<i8").tobytes() + b"text",
        np.array([-1, 0], "<i8").tobytes(),
        np.array([10**9, 0], "<i8").tobytes(),
        np.array([1, 0, 1], "<i8").tobytes() + b"\xff",
    ],
)
def test_a_block_that_holds_something_else_is_refused(block):
    content = np.frombuffer(zlib.compress(block), np.uint8)
    with pytest.raises(ValueError, match=r"."):
        CompressedTexts(content, np.array([0, len(content)]), 1).checked()
