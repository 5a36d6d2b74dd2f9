"""Expected shares of topics by regression of θ on what is known of documents, with intervals by two methods.

The method of composition (Treier and Jackman 2008; Roberts, Stewart, Airoldi 2016, section 4) draws θ of all documents
from their posteriors, regresses each draw, and draws the share from the distribution that this regression has. The
bootstrap draws documents anew and regresses the means of their posteriors. A share is a row c of the design times the
coefficients: of a group, with everything else as it is, the mean of the design's rows with all documents in that group.

Shapes: D documents, P columns with the intercept, Q shares or differences, K topics, S draws.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

NORMALS = 20
"""Draws of a share from the regression of each draw of θ."""

RESAMPLES_AT_ONCE = 2**24
"""Documents times resamples whose weights are held at once."""

ALONE = 1e-6
"""A document with a leverage this near to 1 has a coefficient of its own, of which no variance is known."""


class Intervals(NamedTuple):
    """estimate, low, high: [Q, K]; low and high are NaN where one document alone decides."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Influence(NamedTuple):
    """What a least-squares fit gives to each document.

    weights: [Q, D], by which θ is summed to a share; spread: [Q, D], by which squared residuals are summed to its
    variance; unknown: [Q], whether that variance is.
    """

    weights: np.ndarray
    spread: np.ndarray
    unknown: np.ndarray


def influence(columns: np.ndarray, wanted: np.ndarray) -> Influence:
    """Of the design [D, P], of full rank, and the shares' rows [Q, P].

    The variance is HC2 of MacKinnon and White (1985): Σ_d (w_d e_d)² / (1 − h_d), h the leverage. For groups alone it
    is s² / n of each, with the n − 1 of a sample's variance, whatever the variances of the others.
    """
    solve = np.linalg.pinv(columns)
    weights, leverage = wanted @ solve, np.einsum("dp,pd->d", columns, solve)
    alone = leverage > 1 - ALONE
    unknown = (np.abs(weights[:, alone]) > ALONE * np.abs(weights).max(axis=1, initial=0)[:, None]).any(axis=1)
    return Influence(weights, np.where(alone, 0, weights**2 / np.where(alone, 1, 1 - leverage)), unknown)


def composition(
    columns: np.ndarray,
    wanted: np.ndarray,
    draws: Callable[[int, int], np.ndarray],
    num_draws: int,
    level: float,
    seed: int,
    at_once: int = 1,
) -> Intervals:
    """The method of composition.

    columns: [D, P]; wanted: [Q, P]; draws: from the number of a draw and of draws to these draws of θ [S, D, K];
    level: of the intervals, in (0, 1).
    """
    own, solve = influence(columns, wanted), np.linalg.pinv(columns)
    means, deviations = [], []
    for first in range(0, num_draws, at_once):
        for theta in draws(first, min(at_once, num_draws - first)).astype(np.float64):
            means.append(own.weights @ theta)
            deviations.append(np.sqrt(own.spread @ (theta - columns @ (solve @ theta)) ** 2))
    mean, deviation = np.array(means), np.array(deviations)
    noise = np.random.default_rng([seed]).standard_normal((num_draws, NORMALS, len(wanted), 1))
    low, high = np.empty(mean.shape[1:]), np.empty(mean.shape[1:])
    for k in range(mean.shape[2]):
        drawn = mean[:, None, :, k : k + 1] + deviation[:, None, :, k : k + 1] * noise
        low[:, k], high[:, k] = _ends(drawn.reshape(-1, len(wanted)), level)
    low[own.unknown], high[own.unknown] = np.nan, np.nan
    return Intervals(mean.mean(axis=0), low, high)


class Response(NamedTuple):
    """How the posteriors follow the documents that are drawn, as each resample has a prior of its own.

    score: [D, F], each document's derivative by F coordinates of its prior's mean; step: [P F, P K], from Σ_d x scoreᵀ
    of a resample to the change of Σ_d x θᵀ.
    """

    score: np.ndarray
    step: np.ndarray


def bootstrap(
    columns: np.ndarray,
    wanted: np.ndarray,
    theta: np.ndarray,
    num_draws: int,
    level: float,
    seed: int,
    response: Response | None = None,
) -> Intervals:
    """Percentiles over resamples of the documents. theta: [D, K], means of their posteriors.

    With a response, the prior takes one Newton step to the documents of the resample: else the posteriors' means, which
    lie near the prior's, would vary too little. A resample without full rank is solved by the pseudo-inverse.
    """
    num_docs, num_topics = theta.shape
    own, num_columns = influence(columns, wanted), columns.shape[1]
    rng = np.random.default_rng([seed])
    size = max(1, RESAMPLES_AT_ONCE // max(num_draws, 1))
    starts = range(0, num_docs, size)
    sizes = np.array([min(size, num_docs - start) for start in starts])
    of_part = rng.multinomial(num_docs, sizes / num_docs, num_draws)
    squares, products = np.zeros((num_draws, num_columns**2)), np.zeros((num_draws, num_columns * num_topics))
    score = np.zeros((num_draws, num_columns * response.score.shape[1] if response else 0))
    for part, start in enumerate(starts):
        rows = slice(start, start + sizes[part])
        x = columns[rows]
        weight = rng.multinomial(of_part[:, part], np.full(len(x), 1 / len(x))).astype(np.float64)
        squares += weight @ (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        products += weight @ (x[:, :, None] * theta[rows][:, None, :]).reshape(len(x), -1)
        if response:
            score += weight @ (x[:, :, None] * response.score[rows][:, None, :]).reshape(len(x), -1)
    if response:
        products += score @ response.step
    inverse = np.linalg.pinv(squares.reshape(-1, num_columns, num_columns), hermitian=True)
    drawn = wanted @ inverse @ products.reshape(-1, num_columns, num_topics)
    low, high = _ends(drawn, level)
    low[own.unknown], high[own.unknown] = np.nan, np.nan
    return Intervals(own.weights @ theta, low, high)


def _ends(drawn: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2), axis=0)
    return low, high
