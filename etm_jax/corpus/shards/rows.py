"""Some documents as sparse counts: what is counted, dealt out, kept on disk and read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.shards.arrays import pack, unpack
from etm_jax.corpus.store.packed import PackedTexts

KIND = b"ETM1"


@dataclass(frozen=True)
class Rows:
    """D documents. counts: [D, V] CSR int32, canonical; ids: D names; keys: [D] uint64, of `draws.draw`."""

    counts: sp.csr_matrix
    ids: PackedTexts
    keys: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def none(cls, num_words: int) -> "Rows":
        """Of no document."""
        empty = np.zeros(0, np.int32)
        counts = sp.csr_matrix((empty, empty, np.zeros(1, np.int32)), shape=(0, num_words))
        return cls(counts, PackedTexts.of([]), np.zeros(0, np.uint64))

    @property
    def nonzeros(self) -> np.ndarray:
        """Different words of each document: [D] int64."""
        return np.diff(self.counts.indptr).astype(np.int64)

    @property
    def tokens(self) -> np.ndarray:
        """Words of each document: [D] int64."""
        return np.asarray(self.counts.sum(axis=1, dtype=np.int64)).ravel()

    def take(self, rows: np.ndarray) -> "Rows":
        """Those of some rows [R], in their order."""
        return Rows(sp.csr_matrix(self.counts[rows]), self.ids.take(rows), self.keys[rows])

    def to_bytes(self) -> bytes:
        """A record of a shard: `from_bytes` reads it."""
        counts = self.counts
        lengths = np.diff(counts.indptr).astype(np.int32)
        shape = np.array([counts.shape[1]], np.int64)
        names = self.ids.content, np.diff(self.ids.starts).astype(np.int32)
        return pack(KIND, shape, lengths, counts.indices, counts.data, self.keys, *names)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Rows":
        """The inverse of `to_bytes`. Raises ValueError where the record is not as it was written."""
        arrays = unpack(KIND, data)
        if [array.dtype.str for array in arrays] != ["<i8", "<i4", "<i4", "<i4", "<u8", "|u1", "<i4"]:
            raise ValueError("it holds other arrays than a block of documents does")
        (num_words,), lengths, indices, values, keys, names, name_lengths = arrays
        starts = _starts(lengths)
        if not (len(lengths) == len(keys) == len(name_lengths) and len(indices) == len(values) == starts[-1]):
            raise ValueError("its arrays do not go together")
        # A column out of range would make scipy's compiled code read outside its arrays.
        if len(indices) and not (indices.min() >= 0 and indices.max() < num_words and values.min() > 0):
            raise ValueError("it holds words or counts that cannot be")
        rising = np.diff(indices) > 0
        rising[starts[1:-1][(starts[1:-1] > 0) & (starts[1:-1] < len(indices))] - 1] = True
        if not rising.all():
            raise ValueError("its words are not in order")
        counts = sp.csr_matrix((values, indices, starts.astype(np.int32)), shape=(len(lengths), int(num_words)))
        return cls(counts, PackedTexts(names, _starts(name_lengths)).checked(), keys)


def joined(parts: Sequence[Rows]) -> Rows:
    """At least one, one after the other."""
    if len(parts) == 1:
        return parts[0]
    counts = sp.csr_matrix(sp.vstack([part.counts for part in parts], format="csr"))
    lengths = np.concatenate([np.diff(part.ids.starts) for part in parts])
    names = PackedTexts(np.concatenate([part.ids.content for part in parts]), _starts(lengths))
    return Rows(counts, names, np.concatenate([part.keys for part in parts]))


def _starts(lengths: np.ndarray) -> np.ndarray:
    if len(lengths) and lengths.min() < 0:
        raise ValueError("it holds a negative length")
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
