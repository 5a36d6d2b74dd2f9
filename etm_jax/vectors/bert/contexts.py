"""Where in the corpus' text the words of the vocabulary are read by an encoder: passages, and occurrences in them."""

from typing import NamedTuple

import numpy as np

from etm_jax.corpus.types import TokenStream, Vocabulary
from etm_jax.corpus.words.phrases import FIRST_UNSPACED, SEPARATOR, parts_of

OCCURRENCES = 32
"""Of a word, at most. Its mean moves little after so many."""

PASSAGE = 48
"""Words of a passage, at most: in Chinese some 80 pieces. Documents are cut into passages of so many."""


class Contexts(NamedTuple):
    """Passages of text, and the occurrences in them that are to be read, M in all.

    passages: their texts. passage: [M] the passage of each occurrence. word: [M] int64, its column of the vocabulary.
    start, end: [M], its characters in the passage.
    """

    passages: list[str]
    passage: np.ndarray
    word: np.ndarray
    start: np.ndarray
    end: np.ndarray


def written_words(vocabulary: Vocabulary, words: list[str]) -> list[str]:
    """Words as people write them: a phrase has blanks where it was joined by a mark."""
    phrases = parts_of(vocabulary.phrases)
    return [word.replace(SEPARATOR, " ") if word in phrases else word for word in words]


def contexts_of(text: TokenStream, vocabulary: Vocabulary) -> Contexts:
    """At most `OCCURRENCES` of each word of the vocabulary that the text has, spread over the whole of it.

    Words are gone through from the rarest on. One with more occurrences than that takes those in passages that are read
    anyway, and adds others, evenly spaced, where they are too few: fewer passages have to be encoded so. The same text
    gives the same occurrences.
    """
    column = {word: row for row, word in enumerate(vocabulary.words)}
    rows = np.array([column.get(word, -1) for word in text.words], np.int64)[text.ids]
    passage, firsts = _passages(text)
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(len(vocabulary) + 1))
    chosen: list[np.ndarray] = []
    read = np.zeros(len(firsts), bool)
    for row in np.argsort(np.diff(bounds), kind="stable").tolist():
        places = order[bounds[row] : bounds[row + 1]]
        if len(places) > OCCURRENCES:
            there = read[passage[places]]
            also = _spaced(places[there], OCCURRENCES)
            places = np.concatenate([also, _spaced(places[~there], OCCURRENCES - len(also))])
        read[passage[places]] = True
        chosen.append(places)
    places = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
    return _written(text, vocabulary, places, rows, passage, firsts)


def _passages(text: TokenStream) -> tuple[np.ndarray, np.ndarray]:
    """The passage of each word of the text, [N], and the first word of each passage."""
    lengths = np.diff(text.starts)
    within = np.arange(len(text.ids)) - np.repeat(text.starts[:-1], lengths)
    begins = within % PASSAGE == 0
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def _spaced(places: np.ndarray, number: int) -> np.ndarray:
    """So many of these, or all, evenly spaced."""
    if len(places) <= number:
        return places
    return places[(np.arange(number) * len(places) + len(places) // 2) // number]


def _written(
    text: TokenStream,
    vocabulary: Vocabulary,
    places: np.ndarray,
    rows: np.ndarray,
    passage: np.ndarray,
    firsts: np.ndarray,
) -> Contexts:
    """The passages of these places, written with blanks where their script has them. rows: [N] columns of the words."""
    words, ends = written_words(vocabulary, text.words), [*firsts[1:].tolist(), len(text.ids)]
    needed, number = np.unique(passage[places], return_inverse=True)
    passages = []
    spans = np.zeros((len(text.ids), 2), np.int64)
    for which in needed.tolist():
        parts: list[str] = []
        length, last = 0, ""
        for place in range(int(firsts[which]), ends[which]):
            word = words[text.ids[place]]
            if last and word and last < FIRST_UNSPACED and word[0] < FIRST_UNSPACED:
                parts.append(" ")
                length += 1
            spans[place] = length, length + len(word)
            parts.append(word)
            length, last = length + len(word), word[-1:]
        passages.append("".join(parts))
    return Contexts(passages, number, rows[places], spans[places, 0], spans[places, 1])
