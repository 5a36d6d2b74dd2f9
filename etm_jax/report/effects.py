"""Writing the effects of metadata on the topics of a run: what `etm_jax.effects` does."""

import importlib.util
from pathlib import Path

import numpy as np

from etm_jax.corpus.sources import files_trained_on
from etm_jax.inference.predictor import names_of_topics, read_predictor
from etm_jax.metrics.topics import top_words
from etm_jax.report.effects_figure import write_figures
from etm_jax.report.page.strings import page_language
from etm_jax.report.tables.forms import write_table
from etm_jax.report.tables.latex import Cell, Table
from etm_jax.results.effects import Effect, Effects, Measured, estimate_effects, fitted_topics
from etm_jax.results.saved_run import read_measurable
from etm_jax.util.console import note, show, table
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable
from etm_jax.util.overlap import check_not_read
from etm_jax.util.own_files import replace_own_files

FOLDER, NAME = "effects", "effects"

SHOWN = 10
"""Differences that are printed."""


def write_effects(
    workdir: str,
    formula: str = "",
    output: str = "",
    *,
    method: str = "composition",
    draws: int = 0,
    level: float = 0.95,
    seed: int = 1,
    page_lang: str = "",
) -> None:
    """Estimate the effects of a formula in a run, print the largest, write all.

    workdir: of a finished run, or of a model that `ETM.save` wrote with its documents. formula: empty for the run's
    --prevalence. output: a folder; empty for effects in `workdir`. method, draws, level, seed: of `estimate_effects`.
    Raises UserError where something cannot be read, estimated or written.
    """
    place = Path(workdir).expanduser()
    run = read_measurable(place)
    asked = formula or run.record.config.model.prevalence
    if not asked:
        raise UserError(
            "--formula is missing, and the run has no --prevalence whose formula would be taken; give one, as "
            "--formula='~ source + s(date, 5)'"
        )
    target = Path(output).expanduser() if output else place / FOLDER
    check_writable(target, "output" if output else "workdir")
    inputs = [*(("--workdir", path) for path in run.folder.parts), *files_trained_on(run.record.config)]
    check_not_read([("--output", target)], inputs)
    documents = measured_run(workdir)
    found = estimate_effects(documents, asked, method=method, draws=draws, level=level, seed=seed)
    show(largest(found))
    with replace_own_files(target) as folder:
        write_table(folder, NAME, *effect_tables(found))
        about = "effects.csv, .tex and .md"
        if importlib.util.find_spec("matplotlib"):
            write_figures(found, page_language(page_lang, run.record.config.corpus.lang), folder)
            about += ", and pictures as .png and .svg"
        else:
            note("matplotlib is not installed, so there are no pictures; pip install 'etm_jax[figures]'")
    note(f"{target}: {about}")


def measured_run(workdir: str) -> Measured:
    """The documents of a run or saved model, with its topics. Raises UserError where they cannot be read."""
    run = read_measurable(Path(workdir).expanduser())
    model = read_predictor(workdir)
    if run.corpus.stream:
        note(f"of a folder of shards, the {len(run.corpus.train):,} documents in memory stand for all")
    beta = fitted_topics(model)
    words, documents = run.corpus.vocabulary.words, run.corpus.all_documents()
    names = topic_labels(run.model.beta, words, names_of_topics(model))
    return Measured(
        documents.counts, documents.meta, run.corpus.metadata, run.model.theta, names, beta, model.edit
    )  # fmt: skip


def topic_labels(beta: np.ndarray, words: list[str], names: tuple[str, ...]) -> list[str]:
    """Each topic's name, or its three most probable words where it has none."""
    own = (" ".join(words[j] for j in row) for row in top_words(beta, 3))
    return [name or three for name, three in zip(names, own, strict=True)]


def effect_tables(effects: Effects) -> tuple[Table, Table]:
    """The table as data, and as it is read, in percent with the intervals in brackets."""
    rows: list[list[Cell]] = [[_number(x) for x in row] for row in effects.rows()]
    read: list[list[Cell]] = [[row.topic, row.name, row.term, row.group, percent(row), row.n] for row in effects.rows()]
    return Table(Effect._fields, rows), Table(("topic", "name", "term", "group", "share (%)", "n"), read)


def percent(row: Effect) -> str:
    """`12.3 (10.1 to 14.5)`, with a sign for a difference."""
    sign = "+" if row.effect == "difference" else ""
    if np.isnan(row.low):
        return f"{100 * row.estimate:{sign}.1f}"
    return f"{100 * row.estimate:{sign}.1f} ({100 * row.low:{sign}.1f} to {100 * row.high:{sign}.1f})"


def largest(effects: Effects) -> str:
    """The differences that are clearest, as text: the furthest from 0 by the width of their interval."""

    def clearness(row: Effect) -> float:
        width = row.high - row.low
        return -abs(row.estimate) / width if width > 0 else 0.0

    rows = sorted((row for row in effects.rows() if row.effect == "difference"), key=clearness)[:SHOWN]
    cells = [(f"{row.topic} {row.name}", row.term, row.group, percent(row)) for row in rows]
    return table(cells, ("topic", "term", "difference", f"share in %, with {effects.level:.0%} intervals"), "<<<>")


def _number(value: object) -> Cell:
    if isinstance(value, float):
        return "" if np.isnan(value) else round(value, 6)
    assert isinstance(value, str | int)
    return value
