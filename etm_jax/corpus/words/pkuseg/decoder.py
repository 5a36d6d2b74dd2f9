"""pkuseg's words, many pieces of text at once."""

from collections.abc import Sequence

import numpy as np

from etm_jax.corpus.words.longest_match import LongestMatch
from etm_jax.corpus.words.normalize import chunks
from etm_jax.corpus.words.pkuseg.exact import exact_scores, exact_tags
from etm_jax.corpus.words.pkuseg.layout import Layout
from etm_jax.corpus.words.pkuseg.merging import merge
from etm_jax.corpus.words.pkuseg.scores import scores
from etm_jax.corpus.words.pkuseg.tables import Tables
from etm_jax.corpus.words.pkuseg.viterbi import best_tags
from etm_jax.corpus.words.ranges import TokenRanges, code_points
from etm_jax.corpus.words.word_hash import WordHashes

LONGEST_PIECE = 1000
"""Characters of a text that are cut at once; pkuseg's own time grows faster than the length of a line."""

_APART = "  "
"""Two, as features look at two characters before and after one. No piece holds a space."""


_Piece = tuple[str, bool]
_NO_WORDS = LongestMatch(())


class Decoder:
    """A model of pkuseg, ready to cut."""

    def __init__(self, tables: Tables, user_dict: LongestMatch = _NO_WORDS) -> None:
        """user_dict: words that are found first, the longest from the left; the model cuts what lies between them."""
        self._tables = tables
        self._user_dict = user_dict

    def cut(self, text: str) -> list[str]:
        """The words of a text, as `pkuseg.cut` has them."""
        return next(self._cut([[piece for part in text.split() for piece in self._user_dict.pieces(part)]]).lists())

    def cut_texts(self, texts: Sequence[str]) -> TokenRanges:
        """The words of texts, of which long ones are cut in parts (`LONGEST_PIECE`)."""
        return self._cut([self._pieces(text) for text in texts])

    def _pieces(self, text: str) -> list[_Piece]:
        """A text in pieces without white space, each with whether it is a word of the user's."""
        if not self._user_dict:
            return [(piece, False) for part in chunks(text, LONGEST_PIECE) for piece in part.split()]
        pieces: list[_Piece] = []
        for piece, is_word in self._user_dict.pieces(text):
            parts = [piece] if is_word else chunks(piece, LONGEST_PIECE)
            pieces += [(each, is_word) for part in parts for each in part.split()]
        return pieces

    def _cut(self, texts: Sequence[Sequence[_Piece]]) -> TokenRanges:
        """The words of texts in pieces, none of which is empty or holds white space."""
        text = _APART + "".join([piece + _APART for pieces in texts for piece, _ in pieces])
        codes = code_points(text)
        hashes = WordHashes.of(codes)
        lengths = np.array([len(piece) for pieces in texts for piece, _ in pieces], np.int64)
        first = np.cumsum(lengths + len(_APART)) - lengths
        starts = ends = first
        if len(lengths):
            begins = self._begins(self._tables.char_ids[codes], first, lengths)
            if self._user_dict:
                whole = np.flatnonzero([is_word for pieces in texts for _, is_word in pieces])
                for start, length in zip(first[whole].tolist(), lengths[whole].tolist(), strict=True):
                    begins[start + 1 : start + length] = False
            starts = np.flatnonzero(begins)
            ends = np.append(starts[1:], 0)
            ends[np.append(np.searchsorted(starts, first[1:]), len(starts)) - 1] = first + lengths
            starts, ends = merge(codes, hashes, starts, ends, self._tables)
        pieces = np.append(np.searchsorted(starts, first), len(starts))
        documents = pieces[np.cumsum([0, *map(len, texts)])]
        return TokenRanges(text, starts.astype(np.int32), ends.astype(np.int32), hashes.ranges(starts, ends), documents)

    def _begins(self, ids: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Where words begin: [N] bool. ids: [N]; first, lengths: [P] of the pieces."""
        tables, layout = self._tables, Layout.of(first, lengths)
        begins = np.zeros(len(ids), bool)
        if tables.has_whole_numbers:
            tags, tied = best_tags(scores(ids, tables).take(layout.places, axis=0), tables.edge_rows, layout)
            begins[layout.places] = tables.starts_word[tags]
            if tied.any():
                self._decide(begins, ids, first, lengths, layout.places[tied])
        else:
            tags = exact_tags(exact_scores(ids, tables)[layout.places], tables.edges, layout)
            begins[layout.places] = tables.starts_word[tags]
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
