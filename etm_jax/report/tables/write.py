"""The tables of a run: what `etm_jax.report --tables` writes."""

import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.metadata import Metadata, parse_date
from etm_jax.corpus.types import Documents
from etm_jax.metrics.group_shares import GroupTopic, group_topics, grouped
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topic_tree import alike, ward_links
from etm_jax.metrics.topics import WORDS_SHOWN, representative_documents, top_words
from etm_jax.report.page.branches import hierarchy_of
from etm_jax.report.page.contents import DOCUMENTS
from etm_jax.report.tables.forms import write_table
from etm_jax.report.tables.latex import Table
from etm_jax.results.run import Run
from etm_jax.util.console import note

MOST_GROUPS = 200
"""Values of a field of which a table is written."""

QUOTES = 3
"""Documents that are quoted for each topic."""

PLAUSIBLE_YEARS = range(1800, 2200)
"""Years of dates, as against other numbers of four digits or more."""

EXCERPT = 160
"""Characters of a quotation, about."""


def write_tables(run: Run, shown: dict[str, Any], folder: Path) -> None:
    """Write the tables of a run, each as CSV, LaTeX and Markdown.

    Parameters
    ----------
    run : Run
    shown : dict
        The data of its page, of `etm_jax.report.page.contents`.
    folder : Path
        Empty.
    """
    documents, theta = run.corpus.all_documents(), run.model.theta
    names = [
        topic["name"] or " ".join(shown["words"]["text"][j] for j in topic["words"][:3]) for topic in shown["topics"]
    ]
    write_table(folder, "topics", topics_table(run, shown, names))
    write_table(folder, "similar_topics", similar_topics(shown, names))
    write_table(folder, "topic_tree", topic_tree(run.model.beta, run.model.alpha))
    write_table(folder, "branches", branches_table(run, shown))
    if shown["moving"]:
        write_table(folder, "topics_over_time", topics_over_time(shown, names))
    write_table(folder, "quotes", quotes(run, shown, documents, theta, names))
    taken = {"period"}
    for column in run.corpus.metadata.columns:
        if column.kind != "category":
            continue
        levels, group = grouped(documents.meta[column.name])
        if len(levels) > MOST_GROUPS:
            note(f"--tables: field {column.name!r} has {len(levels):,} values; no table is written above {MOST_GROUPS}")
            continue
        both = topics_by(theta, documents.counts, levels, group, names, column.name)
        name = file_name(column.name, taken)
        taken.add(name.casefold())
        write_table(folder, f"topics_by_{name}", *both)
    if shown["time"]:
        levels, group = shown["time"]["bins"], np.array(shown["period_of_document"])
        both = topics_by(theta, documents.counts, levels, group, names, shown["time"]["unit"])
        write_table(folder, "topics_by_period", *both)
    else:
        say_where_dates_are(documents, run.corpus.metadata)


def say_where_dates_are(documents: Documents, metadata: Metadata) -> None:
    """Say why there is no table by period, where a field has dates."""
    for column in metadata.columns:
        given = [value for value in documents.meta[column.name] if value.strip()]
        dates = [date for date in map(parse_date, given) if date and date.year in PLAUSIBLE_YEARS]
        if 2 * len(dates) < max(len(given), 1):
            continue
        if len(set(dates)) == 1:
            why = f"field {column.name!r} has one date alone, {dates[0]}"
        else:
            why = f"--date_field={column.name} would read {len(dates):,} of {len(given):,} values as dates"
        note(f"--tables: no table by period: {why}")


def topics_table(run: Run, shown: dict[str, Any], names: Sequence[str]) -> Table:
    """Topics with their share, coherence, and ten words by probability and by relevance."""
    words = run.corpus.vocabulary.words
    probable = top_words(run.model.beta, WORDS_SHOWN)
    relevant = relevant_words(run.model.beta, run.corpus.vocabulary.term_freq, WORDS_SHOWN)
    rows: list[list[str | int | float]] = [
        [k, name, topic["share"], round(topic["npmi"], 4), *(" ".join(words[j] for j in row) for row in both)]
        for k, (name, topic, *both) in enumerate(zip(names, shown["topics"], probable, relevant, strict=True))
    ]
    return Table(("topic", "name", "share", "npmi", "words_by_probability", "words_by_relevance"), rows)


def topics_by(
    theta: np.ndarray,
    counts: sp.csr_matrix,
    levels: Sequence[str],
    group: np.ndarray,
    names: Sequence[str],
    field: str,
) -> tuple[Table, Table]:
    """Shares of topics in groups of documents: in rows of one topic and group, and as topics × groups to be read.

    theta: [D, K]; counts: [D, V]; levels: names of the groups; group: [D] places among them, −1 for a document without
    one; names: of the topics; field: what the groups are values of.
    """
    tokens = np.asarray(counts.sum(axis=1)).ravel()
    found = group_topics(theta, tokens, group, levels, names)
    rows = [[_cell(value) if isinstance(value, float) else value for value in row] for row in found]
    header = tuple(field if column == "group" else column for column in GroupTopic._fields)
    of_topic = [found[k * len(levels) : (k + 1) * len(levels)] for k in range(len(names))]
    wide: list[list[str | int | float]] = [
        [k, name, *(_percent(row.share, row.share_low, row.share_high) for row in of_topic[k])]
        for k, name in enumerate(names)
    ]
    heads = [f"{row.group}\n(n = {row.documents:,})" for row in of_topic[0]]
    return Table(header, rows), Table(("topic", "name", *heads), wide, stub=2)


def similar_topics(shown: dict[str, Any], names: Sequence[str]) -> Table:
    """The topics that are most like each topic, by the overlap of their words (Bhattacharyya's coefficient)."""
    rows = [
        [k, names[k], other, names[other], overlap_of]
        for k, topic in enumerate(shown["topics"])
        for other, overlap_of in topic["similar"]
    ]
    return Table(("topic", "name", "similar_topic", "similar_name", "overlap"), rows)


def topic_tree(beta: np.ndarray, alpha: np.ndarray | None = None) -> Table:
    """The tree of topics as merges, as R's hclust and scipy's linkage have them.

    Node k below K is topic k; node K + i is what row i makes of the nodes left and right. height: their distance in
    Ward's clustering of the directions of α less its mean, or of √β where there is no α. topics: leaves below the new
    node.
    """
    num_topics = len(beta)
    rows = [
        [num_topics + i, int(left), int(right), round(float(height), 6), int(size)]
        for i, (left, right, height, size) in enumerate(ward_links(alike(beta, alpha)))
    ]
    return Table(("node", "left", "right", "height", "topics"), rows)


def topics_over_time(shown: dict[str, Any], names: Sequence[str]) -> Table:
    """The words of topics that move in the first, the middle and the last period."""
    moving, words = shown["moving"], shown["words"]["text"]
    last = len(moving["periods"]) - 1
    chosen = list(dict.fromkeys((0, last // 2, last)))
    rows: list[list[str | int | float]] = [
        [k, name, *(" ".join(words[topic["words"][i]] for i in topic["at"][t]) for t in chosen)]
        for k, (name, topic) in enumerate(zip(names, moving["topics"], strict=True))
    ]
    return Table(("topic", "name", *(moving["periods"][t] for t in chosen)), rows)


def branches_table(run: Run, shown: dict[str, Any]) -> Table:
    """The branches of the tree of topics where the page cuts it, largest first: node, name, share, topics, words."""
    topics = shown["topics"]
    share = np.array([topic["share"] for topic in topics])
    names = {k: topic["name"] for k, topic in enumerate(topics)}
    found = hierarchy_of(run, share, names).at(shown["similarity"]["cut"])
    rows: list[list[str | int | float]] = [
        [node.node, node.name, round(node.share, 6), " ".join(map(str, node.topics)), " ".join(node.words)]
        for node in sorted(found, key=lambda node: -node.share)
    ]
    return Table(("branch", "name", "share", "topics", "words_by_relevance"), rows)


def quotes(run: Run, shown: dict[str, Any], documents: Documents, theta: np.ndarray, names: Sequence[str]) -> Table:
    """Documents that show each topic best, with a passage of their text around the topic's words. theta: [D, K]."""
    field = run.record.config.corpus.title_field
    titles = documents.meta.get(field, [""] * len(documents.ids))
    represent = representative_documents(theta, documents.counts, DOCUMENTS)
    rows: list[list[str | int | float]] = [
        [k, names[k], documents.ids[i], titles[i], round(float(theta[i, k]), 4), excerpt(found["parts"])]
        for k, topic in enumerate(shown["topics"])
        for i, found in list(zip(represent[k], topic["documents"], strict=True))[:QUOTES]
    ]
    return Table(("topic", "name", "document", "title", "theta", "excerpt"), rows)


def excerpt(parts: Sequence[str], length: int = EXCERPT) -> str:
    """The passage of about `length` characters that holds most marked words; the earliest of several.

    parts: a text in parts, the second, fourth, … of which are marked. An ellipsis stands where the text goes on. A
    passage of words with blanks between them is not cut within a word.
    """
    text = "".join(parts)
    if len(text) <= length:
        return " ".join(text.split())
    ends = np.cumsum([len(part) for part in parts])
    marks = [(int(ends[i]) - len(parts[i]), int(ends[i])) for i in range(1, len(parts), 2)] or [(0, 0)]
    held = [sum(low >= start and high <= start + length for low, high in marks) for start, _ in marks]
    first = marks[int(np.argmax(held))][0]
    last = max([high for _, high in marks if high <= first + length], default=first)
    start = max(0, min((first + last - length) // 2, len(text) - length))
    end = start + length
    if start and (blank := re.compile(r"\s").search(text, start, min(start + 20, first))):
        start = blank.end()
    if end < len(text) and (blank_at := max(text.rfind(" ", last, end), text.rfind("\n", last, end))) > 0:
        end = blank_at
    passage = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{passage}{'…' if end < len(text) else ''}"


def file_name(field: str, taken: Collection[str] = ()) -> str:
    """The name of a field as part of a file's name: letters and digits of any script, `_` for the rest.

    taken: names in lower case that other files have already; the name gets `_` at its end until it is another one.
    """
    name = re.sub(r"\W", "_", field)[:60] or "_"
    while name.casefold() in taken:
        name += "_"
    return name


def _cell(value: float) -> float | str:
    return "" if math.isnan(value) else round(float(value), 6)


def _percent(mean: float, low: float, high: float) -> str:
    """`12.3 (10.1–14.5)`, in percent."""
    if math.isnan(mean):
        return ""
    interval = "" if math.isnan(low) else f" ({100 * low:.1f}–{100 * high:.1f})"
    return f"{100 * mean:.1f}{interval}"
