"""Plots of topics that move: words of a topic by period, and its share by period with an interval."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from etm_jax.report.page.strings import Strings
from etm_jax.report.plot_style import FAMILIES, GRID, INK, SOFT, tick_label

COLUMNS = 4
"""Panels beside each other."""


def moving_words(moving: dict[str, Any], words: Sequence[str], labels: Sequence[str], say: Strings) -> Any:
    """The probabilities of the words of a topic that rise or fall most, by period, a topic a panel.

    moving: of `etm_jax.report.page.moving.moving_of`; words: on the page; labels: of the topics. Each line has its word
    at its end.
    """
    from matplotlib import pyplot as plt

    topics, periods = moving["paths"], moving["periods"]
    rows = -(-len(topics) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(15, 2.7 * rows + 0.4), layout="constrained", squeeze=False)
    for axis in axes.ravel()[len(topics) :]:
        axis.set_visible(False)
    for axis, (topic, lines) in zip(axes.ravel(), topics.items(), strict=False):
        highest = max(max(path) for _, path in lines)
        ends = apart([path[-1] for _, path in lines], 0.095 * highest, 1.04 * highest)
        for (word, path), end, colour in zip(lines, ends, FAMILIES, strict=False):
            axis.plot(path, color=colour, linewidth=1.7)
            beside = axis.get_yaxis_transform()
            axis.text(1.03, end, words[word], transform=beside, color=colour, fontsize=8.5, va="center_baseline")
        axis.set_ylim(0, 1.08 * highest)
        _finish(axis, labels[int(topic)], periods)
    figure.supylabel(say("figure.moving"), fontsize=10, color=SOFT)
    return figure


def moving_shares(moving: dict[str, Any], labels: Sequence[str], colours: Sequence[str], say: Strings) -> Any:
    """The shares of the largest topics by period, with their intervals, a topic a panel.

    labels, colours: of the topics. A period without documents is left out.
    """
    from matplotlib import pyplot as plt

    topics, periods = [int(topic) for topic in moving["paths"]], moving["periods"]
    rows = -(-len(topics) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(13, 2.3 * rows + 0.4), layout="constrained", squeeze=False)
    for axis in axes.ravel()[len(topics) :]:
        axis.set_visible(False)
    for axis, topic in zip(axes.ravel(), topics, strict=False):
        share, low, high = (
            np.array([np.nan if x is None else x for x in moving["topics"][topic][name]])
            for name in ("share", "low", "high")
        )
        axis.fill_between(range(len(share)), low, high, color=colours[topic], alpha=0.2, linewidth=0)
        axis.plot(share, color=colours[topic], linewidth=1.8, marker="o" if len(share) < 40 else "", markersize=3)
        axis.set_ylim(0)
        _finish(axis, labels[topic], periods)
    figure.supylabel(say("figure.share_by"), fontsize=10, color=SOFT)
    return figure


def apart(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Heights that are `gap` from each other at least, in the same order, near the given ones, and below `top`."""
    order = np.argsort(heights, kind="stable")
    placed = np.array(heights, float)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    limit = top
    for i in order[::-1]:
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return [float(height) for height in placed]


def _finish(axis: Any, title: str, periods: Sequence[str]) -> None:
    last = len(periods) - 1
    axis.set_title(title, loc="left", fontsize=10, color=INK)
    axis.yaxis.set_major_formatter(tick_label)
    axis.set_xlim(-0.03 * last, 1.03 * last)
    axis.set_xticks([0, last], [periods[0], periods[last]])
    axis.get_xticklabels()[0].set_ha("left")
    axis.get_xticklabels()[1].set_ha("right")
    axis.grid(axis="y", color=GRID, linewidth=0.8)
