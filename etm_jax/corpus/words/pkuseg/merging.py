"""Joining neighbouring words that the dictionary holds as one."""

import numpy as np

from etm_jax.corpus.words.pkuseg.tables import Tables, neighbour_slots
from etm_jax.corpus.words.word_hash import WordHashes

_MOST_PIECES = 7


def merge(
    codes: np.ndarray, hashes: WordHashes, starts: np.ndarray, ends: np.ndarray, tables: Tables
) -> tuple[np.ndarray, np.ndarray]:
    """Words after pkuseg's last step: 7 to 2 neighbours become one where the dictionary has it but not all of them.

    codes: [N] code points, and the hashes of their ranges. starts, ends: [W] of words in order; of
    neighbours the end of one is the start of the next.
    Returns the same of the words that are left.
    """
    # By the first of two neighbours, where some word of the dictionary has the characters on both sides in a row.
    joins = np.flatnonzero(starts[1:] == ends[:-1])
    joins = joins[tables.dict_pairs[neighbour_slots(codes[ends[joins] - 1], codes[ends[joins]])]]
    for pieces in range(_MOST_PIECES, 1, -1):
        first = _runs(joins, pieces - 1)
        first = first[ends[first + pieces - 1] - starts[first] <= tables.dict_longest]
        first = first[_in_dictionary(codes, hashes, starts[first], ends[first + pieces - 1], tables)]
        if not len(first):
            continue
        members = first[:, None] + np.arange(pieces)
        known = _in_dictionary(codes, hashes, starts[members].ravel(), ends[members].ravel(), tables)
        first = _apart(first[~known.reshape(members.shape).all(axis=1)], pieces)
        if len(first):
            inside = (first[:, None] + np.arange(pieces - 1)).ravel()
            starts = np.delete(starts, inside + 1)
            ends = np.delete(ends, inside)
            joins = np.setdiff1d(joins, inside, assume_unique=True)
            joins -= (pieces - 1) * np.searchsorted(first, joins, side="right")
    return starts, ends


def _runs(joins: np.ndarray, length: int) -> np.ndarray:
    """The joins that as many as `length` consecutive ones begin with. joins: [J] increasing."""
    first = np.arange(max(len(joins) - length + 1, 0))
    return joins[first[joins[first + length - 1] - joins[first] == length - 1]]


def _apart(first: np.ndarray, pieces: int) -> np.ndarray:
    """Of overlapping windows the leftmost, from left to right. first: [n] increasing."""
    chosen, free = [], 0
    for i in first.tolist():
        if i >= free:
            chosen.append(i)
            free = i + pieces
    return np.array(chosen, np.int64)


def _in_dictionary(
    codes: np.ndarray, hashes: WordHashes, starts: np.ndarray, ends: np.ndarray, tables: Tables
) -> np.ndarray:
    """Whether each range of characters is a word of the dictionary: [n] bool."""
    entry = tables.dictionary.lookup(hashes.ranges(starts, ends))
    found = np.flatnonzero(entry)
    held, begin = entry > 0, tables.dict_starts[entry[found] - 1]
    lengths = tables.dict_starts[entry[found]] - begin
    same = lengths == ends[found] - starts[found]
    # Equal hashes of different words are not to be expected, and cost nothing to rule out.
    for i in range(int(lengths.max(initial=0))):
        within = np.flatnonzero(i < lengths)
        same[within] &= (
            tables.dict_chars[begin[within] + i] == codes[np.minimum(starts[found[within]] + i, len(codes) - 1)]
        )
    held[found] = same
    return held
