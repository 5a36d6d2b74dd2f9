"""Hashes of all ranges of a text at once, by sums over its beginnings."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

_BASE = 0x100000001B3
_INVERSE = pow(_BASE, -1, 1 << 64)


class WordHashes(NamedTuple):
    """Hashes of the ranges of N characters: of `start` to `stop` without the last one, a polynomial modulo 2^64.

    sums: [N+1] uint64, over the beginnings; powers: uint64, at least N, that
    move a range to the origin.
    """

    sums: np.ndarray
    powers: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "WordHashes":
        """codes: [N] code points."""
        size = 1 << len(codes).bit_length()  # of texts of about this length the powers are computed once
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * _powers(_BASE, size)[: len(codes)], out=sums[1:])
        return cls(sums, _powers(_INVERSE, size))

    def ranges(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The hashes of ranges: [n], [n] → [n] uint64."""
        return (self.sums[stops] - self.sums[starts]) * self.powers[starts]


@lru_cache(maxsize=4)
def _powers(base: int, size: int) -> np.ndarray:
    """[size] uint64, from the power 0."""
    powers = np.full(size, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


def distinct(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number equal hashes alike: [W] uint64 → where one of each kind is [U], and the number of each [W] int32."""
    count = len(hashes)
    of_same = np.arange(count)  # a place with the same hash, one for all that have it
    size = 1 << max(4, (4 * count).bit_length())
    todo, mixed = np.arange(count), hashes
    while len(todo):
        # The last hash in a slot stands for its kind; other kinds in that slot take their chance with other slots.
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        slots = (mixed >> np.uint64(65 - size.bit_length())).astype(np.int64)
        holder = np.zeros(size, np.int64)
        holder[slots] = todo
        same = holder[slots]
        settled = hashes[same] == hashes[todo]
        of_same[todo[settled]] = same[settled]
        todo, mixed = todo[~settled], mixed[~settled]
    first = of_same == np.arange(count)
    numbers = np.cumsum(first, dtype=np.int32) - 1
    return np.flatnonzero(first), numbers[of_same].astype(np.int32)
