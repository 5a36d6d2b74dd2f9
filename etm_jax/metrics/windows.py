"""How many windows of running text hold a word, and two words together: what `etm_jax.metrics.coherence` counts.

A window moves on by one word at a time and never over the end of a document; a document no longer than the window is
one, an empty one too. Windows are numbered through all documents. A word is seen from the window that it enters on the
right up to the next that an occurrence of it has left on the left, even where another still stands inside. So gensim
counts, and a word that repeats within a window is seen too rarely; its values are those that others report.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import TokenStream

_BLOCK = 1 << 16


class Spans(NamedTuple):
    """The runs of windows that see each of U words, from `begins` up to and without `ends`.

    begins, ends: [S] int64, word after word, rising and disjoint for each. bounds: [U+1], where each word's begin and
    the last one's end. total: all windows, also those that see none of the words.
    """

    begins: np.ndarray
    ends: np.ndarray
    bounds: np.ndarray
    total: int


def document_spans(counts: sp.csr_matrix) -> Spans:
    """Each document as one window, whatever its length. counts: [D, U]."""
    present = sp.csc_matrix(counts > 0)
    documents = present.indices.astype(np.int64)
    return Spans(documents, documents + 1, present.indptr, counts.shape[0])


def window_spans(text: TokenStream, words: Sequence[str], window: int) -> Spans:
    """Windows of `window` ≥ 1 words of the text. words: U different ones, which the text may lack."""
    row = {word: i for i, word in enumerate(words)}
    of_id = np.array([row.get(word, -1) for word in text.words], np.int32)[text.ids]
    position = np.flatnonzero(of_id >= 0)
    num_tokens = max(len(text.ids), 1)
    # One number for word and position together sorts and finds both at once.
    place = np.sort(of_id[position].astype(np.int64) * num_tokens + position)
    word, position = np.divmod(place, num_tokens)

    document = np.searchsorted(text.starts, position, side="right") - 1
    num_windows = np.maximum(np.diff(text.starts) - window + 1, 1)
    first_window = np.concatenate([[0], np.cumsum(num_windows)])
    # A window's number is the position of its first word, moved by this.
    moved = (first_window[:-1] - text.starts[:-1])[document]

    enters = np.maximum(position - window + 1, text.starts[document])
    # Of the occurrences in the window that this one enters, the leftmost is the next to leave. Those that enter before
    # it leaves have the same one, and find the word seen already.
    leaves = np.searchsorted(place, word * num_tokens + enters)
    begins_run = np.diff(leaves, prepend=-1) > 0
    ends = np.minimum(position[leaves] + 1 + moved, first_window[document + 1])
    bounds = np.searchsorted(word[begins_run], np.arange(len(words) + 1))
    return Spans((enters + moved)[begins_run], ends[begins_run], bounds, int(first_window[-1]))


def joint_counts(spans: Spans, topics: np.ndarray) -> np.ndarray:
    """Windows that see both of two words of a topic, [K, n, n]; on the diagonal, those that see the one.

    topics: [K, n], words of `spans`. Only words of one topic are compared: memory goes with the occurrences of n words.
    """
    num_topics, size = topics.shape
    joint = np.zeros((num_topics, size, size))
    for k, topic in enumerate(topics):
        runs = [slice(*spans.bounds[i : i + 2]) for i in topic]
        at = np.concatenate([spans.begins[run] for run in runs] + [spans.ends[run] for run in runs])
        which = np.repeat(np.tile(np.arange(size), 2), [run.stop - run.start for run in runs * 2])
        order = np.argsort(at, kind="stable")
        # Between one begin or end and the next, all windows see the same words.
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
