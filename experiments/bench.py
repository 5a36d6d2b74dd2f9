"""What a part of `experiments.quality` is made with: fits and their figures, the goals, and the tables of both."""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from experiments.fits import NO_PYTHON, RIVALS, Figures, Fit, figures_of
from experiments.tables import markdown, mean_and_spread

Settings = dict[str, Any]

PAPER_EPOCHS = 30
"""Of `paper` here: its published thousand would take hours."""


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
    "c_v": Figure("C_V", ".3f", True),
    "c_npmi": Figure("C_NPMI", ".3f", True),
    "ppl_doc": Figure("ppl doc", ",.0f", False),
    "ppl_tok": Figure("ppl tok", ",.0f", False),
    "ppl_tok_fold": Figure("folded in", ",.0f", False),
    "used": Figure("used", ".0f", True),
    "small": Figure("small", ".0f", False),
    "common": Figure("common", ".2%", False),
    "purity": Figure("purity", ".3f", True),
    "nmi": Figure("NMI", ".3f", True),
    "purity_test": Figure("purity, test", ".3f", True),
    "nmi_test": Figure("NMI, test", ".3f", True),
    "lr": Figure("LR", ".3f", True),
    "stability": Figure("words in common", ".3f", True),
    "seconds": Figure("seconds", ".1f", False),
}


class Goal(NamedTuple):
    """What a figure is to reach. aim: further than that, or None. by: the model whose figure `least` is."""

    figure: str
    least: float
    aim: float | None = None
    by: str = ""


class Result(NamedTuple):
    """The figures of each seed, or why there are none."""

    rows: list[Figures]
    not_run: str = ""

    def has(self, figure: str) -> bool:
        """Whether the model was fitted and has such a figure."""
        return any(figure in row for row in self.rows)

    def mean(self, figure: str) -> float:
        """Over the seeds."""
        return statistics.fmean(row[figure] for row in self.rows)

    def shown(self, figure: str, form: str) -> str:
        """The mean and the spread; nothing where the model has no such figure."""
        values = [row[figure] for row in self.rows if figure in row]
        return mean_and_spread(values, form) if values else ""


class Bench:
    """What a part is made with.

    machines: those that its fits ran on. gaps: why figures are missing that another call would have.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.seeds: list[int] = given.seeds
        self.machines: set[str] = set()
        self.gaps: set[str] = set()

    def fits(self, model: str, corpus: Settings, num_topics: int = 0, seeds: Sequence[int] = ()) -> list[Fit]:
        """One for each seed; of `paper`, which takes long, the first alone."""
        seeds = seeds or (self.seeds[:1] if model == "paper" else self.seeds)
        settings = {"num_epochs": PAPER_EPOCHS} if model == "paper" else {}
        topics = num_topics or self.given.n_topic
        return [Fit(model, corpus, topics, seed, self.given.sweeps, settings) for seed in seeds]

    def labelled(self, model: str, name: str, num_topics: int = 0, seeds: Sequence[int] = ()) -> list[Fit]:
        """Of a corpus of `experiments.labelled`: one for each seed, of which the rivals have their own."""
        given, rival = self.given, model in RIVALS
        fits = self.fits(model, {"corpus": name}, num_topics, seeds or (given.rival_seeds if rival else ()))
        return [
            replace(fit, labelled=given.labelled, rival_python=given.rival_python, minutes=given.minutes)
            for fit in fits
        ]

    def results(self, cases: Sequence[list[Fit]]) -> list[Result]:
        """Of each case its fits' figures."""
        found = iter(figures_of([fit for fits in cases for fit in fits], self.given.work, self.given.kept_only))
        outcomes = []
        for fits in cases:
            rows = [next(found) for _ in fits]
            reasons = [row["not_run"] for row in rows if "not_run" in row]
            self.machines |= {row["machine"] for row in rows if "machine" in row}
            if reasons and (fits[0].model not in RIVALS or reasons[0].startswith(NO_PYTHON)):
                self.gaps.add(reasons[0])
            outcomes.append(Result([], reasons[0]) if reasons else Result(rows))
        return outcomes


def goal_row(title: str, goal: Goal, ours: Result) -> list[str]:
    """A row of `goal_table`."""
    figure, value = FIGURES[goal.figure], ours.mean(goal.figure)

    def judged(bound: float | None) -> tuple[str, str]:
        if bound is None:
            return "", ""
        reached = value >= bound if figure.rising else value <= bound
        return f"{'≥' if figure.rising else '≤'} {bound:{figure.form}}", "yes" if reached else "no"

    (least, reached), aim = judged(goal.least), judged(goal.aim)
    shown = ours.shown(goal.figure, figure.form)
    return [title, figure.heading, shown, least + (f" ({goal.by})" if goal.by else ""), reached, *aim]


def goal_table(rows: Sequence[list[str]]) -> str:
    """What was to be reached, and what was."""
    return markdown(rows, ("corpus", "figure", "ours", "at least", "reached", "aim", "reached"), "<<>>>>>")


def figure_rows(title: str, outcomes: Mapping[str, Result], figures: Sequence[str]) -> Iterator[list[str]]:
    """A row a model."""
    for model, result in outcomes.items():
        shown = [result.shown(name, FIGURES[name].form) for name in figures]
        yield [title, f"{model}, not run: {result.not_run}" if result.not_run else model, *shown]


def figure_table(first: str, rows: Sequence[list[str]], figures: Sequence[str], second: str = "model") -> str:
    """The table of `figure_rows`."""
    headings = [FIGURES[name].heading for name in figures]
    return markdown(rows, (first, second, *headings), "<<" + ">" * len(headings))
