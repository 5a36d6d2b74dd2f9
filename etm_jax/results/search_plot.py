"""The picture of a search for the number of topics. Needs matplotlib (extra: figures)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etm_jax.results.k_search import Candidate, suggested
from etm_jax.util.files import replace_by_name

PANELS = {
    "coherence": "coherence (NPMI)", "diversity": "diversity", "perplexity": "held-out perplexity",
    "used": "topics used", "stability": "stability over seeds", "exclusivity": "exclusivity",
}  # fmt: skip
"""The figures in the picture, with their titles."""

INK, LINE, CHOSEN = "#14213d", "#3b6fb6", "#d1495b"


def write_search_plot(candidates: Sequence[Candidate], path: Path) -> None:
    """Write a PNG with a panel for each figure over the numbers of topics; the suggested number has a vertical line.

    Figures that no candidate has are left out.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    ordered = sorted(candidates, key=lambda c: c.n_topic)
    shown = [name for name in PANELS if not all(math.isnan(getattr(c, name)) for c in ordered)]
    numbers, chosen = [c.n_topic for c in ordered], suggested(candidates).n_topic
    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "text.color": INK, "font.size": 9}
    with plt.rc_context(style):
        figure, grid = plt.subplots(2, math.ceil(len(shown) / 2), figsize=(9, 5), layout="constrained", squeeze=False)
        for axes, name in zip(grid.flat, shown, strict=False):
            axes.axvline(chosen, color=CHOSEN, linewidth=1, linestyle="--")
            axes.plot(numbers, [getattr(c, name) for c in ordered], color=LINE, marker="o", markersize=4)
            axes.set_title(PANELS[name], fontsize=10)
            axes.set_xticks(numbers)
            axes.set_xlabel("topics")
        for axes in list(grid.flat)[len(shown) :]:
            axes.remove()
        figure.suptitle(f"Models of {min(numbers)} to {max(numbers)} topics; dashed: {chosen}, which the rule suggests")
        with replace_by_name(path) as beside:
            figure.savefig(beside, dpi=200, format="png")
        plt.close(figure)
