"""A read-only map from integers to integers that looks up whole arrays."""

from typing import NamedTuple

import numpy as np

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: spreads neighbouring keys


class HashTable(NamedTuple):
    """Open addressing with linear probing. keys: [S] uint32 or uint64, all ones where empty; values: [S] int32.

    S is a power of two and at most half full, so that a lookup ends after a few slots.
    """

    keys: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, values: np.ndarray) -> "HashTable":
        """The table of N different keys ≥ 0, and their values ≥ 1. keys, values: [N]."""
        keys = np.asarray(keys, np.uint64)
        dtype = np.uint32 if not len(keys) or keys.max() < np.iinfo(np.uint32).max else np.uint64
        size = 1 << max(4, int(2 * len(keys) - 1).bit_length())
        slots, held = np.full(size, np.iinfo(dtype).max, dtype), np.zeros(size, np.int32)
        empty, left, place = slots[0].copy(), np.arange(len(keys)), _slot(keys, size)
        while len(left):
            # Of the keys that want one free slot the first gets it; the others go one further.
            free = np.flatnonzero(slots[place] == empty)
            _, first = np.unique(place[free], return_index=True)
            won = free[first]
            slots[place[won]], held[place[won]] = keys[left[won]], values[left[won]]
            rest = np.ones(len(left), bool)
            rest[won] = False
            left, place = left[rest], (place[rest] + 1) & (size - 1)
        return cls(slots, held)

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


def _slot(keys: np.ndarray, size: int) -> np.ndarray:
    """Where to look first for each key: [N] int64."""
    return ((keys * _MULTIPLIER) >> np.uint64(65 - size.bit_length())).astype(np.int64)
