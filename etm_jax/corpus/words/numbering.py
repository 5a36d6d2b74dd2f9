"""Tokens to numbers. Each different token becomes a string once, when it is first met."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from etm_jax.corpus.types import TokenStream
from etm_jax.corpus.words.hash_table import GrowingTable
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.word_hash import distinct

Clean = Callable[[str], str]
"""A token to the word that it counts as; to "" where it is none."""

_NONE = 1  # in the table, of tokens that are no word; the others have their numbers and 2


class _Numbering(ABC):
    """The numbers of tokens, kept from one call to the next."""

    def __init__(self, clean: Clean) -> None:
        self._clean = clean
        self._known = GrowingTable()

    def numbers(self, tokens: TokenRanges) -> np.ndarray:
        """[N] int32; −1 for a token that has none."""
        found = self._known.lookup(tokens.hashes)
        unknown = np.flatnonzero(found == 0)
        if len(unknown):
            some, kind = distinct(tokens.hashes[unknown])
            places = unknown[some]
            places[kind[::-1]] = unknown[::-1]  # where each is first
            words = list(map(self._clean, tokens.strings(places)))
            documents = np.searchsorted(tokens.documents, places, side="right") - 1
            new = np.array(self._number(words, documents), np.int32) + (_NONE + 1)
            self._known.insert(tokens.hashes[places], new)
            found[unknown] = new[kind]
        return found - (_NONE + 1)

    @abstractmethod
    def _number(self, words: list[str], documents: np.ndarray) -> list[int]:
        """The numbers of words that the text holds for the first time; "" is no word. documents: the first of each."""


class VocabularyNumbers(_Numbering):
    """The V columns of a vocabulary, and one beyond them of all other words."""

    def __init__(self, words: list[str], clean: Clean) -> None:
        super().__init__(clean)
        self._column = {word: j for j, word in enumerate(words)}

    def columns(self, tokens: TokenRanges) -> tuple[np.ndarray, np.ndarray]:
        """The column of each token [N] int32, −1 for one that has none, and whether it is a word [N] bool."""
        numbers = self.numbers(tokens)
        return np.where(numbers < len(self._column), numbers, np.int32(-1)), numbers >= 0

    def _number(self, words: list[str], documents: np.ndarray) -> list[int]:
        return [self._column.get(word, len(self._column)) if word else -1 for word in words]


class JoinedTokens(_Numbering):
    """The tokens of documents that come some at a time, over one list of all their words.

    Words are numbered as gensim's dictionary does it: by the first document that has them, and by spelling within it.
    """

    def __init__(self, clean: Clean) -> None:
        super().__init__(clean)
        self.words: dict[str, int] = {}
        self._ids, self._starts = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]

    def add(self, tokens: TokenRanges) -> tuple[np.ndarray, np.ndarray]:
        """Add documents after the others. Returns the numbers of their words [n], and where each document begins."""
        numbers = self.numbers(tokens)
        kept = numbers >= 0
        starts = np.concatenate([[0], np.cumsum(kept)])[tokens.documents]
        self._ids.append(numbers[kept])
        self._starts.append(len(self) + starts[1:])
        return self._ids[-1], starts

    def _number(self, words: list[str], documents: np.ndarray) -> list[int]:
        for _, word in sorted(zip(documents.tolist(), words, strict=True)):
            if word:
                self.words.setdefault(word, len(self.words))
        return [self.words[word] if word else -1 for word in words]

    def __len__(self) -> int:
        """Words of the text so far."""
        return int(self._starts[-1][-1])

    def stream(self) -> TokenStream:
        """The words of all documents."""
        return TokenStream(list(self.words), np.concatenate(self._ids), np.concatenate(self._starts))
