"""Parts of `experiments.quality` on labelled corpora: ours and LDA beside other people's models."""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from etm_jax.metrics.stability import matched_overlap
from experiments.bench import FIGURES, Bench, Goal, Result, figure_rows, figure_table, goal_row, goal_table
from experiments.fits import NOT_FITTED, RIVALS, Fit
from experiments.labelled import SETS
from experiments.tables import markdown

MAIN = ("tc", "tc_test", "td", "tq", "ppl_tok", "ppl_tok_fold", "purity", "nmi", "lr", "small", "seconds")
MORE = ("c_v", "c_npmi", "common", "purity_test", "nmi_test")
SUMMARY = ("tq", "nmi", "ppl_tok")
"""Figures of all rows, those of a second table, and those of the first, of a cell for each model and corpus."""

STABILITY_SEEDS = (1, 2, 3, 4, 5)
STABLE, STABLE_AIM, STABLE_FROM = 0.65, 0.75, 20_000
"""The share of words that five seeds are to have in common, on corpora of more words of running text than the last."""

MANY, MANY_ON = 200, "octis_BBC_News"
"""Topics, and the corpus that so many are too many for."""

MISSING = Result([], "give --labelled=FOLDER")


class Bars(NamedTuple):
    """What is to be reached on a labelled corpus. ratio: of our perplexity to LDA's folded in, the most.

    fixed: goals as they are. above: figures that LDA sets. led: figures that are to be above those of LDA, BERTopic and
    FASTopic. lead: how far NMI is to be above the best of all others. aims: figures to be above all others'.
    """

    fixed: tuple[Goal, ...] = ()
    above: tuple[str, ...] = ()
    ratio: float = 0
    led: tuple[str, ...] = ()
    lead: float = 0
    aims: tuple[str, ...] = ()


_HEADLINES = Bars(above=("tc", "tq"), ratio=0.85, led=("nmi", "purity"), lead=1.1)

BARS = {
    "infoctm_ECNews_cn": _HEADLINES,
    "infoctm_ECNews_en": _HEADLINES,
    "ecrtm_AGNews": _HEADLINES,
    "octis_BBC_News": Bars(
        (Goal("tq", 0.20), Goal("ppl_tok", 880), Goal("nmi", 0.50), Goal("purity", 0.91)), aims=("nmi", "purity")
    ),
    "ecrtm_20NG": Bars((Goal("tq", 0.19, 0.23), Goal("nmi", 0.48)), above=("td",)),
}
"""By corpus; New York Times has none."""

FEW_SMALL, FEW_SMALL_OF_MANY = Goal("small", 2, 0), Goal("small", 20, 0)

LEADERS = ("lda", "bertopic", "bertopic_kmeans", "fastopic")


def part_labels(bench: Bench) -> str:
    """Ours, LDA and the rivals on every labelled corpus, and what was to be reached."""
    models = {"default": "ours", "lda": "LDA", **{name: RIVALS[name] for name in bench.given.rivals}}
    many = f"{SETS[MANY_ON]}, K = {MANY}"
    found = _results(bench, models)
    figures: list[list[str]] = []
    more: list[list[str]] = []
    goals: list[list[str]] = []
    for name in bench.given.sets:
        title = SETS[name]
        tried = {model: result for model, result in found[name].items() if result.not_run != NOT_FITTED}
        shown = {_noted(models[model], result): result for model, result in tried.items()}
        figures += figure_rows(title, shown, MAIN)
        more += figure_rows(title, {model: result for model, result in shown.items() if result.rows}, MORE)
        ours = found[name]["default"]
        if ours.rows:
            goals += [goal_row(title, goal, ours) for goal in goals_of(BARS.get(name, Bars()), found[name])]
    if MANY_ON in bench.given.sets:
        at_many = _many(bench)
        figures += figure_rows(many, {models[model]: result for model, result in at_many.items()}, MAIN)
        if at_many["default"].rows:
            goals.append(goal_row(many, FEW_SMALL_OF_MANY, at_many["default"]))
    looked_up = {
        SETS[name]: result.rows[0]["looked_up_in"]
        for name, by_model in found.items()
        for result in by_model.values()
        if result.has("looked_up_in")
    }
    tables = [figure_table("corpus", figures, MAIN), figure_table("corpus", more, MORE), goal_table(goals)]
    return "\n\n".join([summary(found, models), *tables, *_sources(looked_up)])


def _results(bench: Bench, models: Mapping[str, str]) -> dict[str, dict[str, Result]]:
    """By corpus and model."""
    if not bench.given.labelled:
        bench.gaps.add(MISSING.not_run)
        return {name: {"default": MISSING, "lda": MISSING} for name in bench.given.sets}
    outcomes = iter(bench.results([bench.labelled(model, name) for name in bench.given.sets for model in models]))
    return {name: {model: next(outcomes) for model in models} for name in bench.given.sets}


def summary(found: Mapping[str, Mapping[str, Result]], models: Mapping[str, str]) -> str:
    """A row a model, a column a corpus, and in a cell the figures of `SUMMARY`; LDA's perplexity is folded in.

    A dash is for what a model does not have, and for a model that was not fitted.
    """
    headings = " / ".join(FIGURES[name].heading for name in SUMMARY)
    rows = []
    for model, title in models.items():
        cells = []
        for by_model in found.values():
            result = by_model.get(model, MISSING)
            names = [f"{name}_fold" if result.has(f"{name}_fold") else name for name in SUMMARY]
            shown = [format(result.mean(name), FIGURES[name].form) if result.has(name) else "–" for name in names]
            cells.append(" / ".join(shown) if result.rows else "–")
        rows.append([title, *cells])
    table = markdown(rows, ("model", *(SETS[name] for name in found)), "<" + ">" * len(found))
    return f"In a cell: {headings}.\n\n{table}"


def _many(bench: Bench) -> dict[str, Result]:
    """Ours and LDA with too many topics."""
    models = ("default", "lda")
    if not bench.given.labelled:
        return dict.fromkeys(models, MISSING)
    cases = [bench.labelled(model, MANY_ON, MANY) for model in models]
    return dict(zip(models, bench.results(cases), strict=True))


def _noted(model: str, result: Result) -> str:
    """The model's name, with where it was stopped, and how many topics it found where it was free to."""
    row = result.rows[0] if result.rows else {}
    notes = [f"stopped after {row['stopped']}"] if "stopped" in row else []
    if "found" in row and row["found"] != row["asked"]:
        notes.append(f"{row['found']} topics")
    return ", ".join([model, *notes])


def _sources(looked_up: Mapping[str, str]) -> list[str]:
    """What the words were looked up in for C_V and C_NPMI."""
    told = {"windows": "sliding windows of text", "documents": "whole documents, as no text is there"}
    by_kind = {kind: [title for title, found in looked_up.items() if found == kind] for kind in told}
    parts = [f"{told[kind]}: {', '.join(titles)}" for kind, titles in by_kind.items() if titles]
    return [f"C_V and C_NPMI are of {'; of '.join(parts)}."] if parts else []


def goals_of(bars: Bars, found: Mapping[str, Result]) -> list[Goal]:
    """What is to be reached, beside these figures of the others. A model that was not run sets nothing."""
    lda = found["lda"]
    others = {name: result for name, result in found.items() if name != "default" and result.rows}
    goals = list(bars.fixed)
    if lda.rows:
        goals += [Goal(figure, lda.mean(figure), by="LDA") for figure in bars.above]
        if bars.ratio:
            goals.append(Goal("ppl_tok", bars.ratio * lda.mean("ppl_tok_fold"), by=f"{bars.ratio:g} LDA, folded in"))
    for figure in bars.led:
        if leaders := {name: others[name] for name in LEADERS if name in others}:
            least, by = _best(leaders, figure)
            aim = bars.lead * _best(others, figure)[0] if bars.lead and figure == "nmi" else None
            goals.append(Goal(figure, least, aim, by))
    for i, goal in enumerate(goals):
        if goal.figure in bars.aims and others:
            goals[i] = goal._replace(aim=_best(others, goal.figure)[0])
    return [*goals, FEW_SMALL]


def _best(models: Mapping[str, Result], figure: str) -> tuple[float, str]:
    """The highest figure, and what tables call its model."""
    name = max(models, key=lambda model: models[model].mean(figure))
    return models[name].mean(figure), RIVALS.get(name, "LDA")


def topic_table(bench: Bench, fits: list[Fit]) -> str:
    """Every topic of one fit."""
    (result,) = bench.results([fits])
    if result.not_run:
        return f"not run: {result.not_run}"
    topics = enumerate(result.rows[0]["topics"], start=1)
    rows = [(number, f"{share:.1%}", f"{npmi:.2f}", words) for number, (share, npmi, words) in topics]
    return markdown(rows, ("", "share", "NPMI", "words"), ">>><")


def part_topics_ecnews(bench: Bench) -> str:
    """Every topic of the first seed on Chinese headlines."""
    if not bench.given.labelled:
        bench.gaps.add(MISSING.not_run)
        return f"not run: {MISSING.not_run}"
    return topic_table(bench, bench.labelled("default", "infoctm_ECNews_cn")[:1])


def stability_tables(bench: Bench, cases: Mapping[str, Mapping[str, list[Fit]]]) -> str:
    """How far five seeds find the same topics: of `cases`, by title and model, and of the labelled corpora."""
    found = {title: dict(zip(fits, bench.results(list(fits.values())), strict=True)) for title, fits in cases.items()}
    for name in bench.given.sets:
        title = SETS[name]
        if bench.given.labelled:
            fits = [bench.labelled(model, name, seeds=STABILITY_SEEDS) for model in ("lda", "default")]
            found[title] = dict(zip(("lda", "default"), bench.results(fits), strict=True))
        else:
            found[title] = {"lda": MISSING, "default": MISSING}
            bench.gaps.add(MISSING.not_run)
    rows, goals = [], []
    for title, by_model in found.items():
        for model, result in by_model.items():
            name = "ours" if model == "default" else "LDA"
            if result.not_run:
                rows.append([title, f"{name}, not run: {result.not_run}", "", "", ""])
                continue
            pairs = _overlaps(result)
            shares = (pairs.mean(), pairs.mean(axis=1).min(), (pairs >= 0.5).mean())
            rows.append([title, name, *(f"{share:.3f}" for share in shares)])
            if model == "default" and result.mean("tokens") > STABLE_FROM:
                goals.append(
                    goal_row(title, Goal("stability", STABLE, STABLE_AIM), Result([{"stability": pairs.mean()}]))
                )
    header = (
        "corpus",
        "model",
        "words in common",
        "of the two seeds most unlike",
        "topics with half their words in common",
    )
    return f"{markdown(rows, header, '<<>>>')}\n\n{goal_table(goals)}"


def _overlaps(result: Result) -> np.ndarray:
    """Shares of words in common: [pairs of seeds, K]."""
    words = [np.array([topic.split() for _, _, topic in row["topics"]]) for row in result.rows]
    return np.array([matched_overlap(a, b) for a, b in combinations(words, 2)])
