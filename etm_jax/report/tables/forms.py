"""One table in three forms: CSV, LaTeX (booktabs) and Markdown."""

import re
from pathlib import Path

from etm_jax.report.tables.latex import Table, latex, one_line
from etm_jax.util.tables import TableWriter

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$^&@])")


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


def markdown(table: Table) -> str:
    """The table with pipes, as GitHub and pandoc read it; numbers to the right."""
    columns = list(zip(*table.rows, strict=True)) or [("",)] * len(table.header)
    rule = ["---" if any(isinstance(cell, str) for cell in column) else "--:" for column in columns]
    cells = [[markdown_text(cell) if isinstance(cell, str) else str(cell) for cell in row] for row in table.rows]
    rows = [[markdown_text(cell) for cell in table.header], rule, *cells]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def markdown_text(text: str) -> str:
    """The text as a cell of a Markdown table: none of its characters is markup."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))
