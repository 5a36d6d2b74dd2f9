"""Documents as sparse counts, as they are counted, distributed over shards, stored and read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.shards.arrays import pack, unpack
from etm_jax.corpus.store.packed import PackedTexts

KIND = b"ETM1"
"""First bytes of a record."""

TEXT = ""
"""The label for the beginning of a document's text. The other labels are the fields of its metadata."""

_NUMBERS, _TEXTS = ["<i8", "<i4", "<i4", "<i4", "<u8"], ["|u1", "<i4"]
"""Types of the arrays of a record: for counts and keys, and then two for each list of texts."""


@dataclass(frozen=True)
class Rows:
    """D documents.

    counts: [D, V] CSR int32, canonical. ids: D names. keys: [D] uint64, of `draws.draw`. labels: D texts by label.
    """

    counts: sp.csr_matrix
    ids: PackedTexts
    keys: np.ndarray
    labels: Mapping[str, PackedTexts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def none(cls, num_words: int) -> "Rows":
        """No documents, for `num_words` words."""
        empty = np.zeros(0, np.int32)
        counts = sp.csr_matrix((empty, empty, np.zeros(1, np.int32)), shape=(0, num_words))
        return cls(counts, PackedTexts.of([]), np.zeros(0, np.uint64))

    @property
    def nonzeros(self) -> np.ndarray:
        """Number of different words of each document: [D] int64."""
        return np.diff(self.counts.indptr).astype(np.int64)

    @property
    def tokens(self) -> np.ndarray:
        """Number of tokens of each document: [D] int64."""
        return np.asarray(self.counts.sum(axis=1, dtype=np.int64)).ravel()

    def take(self, rows: np.ndarray) -> "Rows":
        """The documents `rows` [R], in this order."""
        labels = {name: texts.take(rows) for name, texts in self.labels.items()}
        return Rows(sp.csr_matrix(self.counts[rows]), self.ids.take(rows), self.keys[rows], labels)

    def without(self, label: str) -> "Rows":
        """The documents without one of their labels."""
        return replace(self, labels={name: texts for name, texts in self.labels.items() if name != label})

    def to_bytes(self) -> bytes:
        """The record of a block, for `from_bytes`. Without labels it is the format of versions that had none."""
        counts = self.counts
        lengths = np.diff(counts.indptr).astype(np.int32)
        shape = np.array([counts.shape[1]], np.int64)
        texts = [self.ids, *([PackedTexts.of(self.labels), *self.labels.values()] if self.labels else [])]
        arrays = [array for one in texts for array in (one.content, np.diff(one.starts).astype(np.int32))]
        return pack(KIND, shape, lengths, counts.indices, counts.data, self.keys, *arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Rows":
        """The inverse of `to_bytes`. Raises ValueError where the record is damaged."""
        arrays = unpack(KIND, data)
        num_texts = (len(arrays) - len(_NUMBERS)) // 2
        if [array.dtype.str for array in arrays] != _NUMBERS + _TEXTS * max(num_texts, 1):
            raise ValueError("it holds other arrays than a block of documents does")
        (num_words,), lengths, indices, values, keys = arrays[: len(_NUMBERS)]
        ids, *labels = (_packed(*arrays[i : i + 2]) for i in range(len(_NUMBERS), len(arrays), 2))
        starts = _starts(lengths)
        if not (len(lengths) == len(keys) == len(ids) and len(indices) == len(values) == starts[-1]):
            raise ValueError("the lengths of its arrays do not match")
        named = dict(zip(labels[0], labels[1:], strict=True)) if labels else {}
        if len(named) < len(labels) - 1 or any(len(texts) != len(keys) for texts in named.values()):
            raise ValueError("its labels do not match its documents")
        # A column out of range would make scipy's compiled code read outside its arrays.
        if len(indices) and not (indices.min() >= 0 and indices.max() < num_words and values.min() > 0):
            raise ValueError("it holds words or counts out of range")
        rising = np.diff(indices) > 0
        rising[starts[1:-1][(starts[1:-1] > 0) & (starts[1:-1] < len(indices))] - 1] = True
        if not rising.all():
            raise ValueError("its words are not in order")
        counts = sp.csr_matrix((values, indices, starts.astype(np.int32)), shape=(len(lengths), int(num_words)))
        return cls(counts, ids, keys, named)


def joined(parts: Sequence[Rows]) -> Rows:
    """Blocks, at least one, one after the other. Documents of a block that lacks a label have empty texts for it."""
    if len(parts) == 1:
        return parts[0]
    counts = sp.csr_matrix(sp.vstack([part.counts for part in parts], format="csr"))
    blank = [PackedTexts(np.zeros(0, np.uint8), np.zeros(len(part) + 1, np.int64)) for part in parts]
    labels = {
        name: _concatenated([part.labels.get(name, none) for part, none in zip(parts, blank, strict=True)])
        for name in dict.fromkeys(name for part in parts for name in part.labels)
    }
    ids = _concatenated([part.ids for part in parts])
    return Rows(counts, ids, np.concatenate([part.keys for part in parts]), labels)


def _concatenated(parts: Sequence[PackedTexts]) -> PackedTexts:
    """Lists of texts one after the other."""
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return PackedTexts(np.concatenate([part.content for part in parts]), _starts(lengths))


def _packed(content: np.ndarray, lengths: np.ndarray) -> PackedTexts:
    """A list of D texts. content: [N] uint8; lengths: [D] in bytes. Raises ValueError where they do not match."""
    return PackedTexts(content, _starts(lengths)).checked()


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where D items of the given lengths [D] begin, and where the last one ends: [D+1] int64."""
    if len(lengths) and lengths.min() < 0:
        raise ValueError("it holds a negative length")
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
