"""Texts in one piece of memory: a list in all that is asked of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.corpus.store import packed
from etm_jax.corpus.store.packed import PackedTexts

TEXTS = st.lists(st.text(max_size=8), max_size=9)


@given(TEXTS, st.data())
@settings(derandomize=True, deadline=None)
def test_it_is_the_list_that_it_was_made_of(texts, data):
    ours = PackedTexts.of(texts).checked()
    assert ours == texts
    assert list(ours) == texts
    assert len(ours) == len(texts)
    assert ours[1:4] == texts[1:4]
    assert [ours[i] for i in range(-len(texts), len(texts))] == texts * 2
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)) if texts else []
    assert ours.take(np.array(rows, np.int64)).checked() == [texts[row] for row in rows]
    assert (ours == [*texts, ""]) is False


def test_halves_of_characters_stay_and_many_rows_are_taken_in_blocks(monkeypatch):
    texts = ["\ud800", "银河", "", "a\udfff"] * 5
    monkeypatch.setattr(packed, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(packed, "BYTES_AT_ONCE", 2)
    rows = np.arange(20)[::-1]
    assert PackedTexts.of(texts).take(rows).checked() == texts[::-1]


def test_no_text_is_beyond_the_last():
    with pytest.raises(IndexError):
        PackedTexts.of(["a"])[1]
    assert list(PackedTexts.of([])) == []


@pytest.mark.parametrize(
    "content, starts",
    [
        ("银".encode(), [0, 2, 3]),
        ("银".encode(), [0, 4]),
        ("银".encode(), [1, 3]),
        (b"abc", [0, 2, 1, 3]),
        (b"\xff", [0, 1]),
        ("银".encode()[:2], [0, 2]),
        (b"", []),
    ],
)
def test_arrays_that_are_no_texts_are_refused(content, starts):
    with pytest.raises(ValueError):  # noqa: PT011 (of two kinds, ours and UnicodeDecodeError)
        PackedTexts(np.frombuffer(content, np.uint8), np.array(starts, np.int64)).checked()
