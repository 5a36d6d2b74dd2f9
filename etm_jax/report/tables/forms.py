"""One table in three forms: CSV, LaTeX (booktabs) and Markdown."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from etm_jax.util.tables import TableWriter

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$^&@])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

LONG = 40
"""Characters from which a column of text is set in lines of a fixed width in LaTeX."""


class Table(NamedTuple):
    """A table. Cells are text or numbers; header and each row have the same length."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]


def write_table(folder: Path, name: str, table: Table, shown: Table | None = None) -> None:
    """Write NAME.csv, NAME.tex and NAME.md to a folder.

    Parameters
    ----------
    folder : Path
        Exists.
    name : str
        Name of the files, without a suffix.
    table : Table
        What the CSV holds.
    shown : Table, optional
        What the other two hold, which are made to be read; the same where it is not given.
    """
    shown = table if shown is None else shown
    # The mark at the beginning lets Excel read Chinese.
    with (folder / f"{name}.csv").open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
        writer = TableWriter(file, table.header)
        for row in table.rows:
            writer.write(row)
    for suffix, text in ((".tex", latex(shown)), (".md", markdown(shown))):
        (folder / f"{name}{suffix}").write_text(text, encoding="utf-8", errors="replace")


def latex(table: Table) -> str:
    r"""The table as a tabular environment with the rules of booktabs, to be read by \input."""
    cells = [[_latex_cell(cell) for cell in row] for row in (table.header, *table.rows)]
    columns = "".join(map(_column, zip(*table.rows, strict=True))) if table.rows else "l" * len(table.header)
    lines = [" & ".join(row) + r" \\" for row in cells]
    return "\n".join(
        [
            r"% \usepackage{booktabs,textcomp}; with \usepackage[T1]{fontenc}, or for Chinese ctex and XeLaTeX",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def markdown(table: Table) -> str:
    """The table with pipes, as GitHub and pandoc read it; numbers to the right."""
    columns = list(zip(*table.rows, strict=True)) or [("",)] * len(table.header)
    rule = ["---" if any(isinstance(cell, str) for cell in column) else "--:" for column in columns]
    cells = [[markdown_text(cell) if isinstance(cell, str) else str(cell) for cell in row] for row in table.rows]
    rows = [[markdown_text(cell) for cell in table.header], rule, *cells]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def latex_text(text: str) -> str:
    """The text as LaTeX sets it: none of its characters is a command, a ligature or the end of a cell."""
    return "".join(_LATEX.get(c, c) for c in _line(text)).replace("--", "-{}-").replace("--", "-{}-")


def markdown_text(text: str) -> str:
    """The text as a cell of a Markdown table: none of its characters is markup."""
    return _MARKDOWN.sub(r"\\\1", _line(text))


def _latex_cell(cell: str | int | float) -> str:
    if isinstance(cell, str):
        return latex_text(cell)
    return f"${cell}$" if cell < 0 else str(cell)


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _column(cells: Sequence[object]) -> str:
    """The kind of a column in LaTeX."""
    if not any(isinstance(cell, str) for cell in cells):
        return "r"
    return r"p{0.4\linewidth}" if max(len(str(cell)) for cell in cells) > LONG else "l"
