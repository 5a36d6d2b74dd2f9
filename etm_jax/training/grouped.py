"""Batches of documents that belong together, as those of one period: what a model computes of a group is computed once.

Shapes: D documents, B documents of a batch.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

MOST_TOGETHER = 16
"""Groups of one batch, where they are small."""


class GroupedBatch(NamedTuple):
    """Documents of one batch. rows: at most B; present: the groups that they are of, ascending."""

    rows: np.ndarray
    present: np.ndarray


class GroupPlan:
    """Which documents come into batches together, where each belongs to a group. groups: [D], integers.

    Groups follow each other in their order. Small ones are put together until they fill half a batch, and what then
    stands together is dealt to as few batches as hold it, in equal parts.
    """

    def __init__(self, groups: np.ndarray, batch_size: int) -> None:
        self._groups = groups
        self._blocks: list[tuple[np.ndarray, np.ndarray, int]] = []
        order = np.argsort(groups, kind="stable")
        names, sizes = np.unique(groups, return_counts=True)
        ends = np.cumsum(sizes)
        first = 0
        for i in range(len(names)):
            number = int(ends[i] - (ends[first - 1] if first else 0))
            if number >= batch_size / 2 or i - first + 1 == MOST_TOGETHER or i == len(names) - 1:
                rows = order[ends[first - 1] if first else 0 : ends[i]]
                self._blocks.append((rows, names[first : i + 1], -(-number // batch_size)))
                first = i + 1

    def __len__(self) -> int:
        """Batches of all documents."""
        return sum(number for _, _, number in self._blocks)

    @property
    def most_present(self) -> int:
        """The groups that any batch has, at most, as a power of two: few different numbers, so that few programs."""
        return _power_of_two(max((len(present) for _, present, _ in self._blocks), default=1))

    def in_order(self) -> Iterator[GroupedBatch]:
        """All documents, group by group."""
        for rows, present, number in self._blocks:
            yield from (GroupedBatch(np.sort(part), present) for part in np.array_split(rows, number))

    def shuffled(self, rng: np.random.Generator) -> list[GroupedBatch]:
        """All documents: those of a group in any order, and the batches in any order."""
        found = [
            GroupedBatch(part, present)
            for rows, present, number in self._blocks
            for part in np.array_split(rng.permutation(rows), number)
        ]
        return [found[i] for i in rng.permutation(len(found))]


def padded(present: np.ndarray, size: int) -> np.ndarray:
    """The groups of a batch, the last again where there are fewer than `size`: [P] int32; 0 for none at all.

    Where there are more, P is the next power of two.
    """
    size = size if len(present) <= size else _power_of_two(len(present))
    found = np.full(size, present[-1] if len(present) else 0, np.int32)
    found[: len(present)] = present
    return found


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
