"""pkuseg's words, many pieces of text at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.words.pkuseg.exact import exact_scores, exact_tags
from etm_jax.corpus.words.pkuseg.layout import Layout
from etm_jax.corpus.words.pkuseg.merging import merge
from etm_jax.corpus.words.pkuseg.scores import scores
from etm_jax.corpus.words.pkuseg.tables import Tables
from etm_jax.corpus.words.pkuseg.viterbi import best_tags
from etm_jax.corpus.words.pkuseg.word_hash import WordHashes, distinct

_APART = "  "
"""Two, as features look at two characters before and after one. No piece holds a space."""


class Cut(NamedTuple):
    """W words of P pieces of text, as ranges of characters.

    text: the pieces, apart; hashes: of its ranges; starts, ends: [W] of words; pieces: [P+1], the first word of each
    piece, and W.
    """

    text: str
    hashes: WordHashes
    starts: np.ndarray
    ends: np.ndarray
    pieces: np.ndarray

    def words(self) -> list[str]:
        """The words of all pieces."""
        return self._strings(self.starts, self.ends)

    def numbered(self) -> tuple[list[str], np.ndarray]:
        """The different words, and the place of each word of the text among them: [W] int32."""
        first, ids = distinct(self.hashes.ranges(self.starts, self.ends))
        return self._strings(self.starts[first], self.ends[first]), ids

    def _strings(self, starts: np.ndarray, ends: np.ndarray) -> list[str]:
        return [self.text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


class Decoder:
    """A model of pkuseg, ready to cut."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def cut(self, text: str) -> list[str]:
        """The words of a text, as `pkuseg.cut` has them."""
        return self.cut_pieces(text.split()).words()

    def cut_pieces(self, pieces: Sequence[str]) -> Cut:
        """The words of pieces of text, none of which is empty or holds white space."""
        text = _APART + "".join([piece + _APART for piece in pieces])
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        lengths, hashes = np.fromiter(map(len, pieces), np.int64, len(pieces)), WordHashes.of(codes)
        if not len(lengths):
            none = np.zeros(0, np.int64)
            return Cut(text, hashes, none, none, np.zeros(1, np.int64))
        first = np.cumsum(lengths + len(_APART)) - lengths
        begins = self._begins(self._tables.char_ids[codes], first, lengths)
        starts = np.flatnonzero(begins)
        ends = np.append(starts[1:], 0)
        ends[np.append(np.searchsorted(starts, first[1:]), len(starts)) - 1] = first + lengths
        starts, ends = merge(codes, hashes, starts, ends, self._tables)
        return Cut(text, hashes, starts, ends, np.append(np.searchsorted(starts, first), len(starts)))

    def _begins(self, ids: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Where words begin: [N] bool. ids: [N]; first, lengths: [P] of the pieces."""
        tables, layout = self._tables, Layout.of(first, lengths)
        begins = np.zeros(len(ids), bool)
        if tables.scale == 1:
            tags = exact_tags(exact_scores(ids, tables)[layout.places], tables.edges, layout)
            begins[layout.places] = tables.starts_word[tags]
        else:
            tags, tied = best_tags(scores(ids, tables).take(layout.places, axis=0), tables.edge_rows, layout)
            begins[layout.places] = tables.starts_word[tags]
            if tied.any():
                self._decide(begins, ids, first, lengths, layout.places[tied])
        begins[first] = True
        return begins

    def _decide(
        self, begins: np.ndarray, ids: np.ndarray, first: np.ndarray, lengths: np.ndarray, tied: np.ndarray
    ) -> None:
        """Do the pieces anew in which two paths are equally good, at the places `tied`."""
        of_piece = np.unique(np.searchsorted(first, tied, side="right") - 1)
        first, lengths = first[of_piece], lengths[of_piece]
        around = np.concatenate([np.arange(a - 2, a + n + 2) for a, n in zip(first, lengths, strict=True)])
        theirs = np.cumsum(lengths + 4) - lengths - 2
        layout = Layout.of(theirs, lengths)
        tags = exact_tags(exact_scores(ids[around], self._tables)[layout.places], self._tables.edges, layout)
        begins[around[layout.places]] = self._tables.starts_word[tags]
