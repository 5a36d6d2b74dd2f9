"""A pkuseg model as tables: what its features add to the score of a character, by numbers instead of by strings.

Features are about the characters around a position (`c-2` to `c2`, and three pairs of neighbours), about
words of its list that begin or end there (`w1`, `w-1`), and about two words that touch (`ww.l` after the boundary,
`ww.r` before it). A character's row of a table holds what it adds for each tag.

Scores are whole numbers where the weights are decimals, as those of pkuseg's own models are: sums are then exact in any
order, and only differences between tags count, so that each row is relative to the last tag.
"""

from typing import NamedTuple

import numpy as np

from etm_jax.corpus.words.hash_table import HashTable

SINGLE = ("c", "c-1", "c1", "c-2", "c2")
"""Features of one character: the one at the position, the ones before and after it."""

PAIRS = ("cc1", "c-1c", "c-2c-1")
"""Features of two neighbours: at the position and after it, before it and at it, both before it."""

LONGEST = 6
"""Characters of the longest words that features speak of; the shortest have two."""


DECIMAL = 10_000
"""pkuseg publishes weights with four decimals."""


class Tables(NamedTuple):
    """C characters with numbers from 1, P pairs, W words, N nodes of their prefixes, B pairs of words; 0 is none.

    Of a model with whole numbers, `*_rows` are int32 […, T−1], weights times `DECIMAL` less that of the last tag, which
    `*_last` has, int32 […]. Of another model, `*_rows` are float64 […, T] and all else of this is empty.

    char_ids: [1114112] by code point. single_*: [5, C+1], in the order of `SINGLE`; bias: [T] float64; biased_rows: the
    first of `single_rows` with it. pair_*: [3, P+1], in the order of `PAIRS`; pair_nodes: [P+1], the node of a prefix.
    node_words: [N+1], the word that ends there; node_longest, node_rows: the longest word on the way there and the sum
    of `w1`. word_*: [2, W+1] of `w1` and `w-1`. end_rows: [W+1], the sum of `w-1` over the word and those that it ends
    with. suffixes, prefixes: [W+1, 5], the words that a word ends and begins with, itself included. touch_*: [2, B+1]
    of `ww.l` and `ww.r`. edges: [T, T] float64, of a tag and the one that follows; edge_rows: in whole numbers.

    dict_*: the dictionary's D words: their hashes, characters and beginnings [D+1], the length of the longest,
    and a filter of the pairs of characters in them.
    """

    char_ids: np.ndarray
    bias: np.ndarray
    biased_rows: np.ndarray
    single_rows: np.ndarray
    single_last: np.ndarray
    pair_keys: np.ndarray
    pair_values: np.ndarray
    pair_rows: np.ndarray
    pair_last: np.ndarray
    pair_nodes: np.ndarray
    node_keys: np.ndarray
    node_values: np.ndarray
    node_words: np.ndarray
    node_longest: np.ndarray
    node_rows: np.ndarray
    word_rows: np.ndarray
    word_last: np.ndarray
    end_rows: np.ndarray
    suffixes: np.ndarray
    prefixes: np.ndarray
    touch_keys: np.ndarray
    touch_values: np.ndarray
    touch_rows: np.ndarray
    touch_last: np.ndarray
    edges: np.ndarray
    edge_rows: np.ndarray
    starts_word: np.ndarray
    dict_keys: np.ndarray
    dict_values: np.ndarray
    dict_chars: np.ndarray
    dict_starts: np.ndarray
    dict_longest: np.ndarray
    dict_pairs: np.ndarray

    @property
    def has_whole_numbers(self) -> bool:
        """Whether the weights are decimals, so that `*_rows` are there."""
        return len(self.edge_rows) > 0

    @property
    def num_chars(self) -> int:
        return self.single_rows.shape[1]

    @property
    def num_words(self) -> int:
        return self.word_rows.shape[1]

    @property
    def pairs(self) -> HashTable:
        """From `first * num_chars + second` to the pair."""
        return HashTable(self.pair_keys, self.pair_values)

    def pairs_in(self, ids: np.ndarray) -> np.ndarray:
        """The pair of each character and the next one: [N] → [N−1] int32, 0 for none."""
        return self.pairs.lookup(ids[:-1].astype(np.uint64) * np.uint64(self.num_chars) + ids[1:])

    @property
    def nodes(self) -> HashTable:
        """From `node * num_chars + character` to the node of the longer prefix."""
        return HashTable(self.node_keys, self.node_values)

    @property
    def touching(self) -> HashTable:
        """From `first * num_words + second` to the pair of words."""
        return HashTable(self.touch_keys, self.touch_values)

    def touching_of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The pair of two words that touch: [n], [n] → [n] int32, 0 for none."""
        return self.touching.lookup(first.astype(np.uint64) * np.uint64(self.num_words) + second.astype(np.uint64))

    @property
    def dictionary(self) -> HashTable:
        """From `word_hashes` to the place in the dictionary, from 1."""
        return HashTable(self.dict_keys, self.dict_values)


NEIGHBOUR_SLOTS = 1 << 22
"""Of the filter of neighbours in the dictionary: so few are taken that hardly any other pair shares one."""


def neighbour_slots(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where the filter has two code points that follow one another: [n], [n] → [n]."""
    mixed = first.astype(np.uint32) * np.uint32(0x9E3779B1) ^ second.astype(np.uint32) * np.uint32(0x85EBCA6B)
    return mixed >> np.uint32(10)
