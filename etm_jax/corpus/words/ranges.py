"""Tokens as ranges of one text, as long as nobody needs them as strings."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.words.word_hash import WordHashes

_SPACE = ord(" ")


class TokenRanges(NamedTuple):
    """The N tokens of D documents, before they are cleaned.

    text: holds them all. starts, ends: [N] int32, where each is in the text. hashes: [N] uint64, by which equal tokens
    are known. documents: [D+1] int64, the first token of each document, and N.
    """

    text: str
    starts: np.ndarray
    ends: np.ndarray
    hashes: np.ndarray
    documents: np.ndarray

    @classmethod
    def of(cls, text: str, starts: np.ndarray, ends: np.ndarray, documents: np.ndarray) -> "TokenRanges":
        """Of tokens in a text."""
        hashes = WordHashes.of(code_points(text)).ranges(starts, ends)
        return cls(text, starts.astype(np.int32), ends.astype(np.int32), hashes, documents)

    @classmethod
    def of_lists(cls, documents: Iterable[Sequence[str]]) -> "TokenRanges":
        """Of the words of each document."""
        lists = list(documents)
        words = list(chain.from_iterable(lists))
        ends = np.cumsum(np.fromiter(map(len, words), np.int64, len(words)))
        starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        return cls.of("".join(words), starts, ends, np.cumsum([0, *map(len, lists)]))

    @classmethod
    def of_spaced(cls, texts: Iterable[str]) -> "TokenRanges":
        """Of texts in which single spaces part tokens."""
        parts = list(texts)
        text = " ".join([*parts, ""])
        spaces = np.flatnonzero(code_points(text) == _SPACE)
        starts = np.concatenate([[0], spaces[:-1] + 1]) if len(spaces) else spaces
        held = spaces > starts  # An empty text is between two spaces.
        starts, ends = starts[held], spaces[held]
        first = np.cumsum([0, *(len(part) + 1 for part in parts)])
        return cls.of(text, starts, ends, np.searchsorted(starts, first))

    def strings(self, places: np.ndarray) -> list[str]:
        """The tokens at some places."""
        ranges = zip(self.starts[places].tolist(), self.ends[places].tolist(), strict=True)
        return [self.text[start:end] for start, end in ranges]

    def lists(self) -> Iterator[list[str]]:
        """The tokens of each document."""
        for low, high in zip(self.documents[:-1].tolist(), self.documents[1:].tolist(), strict=True):
            yield self.strings(np.arange(low, high))


def code_points(text: str) -> np.ndarray:
    """[N] uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
