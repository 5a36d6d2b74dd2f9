"""Figures of a fitted `ETM` by matplotlib, labelled in the language of the topics' words.

They belong to nobody's pyplot: a caller saves them, or a notebook shows them.
"""

import datetime
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from etm_jax.api.topic_results import TopicInfo
from etm_jax.metrics.group_shares import GroupTopic
from etm_jax.report.page.strings import Strings
from etm_jax.report.plot_style import tick_label
from etm_jax.report.plots import BARS, cjk_family, warn_without_cjk

COLOUR = "#3b6fb6"


def language_of(words: Sequence[str]) -> str:
    """zh where most of the words have a Chinese character, else en."""
    chinese = sum(any("一" <= character <= "鿿" for character in word) for word in words)
    return "zh" if 2 * chinese > len(words) else "en"


def shares_figure(rows: Sequence[TopicInfo], n: int) -> Any:
    """Bars of the topics' shares with their first n words, in the order of `rows`."""
    say = _strings(rows)
    with _figure((9, 1 + 0.3 * len(rows)), say.lang) as figure:
        axis, places = figure.add_subplot(), range(len(rows))
        axis.barh(places, [row.share for row in rows], color=COLOUR)
        axis.set_yticks(places, [f"{row.topic}: {' '.join(row.words[:n])}" for row in rows], family=_families())
        axis.invert_yaxis()
        axis.xaxis.set_major_formatter(tick_label)
        axis.set_xlabel(say("figure.share"), family=_families())
    return figure


def over_time_figure(
    rows: Sequence[GroupTopic], first_days: Mapping[str, datetime.date], topics: Sequence[TopicInfo]
) -> Any:
    """Curves of the mean proportions of the `BARS` topics that change most, each in a panel, with their intervals.

    rows: every topic of every period; first_days: by period the earliest date in it, where it is on the axis; topics:
    all of them, in any order.
    """
    means: dict[int, list[GroupTopic]] = {row.topic: [] for row in topics}
    for row in rows:
        means[row.topic].append(row)
    changes = {k: float(np.ptp([row.mean_theta for row in of_topic])) for k, of_topic in means.items()}
    order = sorted(means, key=lambda k: -changes[k])[:BARS]
    words = {row.topic: " ".join(row.words[:3]) for row in topics}
    say, columns = _strings(topics), min(4, len(order))
    lines = -(-len(order) // columns)
    with _figure((3.25 * columns, 2.3 * lines + 0.4), say.lang) as figure:
        axes = figure.subplots(lines, columns, squeeze=False, sharex=True)
        for axis in axes.ravel()[len(order) :]:
            axis.set_visible(False)
        for axis, k in zip(axes.ravel(), order, strict=False):
            days = [first_days[row.group].toordinal() for row in means[k]]
            low, high = ([getattr(row, end) for row in means[k]] for end in ("mean_theta_low", "mean_theta_high"))
            axis.fill_between(days, low, high, color=COLOUR, alpha=0.2, linewidth=0)
            axis.plot(days, [row.mean_theta for row in means[k]], color=COLOUR, marker=".")
            axis.set_ylim(0)
            axis.set_title(f"{k}: {words[k]}", loc="left", fontsize=10, family=_families())
            axis.yaxis.set_major_formatter(tick_label)
            ends = sorted({days[0]: means[k][0].group, days[-1]: means[k][-1].group}.items())
            axis.set_xticks([day for day, _ in ends], [name for _, name in ends])
            axis.tick_params(labelbottom=True)
            if len(ends) > 1:
                axis.get_xticklabels()[0].set_ha("left")
                axis.get_xticklabels()[1].set_ha("right")
        figure.supxlabel(say("figure.mean"), fontsize=10, family=_families())
    return figure


def _strings(topics: Sequence[TopicInfo]) -> Strings:
    return Strings(language_of([word for topic in topics for word in topic.words]))


def _families() -> list[str]:
    """Fonts to look for a character in, one after the other."""
    return [*([found] if (found := cjk_family()) else []), "DejaVu Sans"]


@contextmanager
def _figure(size: tuple[float, float], lang: str) -> Iterator[Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    class Quiet(Figure):
        """A figure that does not warn of each character without a font, which has been said once."""

        def draw(self, renderer: Any) -> None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing from")
                super().draw(renderer)

    if lang == "zh":
        warn_without_cjk()
    with rc_context({"font.family": _families(), "text.parse_math": False}):
        yield Quiet(figsize=size, layout="constrained")
