"""Lines that carry a label: `label⇥text` of THUCNews and cnews, and `name label text` of MALLET's import-file."""

import re
from collections.abc import Iterator
from pathlib import Path

from etm_jax.corpus.readers.text_files import at_least_one, numbered_lines
from etm_jax.corpus.types import Document
from etm_jax.util.errors import UserError

LABEL = "label"
"""The metadata field that holds it."""

_MALLET = re.compile(r"(\S+)[\s,]+(\S+)[\s,]+(.*)")
"""MALLET's own --line-regex, but for lines that lack a part, which it takes as blank."""

_MOST_LABEL = 40
"""Characters of a label where it is to be recognized."""


def read_label_text(path: Path, encoding: str) -> Iterator[Document]:
    """A document a line, `label⇥text`, whose id is the number of the line and whose `meta` holds the label.

    Blank lines are no documents. Raises UserError for a line without a tab.
    """

    def documents() -> Iterator[Document]:
        for number, line in numbered_lines(path, encoding):
            label, tab, text = line.partition("\t")
            if not line.strip():
                continue
            if not tab:
                raise UserError(
                    f"{path}, line {number}, has no tab between its label and its text; correct that line, or give "
                    "--form=lines where lines have no labels"
                )
            yield Document(str(number), text, meta={LABEL: label.strip()})

    return at_least_one(documents(), path)


def read_mallet(path: Path, encoding: str) -> Iterator[Document]:
    """A document a line, `name label text` with blanks, tabs or commas between, as MALLET's import-file reads them.

    Its id is its name. Blank lines are no documents. Raises UserError for a line without a name and a label.
    """

    def documents() -> Iterator[Document]:
        for number, line in numbered_lines(path, encoding):
            if not line.strip():
                continue
            # With the blank a line of a name and a label has a text, an empty one.
            parts = _MALLET.fullmatch(line.strip() + " ")
            if parts is None:
                raise UserError(
                    f"{path}, line {number}, is not a name, a label and a text with blanks or tabs between; correct "
                    "that line, or give --form=lines where each line is a text"
                )
            yield Document(parts[1], parts[3].strip(), meta={LABEL: parts[2]})

    return at_least_one(documents(), path)


def looks_label_text(lines: list[str]) -> bool:
    """Whether lines that are not blank each are a short label, which repeats, a tab and a longer text."""
    rows = [line.split("\t") for line in lines]
    if len(rows) < 4 or any(len(row) != 2 for row in rows):
        return False
    labels = [row[0].strip() for row in rows]
    return _repeat(labels) and sum(len(text) for _, text in rows) > 2 * sum(map(len, labels))


def looks_mallet(lines: list[str]) -> bool:
    """Whether lines that are not blank each are a name of their own, a label that repeats and a text, by tabs.

    With blanks between them they cannot be told from text.
    """
    rows = [line.split("\t", 2) for line in lines]
    if len(rows) < 4 or any(len(row) != 3 for row in rows):
        return False
    names = [row[0] for row in rows]
    return (
        len(set(names)) == len(names) and all(_is_label(name) for name in names) and _repeat([row[1] for row in rows])
    )


def _repeat(labels: list[str]) -> bool:
    return all(map(_is_label, labels)) and 2 * len(set(labels)) <= len(labels)


def _is_label(text: str) -> bool:
    return 0 < len(text) <= _MOST_LABEL and not re.search(r"\s", text)
