"""Colours for topics that stand beside each other, as in a bar of several, safe for colour-blind readers."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

SIDE_BY_SIDE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#3d3d3d")
"""The colours of Okabe and Ito, Color Universal Design, 2008, with a lighter black."""

DARK = 0.36
"""Relative luminance up to which white text on a colour can be read, and black text above."""


def colours_apart(bars: Iterable[Sequence[int]], num_topics: int, num_colours: int = len(SIDE_BY_SIDE)) -> list[int]:
    """Give every topic a colour such that those that touch in a bar differ: [num_topics] numbers of colours.

    bars: the topics of each, in their order. The topics with most neighbours choose first, each the colour that its
    neighbours do not have and that is used least so far. A topic with neighbours of all colours takes the rarest of
    them.
    """
    beside: list[set[int]] = [set() for _ in range(num_topics)]
    for bar in bars:
        for left, right in pairwise(bar):
            if left != right:
                beside[left].add(right)
                beside[right].add(left)
    colour, used = [-1] * num_topics, [0] * num_colours
    for k in sorted(range(num_topics), key=lambda k: (-len(beside[k]), k)):
        near = [sum(colour[j] == c for j in beside[k]) for c in range(num_colours)]
        colour[k] = min(range(num_colours), key=lambda c: (near[c], used[c], c))
        used[colour[k]] += 1
    return colour


def text_on(colour: str) -> str:
    """White or near black, whichever can be read on a colour such as #0072b2."""
    return "#ffffff" if luminance(colour) <= DARK else "#14213d"


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2, from 0 for black to 1 for white."""
    return float(linear_rgb(colour) @ (0.2126, 0.7152, 0.0722))


def linear_rgb(colour: str) -> np.ndarray:
    """The light of a colour of sRGB such as #0072b2: [3] in [0, 1]."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
