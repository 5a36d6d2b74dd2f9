"""Topics that move, for the page and the figures: their words by period, the words that rise and fall, their shares."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from etm_jax.report.page.choices import digits
from etm_jax.results.over_time import OverTime, over_time, paths
from etm_jax.results.run import Run

MOST_PERIODS = 400
"""Periods on the page; of more, so many at equal steps. Of 50 topics they take 2 MB."""

DRAWN, LINES = 12, 3
"""Topics of the figure of moving words, those of the largest shares, and words that rise or fall in each."""


def moved(run: Run) -> OverTime | None:
    """The topics of a run over time; None where they do not move."""
    return over_time(run.record, run.model, run.corpus)


def columns_of(found: OverTime | None) -> np.ndarray:
    """The columns of all words that `moving_of` names: [W]."""
    if found is None:
        return np.empty(0, np.int64)
    rows = [j for k in range(len(found.early)) for j, _, _ in found.moving(k)]
    return np.union1d(found.words.ravel(), np.array(rows, np.int64))


def moving_of(found: OverTime, share: np.ndarray, own: Mapping[str, np.ndarray], place: Mapping[int, int]) -> Any:
    """What the page and the figures say of topics that move.

    share: [K], of the topics; own: the model's arrays; place: where on the page a column is. periods are names, of the
    `of` that there are; documents are numbers. Of each topic: words, places, each once; at, [T][n] indices into them,
    and p, [T][n] hundred-thousandths; share, low and high, [T], null where they are not known; rises and falls, places
    with β early and late. paths: by topic and word, [T] probabilities, for figures.
    """
    kept = np.unique(np.linspace(0, len(found.axis) - 1, min(len(found.axis), MOST_PERIODS)).round().astype(int))
    largest = np.argsort(-share, kind="stable")[:DRAWN].tolist()
    lines = {k: _strongest(found, k) for k in largest}
    return {
        "periods": [found.axis.names[t] for t in kept],
        "of": len(found.axis),
        "documents": found.documents[kept].tolist(),
        "topics": [_of_topic(found, k, kept, place) for k in range(len(share))],
        "paths": {
            str(k): [[place[j], np.round(path[kept, i].astype(np.float64), 6).tolist()] for i, j in enumerate(lines[k])]
            for k, path in paths(own, lines).items()
        },
    }


def _strongest(found: OverTime, topic: int) -> list[int]:
    """The words that rise most, then those that fall most, at most `LINES` each."""
    rows = list(found.moving(topic))
    sides = [[j for j, early, late in rows if (late > early) == rises][:LINES] for rises in (True, False)]
    return [*sides[0], *sides[1]]


def _of_topic(found: OverTime, topic: int, kept: np.ndarray, place: Mapping[int, int]) -> dict[str, Any]:
    rows = found.words[kept, topic]
    index = {int(j): i for i, j in enumerate(dict.fromkeys(rows.ravel().tolist()))}
    sides: dict[bool, list[list[float]]] = {True: [], False: []}
    for j, early, late in found.moving(topic):
        sides[late > early].append([place[j], digits(early), digits(late)])
    return {
        "words": [place[j] for j in index],
        "at": [[index[int(j)] for j in row] for row in rows],
        "p": np.round(found.probabilities[kept, topic].astype(np.float64) * 1e5).astype(int).tolist(),
        "rises": sides[True],
        "falls": sides[False],
    } | {
        name: [None if np.isnan(x) else round(float(x), 5) for x in values[kept, topic]]
        for name, values in zip(("share", "low", "high"), found.shares, strict=True)
    }
