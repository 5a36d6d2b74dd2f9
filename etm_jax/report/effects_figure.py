"""Pictures of effects: intervals of groups, and curves with bands along numbers and dates, by matplotlib."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.report.page.strings import Strings
from etm_jax.report.palette import SIDE_BY_SIDE
from etm_jax.report.plot_style import GRID, INK, SOFT, tick_label
from etm_jax.report.plots import BARS, figure_style
from etm_jax.report.tables.write import file_name
from etm_jax.results.effects import Effects
from etm_jax.results.effects_wanted import Wanted

MOST_GROUPS = 30
"""Of a field, in a picture: those with most documents."""

COLOUR = "#3b6fb6"


def write_figures(effects: Effects, lang: str, folder: Path) -> None:
    """Write a picture of each term as effects_TERM.png and .svg. lang: of `LANGUAGES`."""
    with figure_style(lang):
        taken: set[str] = set()
        for term, figure in figures(effects, lang):
            name = file_name(term, taken)
            taken.add(name.casefold())
            figure.savefig(folder / f"effects_{name}.png", dpi=150, bbox_inches="tight", pad_inches=0.15)
            metadata = {"Date": None}  # The same effects give the same bytes.
            figure.savefig(folder / f"effects_{name}.svg", bbox_inches="tight", pad_inches=0.15, metadata=metadata)


def figures(effects: Effects, lang: str) -> Iterator[tuple[str, Any]]:
    """Each term with its picture: a panel for each of the `BARS` topics that differ most along it."""
    from matplotlib.figure import Figure

    say = Strings(lang)
    for term in dict.fromkeys(one.term for one in effects.wanted):
        rows = [q for q, one in enumerate(effects.wanted) if one.term == term and one.effect == "share"]
        order = np.argsort(-np.ptp(effects.intervals.estimate[rows], axis=0), kind="stable")[:BARS]
        columns = min(4, len(order))
        lines = -(-len(order) // columns)
        curves = effects.wanted[rows[0]].at is not None
        if not curves and len(rows) > MOST_GROUPS:
            rows = sorted(sorted(rows, key=lambda q: -effects.wanted[q].n)[:MOST_GROUPS])
        height = 2.3 if curves else 0.7 + 0.24 * len(rows)
        figure = Figure(figsize=(3.3 * columns + (0 if curves else 1), height * lines + 0.5), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False, sharey=not curves)
        for axis in axes.ravel()[len(order) :]:
            axis.set_visible(False)
        for axis, k in zip(axes.ravel(), order.tolist(), strict=False):
            axis.set_title(f"{k}  {effects.names[k]}", loc="left", fontsize=9.5, color=INK)
            (_curves if curves else _groups)(axis, effects, rows, k)
        if curves and len(axes[0, 0].get_legend_handles_labels()[1]) > 1:
            figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower right", frameon=False, fontsize=9)
        figure.supxlabel(say("effects.share", term=term, level=f"{effects.level:.0%}"), fontsize=9.5, color=SOFT)
        yield term, figure


def _groups(axis: Any, effects: Effects, rows: list[int], k: int) -> None:
    """Points with intervals, a line each."""
    wanted = [effects.wanted[q] for q in rows]
    estimate, low, high = (x[rows, k] for x in effects.intervals)
    places = np.arange(len(rows))
    axis.hlines(places, low, high, color=COLOUR, linewidth=1.6)
    axis.plot(estimate, places, "o", color=COLOUR, markersize=4)
    axis.set_yticks(places, [one.group for one in wanted], fontsize=8.5, color=INK)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlim(0)
    axis.xaxis.set_major_formatter(tick_label)
    axis.grid(axis="x", color=GRID, linewidth=0.8)
    axis.tick_params(left=False)


def _curves(axis: Any, effects: Effects, rows: list[int], k: int) -> None:
    """A curve with its band for each category, or one."""
    wanted = [effects.wanted[q] for q in rows]
    names = list(dict.fromkeys(one.curve for one in wanted))[: len(SIDE_BY_SIDE)]
    for i, name in enumerate(names):
        of_curve = [q for q, one in zip(rows, wanted, strict=True) if one.curve == name]
        at = [effects.wanted[q].at for q in of_curve]
        estimate, low, high = (x[of_curve, k] for x in effects.intervals)
        colour = SIDE_BY_SIDE[i] if name else COLOUR
        axis.fill_between(at, low, high, color=colour, alpha=0.2, linewidth=0)
        axis.plot(at, estimate, color=colour, linewidth=1.7, label=name or None)
    axis.set_ylim(0)
    axis.yaxis.set_major_formatter(tick_label)
    ends = [wanted[0], max(wanted, key=lambda one: one.at or 0.0)]
    axis.set_xticks([one.at for one in ends], [_at(one) for one in ends])
    axis.get_xticklabels()[0].set_ha("left")
    axis.get_xticklabels()[1].set_ha("right")
    axis.grid(axis="y", color=GRID, linewidth=0.8)


def _at(one: Wanted) -> str:
    assert one.at is not None
    if one.is_date:
        return datetime.date.fromordinal(datetime.date(1970, 1, 1).toordinal() + round(one.at)).isoformat()
    return f"{one.at:.4g}"
