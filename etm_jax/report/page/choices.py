"""The words of topics by relevance for every position of the page's slider."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from etm_jax.metrics.relevance import WEIGHT, relevant_words

WEIGHTS = tuple(step / 10 for step in range(11))
"""λ of the slider's positions: from 0, lift alone, to 1, probability alone."""


def start_of(by_relevance: bool) -> int:
    """The position among `WEIGHTS` at which the slider stands first."""
    return WEIGHTS.index(WEIGHT if by_relevance else 1.0)


def ranked_words(beta: np.ndarray, frequency: np.ndarray, n: int) -> np.ndarray:
    """The n most relevant words of each topic for each of M positions: [K, V], [V] → columns [M, K, n]."""
    return np.stack([relevant_words(beta, frequency, n, weight) for weight in WEIGHTS])


def choices_of(ranked: np.ndarray, beta: np.ndarray, place: Mapping[int, int]) -> list[dict[str, Any]]:
    """What the page holds for the slider, for each topic: its words at any position, each once, and their orders.

    ranked: of `ranked_words`; beta: [K, V]; place: where on the page a column is. `words` are places, `p` their
    probabilities, and `orders` has for each position indices into both.
    """
    return [_of_topic(rows, beta[k], place) for k, rows in enumerate(ranked.transpose(1, 0, 2))]


def digits(p: float) -> float:
    """A probability, rounded as the page writes a share of 12.35%; rare words need significant digits."""
    return round(p, 5) if p >= 0.001 else float(f"{p:.3g}")


def _of_topic(rows: Sequence[np.ndarray], p: np.ndarray, place: Mapping[int, int]) -> dict[str, Any]:
    # The most probable first: the slider stands there most often.
    index = {int(j): i for i, j in enumerate(dict.fromkeys(int(j) for row in rows[::-1] for j in row))}
    return {
        "words": [place[j] for j in index],
        "p": [digits(float(p[j])) for j in index],
        "orders": [[index[int(j)] for j in row] for row in rows],
    }
