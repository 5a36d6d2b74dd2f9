"""Hashes of all ranges of a text at once, by sums over its beginnings."""

from typing import NamedTuple

import numpy as np

_BASE = 0x100000001B3
_INVERSE = pow(_BASE, -1, 1 << 64)


class WordHashes(NamedTuple):
    """Hashes of the ranges of N characters: of `start` to `stop` without the last one, a polynomial modulo 2^64.

    sums: [N+1] uint64, over the beginnings; powers: [N+1] uint64, that move a range to the origin.
    """

    sums: np.ndarray
    powers: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "WordHashes":
        """codes: [N] code points."""
        ups, downs = _powers(len(codes) + 1)
        sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * ups[:-1], out=sums[1:])
        return cls(sums, downs)

    def ranges(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The hashes of ranges: [n], [n] → [n] uint64."""
        return (self.sums[stops] - self.sums[starts]) * self.powers[starts]


_cached = [(np.ones(1, np.uint64), np.ones(1, np.uint64))]


def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first powers of the base and of its inverse: two of [count] uint64."""
    if len(_cached[0][0]) < count:
        size = 2 * count
        _cached[0] = tuple(np.cumprod(np.r_[np.uint64(1), np.full(size, base, np.uint64)]) for base in (_BASE, _INVERSE))
    ups, downs = _cached[0]
    return ups[:count], downs[:count]
