"""Histograms: how many documents have each length, from which mean, median and quantiles follow."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np


def histogram(values: np.ndarray) -> Counter[int]:
    """How often each value occurs. values: [N] integers ≥ 0."""
    number = np.bincount(values)
    return Counter({int(value): int(number[value]) for value in np.flatnonzero(number)})


def median(counts: Counter[int]) -> float:
    """The median of a histogram; 0 for an empty one."""
    if not counts:
        return 0.0
    values = np.array(sorted(counts))
    ends = np.cumsum([counts[value] for value in values.tolist()])
    low, high = (ends[-1] - 1) // 2, ends[-1] // 2
    return float(values[np.searchsorted(ends, [low, high], side="right")].mean())


def quantiles(counts: Counter[int], most: int) -> np.ndarray:
    """At most `most` of the values, evenly spaced in their order, including the smallest and the largest: [N] int64.

    All of them if there are no more.
    """
    values = np.array(sorted(counts), np.int64)
    ends = np.cumsum([counts[value] for value in values.tolist()])
    if not len(ends):
        return values
    ranks = np.unique(np.linspace(0, ends[-1] - 1, min(most, int(ends[-1]))).round().astype(np.int64))
    return values[np.searchsorted(ends, ranks, side="right")]


def largest(counts: Counter[int], most: int) -> np.ndarray:
    """The `most` largest values, or all if there are fewer, falling: [N] int64."""
    found: list[np.ndarray] = []
    for value in sorted(counts, reverse=True):
        found.append(np.full(min(counts[value], most), value, np.int64))
        most -= len(found[-1])
        if not most:
            break
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def as_pairs(counts: Counter[int]) -> list[list[int]]:
    """A histogram for JSON: pairs of a value and how often it occurs."""
    return [[value, counts[value]] for value in sorted(counts)]


def from_pairs(pairs: Iterable[Sequence[int]]) -> Counter[int]:
    """The inverse of `as_pairs`. Raises ValueError for anything else."""
    counts: Counter[int] = Counter()
    for value, number in pairs:
        if not (type(value) is type(number) is int and value >= 0 and number >= 0):
            raise ValueError("its lengths are not whole numbers of at least 0")
        counts[value] += number
    return counts
