"""Pieces of text side by side, so that one step of a loop takes a character of each."""

from typing import NamedTuple

import numpy as np


class Layout(NamedTuple):
    """The characters of all pieces: first the last one of each, then the last but one of each that has two, …

    In every step the longest pieces come first, so that a piece has the same place in all. places: [M] where each
    character is in the text. steps: the range of each step.
    """

    places: np.ndarray
    steps: list[tuple[int, int]]

    @classmethod
    def of(cls, starts: np.ndarray, lengths: np.ndarray) -> "Layout":
        """starts, lengths: [S] of the pieces, none of them empty."""
        order = np.argsort(-lengths, kind="stable")
        widths = np.cumsum(np.bincount(lengths)[:0:-1])[::-1]  # pieces of at least 1, 2, … characters
        offsets = np.concatenate([[0], np.cumsum(widths)])
        piece = np.arange(offsets[-1]) - np.repeat(offsets[:-1], widths)
        places = (starts + lengths)[order][piece] - np.repeat(np.arange(1, len(widths) + 1), widths)
        return cls(places, list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)))

    @property
    def steps_backwards(self) -> list[tuple[int, int]]:
        return self.steps[::-1]

    @property
    def widest(self) -> int:
        return self.steps[0][1]
