"""Counts of windows: by hand, and the same as gensim's own, which sees a word no more once one of it has left."""

import numpy as np
import pytest
import scipy.sparse as sp
from gensim.corpora import Dictionary
from gensim.topic_coherence.text_analysis import WordOccurrenceAccumulator
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import token_stream
from etm_jax.metrics import windows
from etm_jax.metrics.windows import document_spans, joint_counts, window_spans


def counted(documents: list[list[str]], words: list[str], window: int) -> tuple[np.ndarray, int]:
    spans = window_spans(token_stream(documents), words, window)
    return joint_counts(spans, np.arange(len(words))[None])[0], spans.total


def test_windows_end_with_their_document():
    # a b, b c; d a; a document of one word; an empty one.
    documents = [["a", "b", "c"], ["d", "a"], ["c"], []]
    joint, total = counted(documents, ["a", "b", "c"], 2)
    assert total == 5
    np.testing.assert_array_equal(joint, [[2, 1, 0], [1, 2, 1], [0, 1, 2]])


def test_windows_of_one_word_are_its_occurrences():
    joint, total = counted([["a", "a", "b"], ["a"]], ["a", "b", "c"], 1)
    assert total == 4
    np.testing.assert_array_equal(joint, np.diag([3, 1, 0]))


def test_a_word_that_has_left_is_not_seen_until_it_enters_again():
    # b a a, a a c, a c d, c d e, d e a: as the first a leaves, the second is still there and is not seen.
    joint, total = counted([["b", "a", "a", "c", "d", "e", "a"]], ["a", "c"], 3)
    assert total == 5
    np.testing.assert_array_equal(joint, [[3, 1], [1, 3]])
    # a b c, b c a: one leaves as the other enters.
    assert counted([["a", "b", "c", "a"]], ["a"], 3)[0] == 2


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdxy"), max_size=40), min_size=1, max_size=6), st.integers(1, 12))
def test_counts_are_gensims(documents, window):
    words = list("abcd")
    dictionary = Dictionary([words])
    gensims = WordOccurrenceAccumulator(set(dictionary), dictionary).accumulate(documents, window)
    joint, total = counted(documents, words, window)
    assert total == gensims.num_docs
    np.testing.assert_array_equal(joint, [[gensims[u, v] for v in words] for u in words])


def test_topics_are_counted_each_by_itself(monkeypatch):
    rng = np.random.default_rng(0)
    documents = [rng.choice(list("abcdefgh"), length).tolist() for length in (90, 0, 3, 40)]
    words = list("habcdefg")
    every, _ = counted(documents, words, 7)
    spans = window_spans(token_stream(documents), words, 7)
    topics = rng.permuted(np.tile(np.arange(8), (5, 1)), axis=1)[:, :3]
    joint = joint_counts(spans, topics)
    np.testing.assert_array_equal(joint, every[topics[:, :, None], topics[:, None, :]])
    # However few begins and ends are looked at together.
    monkeypatch.setattr(windows, "_BLOCK", 4)
    np.testing.assert_array_equal(joint_counts(spans, topics), joint)


@pytest.mark.parametrize("documents", [[], [[]], [["x"]]])
def test_without_any_of_the_words_all_is_zero(documents):
    joint, total = counted(documents, ["a", "b"], 4)
    assert total == len(documents)
    np.testing.assert_array_equal(joint, np.zeros((2, 2)))


def test_a_document_sees_a_word_once():
    # a in documents 0 and 2, b in 0; an entry of 0, and a's in document 2 that stands there as two.
    counts = sp.csr_matrix(
        (np.array([2, 1, 0, 1, 1], np.int32), np.array([0, 1, 1, 0, 0]), np.array([0, 2, 3, 5, 5])), shape=(4, 2)
    )
    spans = document_spans(counts)
    assert spans.total == 4
    np.testing.assert_array_equal(joint_counts(spans, np.array([[0, 1]]))[0], [[2, 1], [1, 1]])
