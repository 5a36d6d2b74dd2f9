"""Counts of the windows of running text that hold a word, or two words together, for `etm_jax.metrics.coherence`.

A window moves by one word at a time and never crosses the end of a document; a document no longer than the window, also
an empty one, is one window. Windows are numbered through all documents. A word is seen from the window that it enters
on the right up to the first that an occurrence of it has left on the left, even where another occurrence is still
inside. This is how gensim counts: a word that repeats within a window is undercounted, but the values are comparable
with those that others report.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import TokenStream

_BLOCK = 1 << 16
"""Begins and ends of runs processed in one step."""


class Spans(NamedTuple):
    """The runs of consecutive windows that see each of U words.

    Attributes
    ----------
    begins, ends : ndarray of shape (S,), int64
        First window of each run, and the one after its last. Sorted by word; ascending and disjoint for each word.
    bounds : ndarray of shape (U + 1,), int
        The runs of word u are those from `bounds[u]` up to, not including, `bounds[u + 1]`.
    total : int
        Number of all windows, also those that see none of the words.
    """

    begins: np.ndarray
    ends: np.ndarray
    bounds: np.ndarray
    total: int


def document_spans(counts: sp.csr_matrix) -> Spans:
    """Treat each document as one window, whatever its length.

    Parameters
    ----------
    counts : csr_matrix of shape (D, U)

    Returns
    -------
    Spans
    """
    present = sp.csc_matrix(counts > 0)
    documents = present.indices.astype(np.int64)
    return Spans(documents, documents + 1, present.indptr, counts.shape[0])


def window_spans(text: TokenStream, words: Sequence[str], window: int) -> Spans:
    """Find the sliding windows of a text that see each word.

    Parameters
    ----------
    text : TokenStream
    words : sequence of U str
        All different; the text may lack some.
    window : int
        Words of a window, at least 1.

    Returns
    -------
    Spans
    """
    row = {word: i for i, word in enumerate(words)}
    of_id = np.array([row.get(word, -1) for word in text.words], np.int32)[text.ids]
    position = np.flatnonzero(of_id >= 0)
    num_tokens = max(len(text.ids), 1)
    # A single key for word and position sorts by both and can be searched for both.
    place = np.sort(of_id[position].astype(np.int64) * num_tokens + position)
    word, position = np.divmod(place, num_tokens)

    document = np.searchsorted(text.starts, position, side="right") - 1
    num_windows = np.maximum(np.diff(text.starts) - window + 1, 1)
    first_window = np.concatenate([[0], np.cumsum(num_windows)])
    # A window's number is the position of its first word plus this offset.
    offset = (first_window[:-1] - text.starts[:-1])[document]

    enters = np.maximum(position - window + 1, text.starts[document])
    # Of the occurrences in the window that this one enters, the leftmost is the next to leave. All that enter before it
    # leaves share it, and only the first of them begins a run.
    leaves = np.searchsorted(place, word * num_tokens + enters)
    begins_run = np.diff(leaves, prepend=-1) > 0
    ends = np.minimum(position[leaves] + 1 + offset, first_window[document + 1])
    bounds = np.searchsorted(word[begins_run], np.arange(len(words) + 1))
    return Spans((enters + offset)[begins_run], ends[begins_run], bounds, int(first_window[-1]))


def joint_counts(spans: Spans, topics: np.ndarray) -> np.ndarray:
    """Count the windows that see both of two words of a topic.

    Parameters
    ----------
    spans : Spans
    topics : ndarray of shape (K, n), int
        Words of each topic, as numbers of the words of `spans`.

    Returns
    -------
    ndarray of shape (K, n, n)
        On the diagonal, the windows that see the word.

    Notes
    -----
    Only words of the same topic are compared, so memory is proportional to the occurrences of n words.
    """
    num_topics, size = topics.shape
    joint = np.zeros((num_topics, size, size))
    for k, topic in enumerate(topics):
        runs = [slice(*spans.bounds[i : i + 2]) for i in topic]
        at = np.concatenate([spans.begins[run] for run in runs] + [spans.ends[run] for run in runs])
        which = np.repeat(np.tile(np.arange(size), 2), [run.stop - run.start for run in runs * 2])
        order = np.argsort(at, kind="stable")
        # Between one begin or end of a run and the next, all windows see the same words.
        windows = np.diff(at[order], append=at[order[-1:]])
        seen = np.zeros((size, 1))
        for low in range(0, len(at), _BLOCK):
            block = order[low : low + _BLOCK]
            change = np.zeros((size, len(block)), np.int32)
            change[which[block], np.arange(len(block))] = np.where(block < len(at) // 2, 1, -1)
            # numpy sums int32 several times as fast as float64.
            seen = seen[:, -1:] + np.cumsum(change, axis=1, dtype=np.int32)
            joint[k] += seen @ (seen * windows[low : low + _BLOCK]).T
    return joint
