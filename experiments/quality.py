"""How good the topics are: the tables of docs/quality.md, LDA beside ours.

    python -m experiments.quality [--only=targets,topics] [--seeds=1,2,3] [--ng20=FOLDER]

Ours is --variant=default with nothing else set but the corpus; LDA is tomotopy's, 500 sweeps on the same counts. Every
fit has two cores and a process of its own, and its figures stay in runs/quality: a command that was stopped goes on
where it was, and a second call only prints.

Corpora: by name, from installed packages; 20 Newsgroups in the original ETM's format with --ng20.
Runtime: on 2 cores about half an hour for --only=targets, and an hour and a half for all parts.
Needs:   tomotopy, pkuseg and the packages of the corpora (BUILD.md). What cannot be run is said in its row.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable
from experiments.fits import SWEEPS, Figures, Fit, figures_of, markdown, mean_and_spread, write_between
from experiments.stop_words import stop_words

Settings = dict[str, Any]

PEOPLES_DAILY: Settings = {"corpus": "peoples_daily", "no_above": 0.02}
PEOPLES_DAILY_10 = PEOPLES_DAILY | {"no_above": 0.1}
NAMES = {"default": "ours", "lda": "LDA", "paper": "ETM, paper"}
PAPER_EPOCHS = 30
"""Of `paper` here: its published thousand would take hours."""


STABILITY_SEEDS = (1, 2, 3, 4, 5)


class Figure(NamedTuple):
    """How a figure is shown, and whether more of it is better."""

    heading: str
    form: str
    rising: bool


FIGURES = {
    "tc": Figure("TC", ".3f", True),
    "tc_test": Figure("TC, test", ".3f", True),
    "td": Figure("TD", ".3f", True),
    "tq": Figure("TC·TD", ".3f", True),
    "ppl_doc": Figure("ppl doc", ",.0f", False),
    "ppl_tok": Figure("ppl tok", ",.0f", False),
    "used": Figure("used", ".0f", True),
    "seconds": Figure("seconds", ".1f", False),
}


class Goal(NamedTuple):
    """What a figure is to reach. aim: further than that, or None. by_lda: what is to be reached is LDA's figure."""

    figure: str
    least: float
    aim: float | None = None
    by_lda: bool = False


class Target(NamedTuple):
    """A corpus of the first table. goals: none where our settings were not chosen on it: then only LDA sets them."""

    title: str
    corpus: Settings
    goals: tuple[Goal, ...] = ()


TARGETS = {
    "pd02": Target(
        "People's Daily, no_above .02",
        PEOPLES_DAILY,
        (Goal("tc", 0.25, 0.31), Goal("td", 0.86, 0.90), Goal("ppl_tok", 2650, 2350)),
    ),
    "pd10": Target(
        "People's Daily, no_above .1",
        PEOPLES_DAILY_10,
        (Goal("tc", 0.26, 0.30), Goal("td", 0.70, 0.80), Goal("ppl_tok", 1850, 1750)),
    ),
    "20ng": Target(
        "20 Newsgroups",
        {"corpus": ""},  # --ng20
        (Goal("tc", 0.26, 0.30), Goal("td", 0.67, 0.75), Goal("ppl_doc", 1560, 1480)),
    ),
    "lee": Target("lee", {"corpus": "lee"}),
    "inews": Target("inews", {"corpus": "inews"}),
    "newsarticles": Target("newsarticles", {"corpus": "newsarticles"}),
}


class Result(NamedTuple):
    """The figures of each seed, or why there are none."""

    rows: list[Figures]
    not_run: str = ""

    def mean(self, figure: str) -> float:
        """Over the seeds."""
        return statistics.fmean(row[figure] for row in self.rows)

    def shown(self, figure: str, form: str) -> str:
        """The mean and the spread; nothing where the model has no such figure."""
        values = [row[figure] for row in self.rows if figure in row]
        return mean_and_spread(values, form) if values else ""


class Bench:
    """What a part is made with. machines: those that its fits ran on."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.seeds: list[int] = given.seeds
        self.corpora: list[str] = given.corpora
        self.ng20: str = given.ng20
        self.num_topics: int = given.n_topic
        self.sweeps: int = given.sweeps
        self.work: Path = given.work
        self.machines: set[str] = set()

    def fits(self, model: str, corpus: Settings, num_topics: int = 0) -> list[Fit]:
        """One for each seed; of `paper`, which takes long, the first alone."""
        seeds = self.seeds[:1] if model == "paper" else self.seeds
        settings = {"num_epochs": PAPER_EPOCHS} if model == "paper" else {}
        return [Fit(model, corpus, num_topics or self.num_topics, seed, self.sweeps, settings) for seed in seeds]

    def results(self, cases: Sequence[list[Fit]]) -> list[Result]:
        """Of each case its fits' figures."""
        found = iter(figures_of([fit for fits in cases for fit in fits], self.work))
        outcomes = []
        for fits in cases:
            rows = [next(found) for _ in fits]
            reasons = [row["not_run"] for row in rows if "not_run" in row]
            self.machines |= {row["machine"] for row in rows if "machine" in row}
            outcomes.append(Result([], reasons[0]) if reasons else Result(rows))
        return outcomes


def part_targets(bench: Bench) -> str:
    """Ours and LDA on every corpus, and what was to be reached."""
    found: dict[str, list[Result]] = {}
    targets = {name: TARGETS[name] for name in bench.corpora}
    if "20ng" in targets:
        targets["20ng"] = targets["20ng"]._replace(corpus={"corpus": bench.ng20})
        if not bench.ng20:
            missing = Result([], "give --ng20=FOLDER")
            found["20ng"] = [missing, missing]
    there = [name for name in targets if name not in found]
    outcomes = iter(
        bench.results([bench.fits(model, targets[name].corpus) for name in there for model in ("default", "lda")])
    )
    found |= {name: [next(outcomes), next(outcomes)] for name in there}
    figures, goals = [], []
    for name, target in targets.items():
        ours, lda = found[name]
        figures += _figure_rows(target.title, {"ours": ours, "LDA": lda})
        if lda.rows:
            perplexities = {name: lda.shown(f"{name}_fold", FIGURES[name].form) for name in ("ppl_doc", "ppl_tok")}
            figures.append([target.title, "LDA, folded in", *(perplexities.get(name, "") for name in FIGURES)])
        if ours.rows and lda.rows:
            goals += [_goal_row(target.title, goal, ours) for goal in (*target.goals, *_beside_lda(target, lda))]
    reached = ("corpus", "figure", "ours", "at least", "reached", "aim", "reached")
    return f"{_figure_table('corpus', figures)}\n\n{markdown(goals, reached, '<<>>>>>')}"


def _beside_lda(target: Target, lda: Result) -> list[Goal]:
    """The goals that LDA sets. Its perplexity is the lower of its two."""
    perplexities = [
        Goal(name, min(lda.mean(name), lda.mean(f"{name}_fold")), by_lda=True) for name in ("ppl_doc", "ppl_tok")
    ]
    if not target.goals:
        return [Goal("tq", lda.mean("tq"), by_lda=True), *perplexities]
    seconds = lda.mean("seconds")
    return [
        *perplexities,
        Goal("tc_test", lda.mean("tc_test"), by_lda=True),
        Goal("used", len(lda.rows[0]["topics"])),
        Goal("seconds", seconds, seconds / 2, by_lda=True),
    ]


def _goal_row(title: str, goal: Goal, ours: Result) -> list[str]:
    figure, value = FIGURES[goal.figure], ours.mean(goal.figure)

    def judged(bound: float | None) -> tuple[str, str]:
        if bound is None:
            return "", ""
        reached = value >= bound if figure.rising else value <= bound
        return f"{'≥' if figure.rising else '≤'} {bound:{figure.form}}", "yes" if reached else "no"

    (least, reached), aim = judged(goal.least), judged(goal.aim)
    shown = ours.shown(goal.figure, figure.form)
    return [title, figure.heading, shown, least + (" (LDA)" if goal.by_lda else ""), reached, *aim]


def _figure_rows(title: str, outcomes: dict[str, Result]) -> list[list[str]]:
    """A row a model."""
    rows = []
    for model, result in outcomes.items():
        shown = [result.shown(name, figure.form) for name, figure in FIGURES.items()]
        rows.append([title, f"{model}, not run: {result.not_run}" if result.not_run else model, *shown])
    return rows


def _figure_table(first: str, rows: Sequence[list[str]]) -> str:
    headings = [figure.heading for figure in FIGURES.values()]
    return markdown(rows, (first, "model", *headings), "<<" + ">" * len(headings))


def _grid(bench: Bench, first: str, cases: dict[str, dict[str, Any]], models: Sequence[str]) -> str:
    """A table of cases and models. cases: the arguments of `Bench.fits` by title."""
    outcomes = iter(bench.results([bench.fits(model, **case) for case in cases.values() for model in models]))
    rows = []
    for title in cases:
        rows += _figure_rows(title, {NAMES[model]: next(outcomes) for model in models})
    return _figure_table(first, rows)


def part_topics(bench: Bench) -> str:
    """Every topic of the first seed on People's Daily."""
    (result,) = bench.results([bench.fits("default", PEOPLES_DAILY)[:1]])
    if result.not_run:
        return f"not run: {result.not_run}"
    topics = enumerate(result.rows[0]["topics"], start=1)
    rows = [(number, f"{share:.1%}", f"{npmi:.2f}", words) for number, (share, npmi, words) in topics]
    return markdown(rows, ("", "share", "NPMI", "words"), ">>><")


def part_stopwords(bench: Bench) -> str:
    """Stop words kept, dropped by a list, and dropped by how many documents hold them."""
    everything = PEOPLES_DAILY | {"no_above": 1.0}
    articles: Settings = {"corpus": "newsarticles", "no_above": 1.0}
    cases = {
        "People's Daily, kept": everything,
        "People's Daily, a list": everything | {"stopwords": str(stop_words("zh", bench.work))},
        "People's Daily, no_above .1": PEOPLES_DAILY_10,
        "People's Daily, no_above .02": PEOPLES_DAILY,
        "newsarticles, kept": articles,
        "newsarticles, a list": articles | {"stopwords": str(stop_words("en", bench.work))},
    }
    arguments = {title: {"corpus": corpus} for title, corpus in cases.items()}
    return _grid(bench, "stop words", arguments, ("lda", "paper", "default"))


def part_k(bench: Bench) -> str:
    """Few and many topics."""
    cases = {f"K = {k}": {"corpus": PEOPLES_DAILY, "num_topics": k} for k in (10, 20, 50, 100, 200)}
    return _grid(bench, "topics", cases, ("lda", "default"))


def part_words(bench: Bench) -> str:
    """Words of one character kept, and dropped."""
    cases = {
        "kept": {"corpus": PEOPLES_DAILY_10},
        "dropped": {"corpus": PEOPLES_DAILY_10 | {"min_token_len": 2}},
    }
    return _grid(bench, "words of one character", cases, ("lda", "default"))


def part_units(bench: Bench) -> str:
    """Short documents and long ones of the same text."""
    cases = {
        "paragraphs": {"corpus": PEOPLES_DAILY_10},
        "articles": {"corpus": PEOPLES_DAILY_10 | {"unit": "document"}},
    }
    return _grid(bench, "documents", cases, ("lda", "default"))


def part_stability(bench: Bench) -> str:
    """How far five seeds find the same topics."""
    import numpy as np

    from etm_jax.metrics.stability import matched_overlap

    cases = [
        [Fit(model, PEOPLES_DAILY, bench.num_topics, seed, bench.sweeps) for seed in STABILITY_SEEDS]
        for model in ("lda", "default")
    ]
    rows = []
    for name, result in zip(("LDA", "ours"), bench.results(cases), strict=True):
        if result.not_run:
            rows.append([f"{name}, not run: {result.not_run}", "", "", ""])
            continue
        words = [np.array([topic.split() for _, _, topic in row["topics"]]) for row in result.rows]
        pairs = np.array([matched_overlap(a, b) for a, b in combinations(words, 2)])
        rows.append(
            [name, *(f"{value:.3f}" for value in (pairs.mean(), pairs.mean(axis=1).min(), (pairs >= 0.5).mean()))]
        )
    header = ("model", "words in common", "of the two seeds most unlike", "topics with half their words in common")
    return markdown(rows, header, "<>>>")


PARTS: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "targets": ("Ours and LDA", part_targets),
    "topics": ("The fifty topics of People's Daily", part_topics),
    "stopwords": ("Stop words", part_stopwords),
    "k": ("From 10 topics to 200", part_k),
    "words": ("Words of one character", part_words),
    "units": ("Paragraphs and articles", part_units),
    "stability": ("Five seeds", part_stability),
}


def main(argv: Sequence[str]) -> None:
    """Fit what is missing, print the tables, write them to the document."""
    given = _parser().parse_args(argv[1:])
    given.only = _chosen("only", given.only, PARTS)
    given.corpora = _chosen("corpora", given.corpora, TARGETS)
    given.seeds = _seeds(given.seeds)
    check_writable(given.work, "work")
    check_writable(given.out.parent, "out")
    for name in given.only:
        title, part = PARTS[name]
        bench = Bench(given)
        text = part(bench)
        print(f"{title}\n\n{text}\n", flush=True)
        made = [f"    {_command(name, given)}", *sorted(bench.machines)]
        write_between(given.out, name, title, "\n\n".join((text, *made)))
    print(f"{given.out} holds these tables")


def _command(part: str, given: argparse.Namespace) -> str:
    """The command that makes a part as it was made now; the folder of 20 Newsgroups is anybody's own."""
    flags = [f"--only={part}"]
    default = _parser()
    if part != "stability" and given.seeds != _seeds(default.get_default("seeds")):
        flags.append(f"--seeds={','.join(map(str, given.seeds))}")
    if part == "targets" and given.corpora != list(TARGETS):
        flags.append(f"--corpora={','.join(given.corpora)}")
    if part == "targets" and given.ng20:
        flags.append("--ng20=FOLDER")
    for name in ("n_topic", "sweeps"):
        if getattr(given, name) != default.get_default(name):
            flags.append(f"--{name}={getattr(given, name)}")
    return f"python -m experiments.quality {' '.join(flags)}"


def _chosen(flag: str, text: str, known: dict[str, Any]) -> list[str]:
    """Names in the order of `known`."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            raise UserError(f"--{flag}={text}: {name!r} is not one of {', '.join(known)}")
    return [name for name in known if name in names]


def _seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds={text} must be whole numbers such as 1,2,3") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m experiments.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"parts to make, of {','.join(PARTS)} (default: all)")
    parser.add_argument("--corpora", default="", help=f"corpora of targets, of {','.join(TARGETS)} (default: all)")
    parser.add_argument("--seeds", default="1,2,3", help="seeds of every fit (default: %(default)s)")
    parser.add_argument("--ng20", default="", help="folder of 20 Newsgroups in the original ETM's format")
    parser.add_argument("--n_topic", type=int, default=50, help="topics (default: %(default)s)")
    parser.add_argument("--sweeps", type=int, default=SWEEPS, help="sweeps of LDA's sampler (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/quality.md"), help="document (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/quality"), help="folder that keeps the fits (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped="stopped; the same command goes on, with what is fitted so far"))
