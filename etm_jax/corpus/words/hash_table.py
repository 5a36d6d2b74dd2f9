"""Maps from integers to integers that look up whole arrays."""

from typing import NamedTuple

import numpy as np

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads neighbouring keys


class HashTable(NamedTuple):
    """Open addressing with linear probing. keys: [S] uint32 or uint64, all ones where empty; values: [S] int32.

    S is a power of two and at most two thirds full, so that a lookup ends after a few slots.
    """

    keys: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, values: np.ndarray) -> "HashTable":
        """The table of N different keys ≥ 0, and their values ≥ 1. keys, values: [N]."""
        keys = np.asarray(keys, np.uint64)
        dtype = np.uint32 if not len(keys) or keys.max() < np.iinfo(np.uint32).max else np.uint64
        table = _empty(len(keys), dtype)
        table.insert(keys, np.asarray(values, np.int32))
        return table

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add different keys that are not in the table, which must have room for them. keys: [n] uint64."""
        size, empty = len(self.keys), np.iinfo(self.keys.dtype).max
        left, place = np.arange(len(keys)), _slot(keys, size)
        while len(left):
            # Of the keys that want one free slot one gets it; the others go one further.
            free = self.keys[place] == empty
            self.keys[place[free]] = keys[left[free]]
            won = free & (self.keys[place] == keys[left])
            self.values[place[won]] = values[left[won]]
            left, place = left[~won], (place[~won] + 1) & (size - 1)

    def lookup(self, keys: np.ndarray) -> np.ndarray:
        """The values of keys [N], as int32; 0 for a key that is not in the table."""
        size, empty = len(self.keys), self.keys.dtype.type(np.iinfo(self.keys.dtype).max)
        keys = keys.astype(np.uint64, copy=False)
        place = _slot(keys, size)
        wanted = keys.astype(self.keys.dtype, copy=False)
        found = self.keys.take(place, mode="clip")
        hit = found == wanted
        values = self.values.take(place, mode="clip")
        values *= hit
        todo = np.flatnonzero(~hit & (found != empty))
        place, wanted = place[todo], wanted[todo]
        while len(todo):
            place = (place + 1) & (size - 1)
            found = self.keys[place]
            hit = found == wanted
            values[todo[hit]] = self.values[place[hit]]
            rest = ~hit & (found != empty)
            todo, place, wanted = todo[rest], place[rest], wanted[rest]
        return values


class GrowingTable:
    """A table of any uint64 keys but the largest, to which keys are added."""

    def __init__(self) -> None:
        self._table, self._count = _empty(1000, np.uint64), 0

    def lookup(self, keys: np.ndarray) -> np.ndarray:
        """As of `HashTable`."""
        return self._table.lookup(keys)

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        """As of `HashTable`, without end."""
        self._count += len(keys)
        if 1.5 * self._count > len(self._table.keys):
            old = self._table
            taken = np.flatnonzero(old.keys != np.iinfo(np.uint64).max)
            self._table = _empty(2 * self._count, np.uint64)
            self._table.insert(old.keys[taken], old.values[taken])
        self._table.insert(keys, values)


def _empty(count: int, dtype: type) -> HashTable:
    """A table with room for so many keys."""
    size = 1 << max(4, int(1.5 * count).bit_length())
    return HashTable(np.full(size, np.iinfo(dtype).max, dtype), np.zeros(size, np.int32))


def _slot(keys: np.ndarray, size: int) -> np.ndarray:
    """Where to look first for each key: [N] int64."""
    return ((keys * _MULTIPLIER) >> np.uint64(65 - size.bit_length())).astype(np.int64)
