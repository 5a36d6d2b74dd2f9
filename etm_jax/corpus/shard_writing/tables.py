"""Word frequencies: tables that can be merged in any order and grouping."""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.shard_writing.blocks import Block
from etm_jax.corpus.shards.arrays import pack, unpack
from etm_jax.corpus.shards.draws import TRAIN
from etm_jax.corpus.store.packed import PackedTexts

BUCKETS = 32
"""Sets of words that are merged separately, so that no process holds all words. Fixed: files depend on it."""

DOC_FREQ, TERM_FREQ, TRAIN_DOC_FREQ, TRAIN_TERM_FREQ = range(4)
_KIND = b"ETMT"


class WordTable(NamedTuple):
    """Frequencies of N words, sorted by spelling.

    freqs: [N, 4] int64: number of documents with the word and of its occurrences, over all documents and over the
    training documents.
    """

    words: list[str]
    freqs: np.ndarray

    def to_bytes(self) -> bytes:
        """The table as a record, for `from_bytes`."""
        packed = PackedTexts.of(self.words)
        return pack(_KIND, packed.content, packed.starts, self.freqs.ravel())

    @classmethod
    def from_bytes(cls, data: bytes) -> "WordTable":
        """The inverse of `to_bytes`. Raises ValueError where the record is damaged."""
        content, starts, freqs = unpack(_KIND, data)
        return cls(list(PackedTexts(content, starts)), freqs.reshape(-1, 4))


def count(block: Block) -> WordTable:
    """The word frequencies of a block."""
    counts, train = block.rows.counts, block.parts == TRAIN
    values, weights = counts.data.astype(np.int64), np.repeat(train, np.diff(counts.indptr))
    size, columns = len(block.words), counts.indices
    freqs = [
        np.bincount(columns, minlength=size),
        np.bincount(columns, values, minlength=size),
        np.bincount(columns[weights], minlength=size),
        np.bincount(columns[weights], values[weights], minlength=size),
    ]
    return WordTable(block.words, np.stack(freqs, axis=1).astype(np.int64))


def merge(tables: Iterable[WordTable]) -> WordTable:
    """The table of all documents of several tables. Memory holds no more than the different words."""
    place: dict[str, int] = {}
    freqs = np.zeros((1024, 4), np.int64)
    for table in tables:
        rows = np.fromiter((place.setdefault(word, len(place)) for word in table.words), np.int64, len(table.words))
        if len(place) > len(freqs):
            freqs = np.concatenate([freqs, np.zeros((2 * len(place) - len(freqs), 4), np.int64)])
        freqs[rows] += table.freqs
    words = sorted(place)
    return WordTable(words, freqs[np.fromiter(map(place.__getitem__, words), np.int64, len(words))])


def in_buckets(table: WordTable) -> list[WordTable]:
    """The table divided into `BUCKETS` tables, by a hash of each word alone."""
    codes = (zlib.crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS for word in table.words)
    bucket = np.fromiter(codes, np.int64, len(table.words))
    rows = [np.flatnonzero(bucket == b) for b in range(BUCKETS)]
    return [WordTable([table.words[i] for i in some], table.freqs[some]) for some in rows]


def without_rare(table: WordTable, no_below: int) -> tuple[WordTable, int]:
    """The words of at least `no_below` documents, and the number of others. For the table of the whole corpus."""
    rows = np.flatnonzero(table.freqs[:, DOC_FREQ] >= no_below)
    return WordTable([table.words[i] for i in rows], table.freqs[rows]), len(table.words) - len(rows)
