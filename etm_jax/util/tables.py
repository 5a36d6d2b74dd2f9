"""Tables of results as CSV or TSV. Whatever text is in them, no spreadsheet takes a cell for a formula.

A formula in a cell can send a whole table elsewhere, or start a program. This is OWASP's advice on CSV injection:
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

# Spreadsheets drop blanks and quotes before a formula, and read the wide forms of its first character like the narrow.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\x00-\x1f\"\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫])")
_QUOTED = re.compile('["\r\n]')
_PLAIN_CELLS = re.compile(r"""(?:[^\W_][^",\r\n]*\n)*""")
"""Cells, each with an end of line, that begin with a letter or digit and hold nothing that would be quoted."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class TableWriter:
    """Rows of a table, under its header. Every table that this package writes goes through here.

    Text, in the header too, is escaped by `spreadsheet_cell`; what is not text is written as it is. delimiter: a comma,
    or a tab for readers that know no quotes, as those of .tsv: then tabs and line ends in a cell become blanks.
    """

    def __init__(self, file: TextIO, header: Iterable[str], delimiter: str = ",") -> None:
        """file: opened with newline=""."""
        self._file, self._delimiter, self._csv = file, delimiter, csv.writer(_Line())
        self._end = "\r\n" if delimiter == "," else "\n"
        self.write(header)

    def write(self, row: Iterable[object], numbers: str = "", more: Collection[object] = ()) -> None:
        """Add a row. numbers: cells between `row` and `more` that are joined by the delimiter already."""
        line = self._joined(row)
        if numbers:
            # A cell before them, as an empty one alone would get quotes.
            line += self._delimiter + numbers + (self._joined([0, *more])[1:] if more else "")
        self._file.write(line + self._end)

    def write_columns(
        self, columns: Sequence[Sequence[str]], numbers: Sequence[str], more: Sequence[Sequence[str]] = ()
    ) -> None:
        """Add rows at once, D of them by their columns. columns and more: D cells of each column; numbers: D, as of
        `write`.
        """
        cells = [*map(self._escaped, columns), numbers, *map(self._escaped, more)]
        lines = [*map(self._delimiter.join, zip(*cells, strict=True)), ""]
        self._file.write(self._end.join(lines))

    def _escaped(self, column: Sequence[str]) -> Sequence[str]:
        """The cells as they stand in a row of several."""
        if self._delimiter == ",":
            # Most columns need nothing, which one look at all cells together tells.
            together = "\n".join([*column, ""])
            if together.count("\n") == len(column) and _PLAIN_CELLS.fullmatch(together):
                return column
        return [self._joined([0, cell])[2:] for cell in column]

    def _joined(self, row: Iterable[object]) -> str:
        cells = [spreadsheet_cell(cell) for cell in row]
        if self._delimiter == ",":
            # Of most cells nothing has to be quoted, and joining them takes a third of csv's time.
            plain = ",".join([cell if isinstance(cell, str) else str(cell) for cell in cells])
            if cells and None not in cells and plain.count(",") == len(cells) - 1 and not _QUOTED.search(plain):
                return plain or '""'
            return str(self._csv.writerow(cells)).removesuffix("\r\n")
        return "\t".join(re.sub(r"[\t\r\n]", " ", str(cell)) for cell in cells)


class _Line:
    """What a csv.writer writes to, to give back its line."""

    def write(self, line: str) -> str:
        return line


def spreadsheet_cell(value: object) -> object:
    """The value as a cell that no spreadsheet evaluates: text that begins like a formula gets an apostrophe before it.

    A number, and text that is one, such as -3, stays as it is. `cell_text` is the inverse.
    """
    # Most cells are numbers, and no formula begins like them.
    if not isinstance(value, str) or value[:1].isalnum():
        return value
    if _NUMBER.fullmatch(value) or not _FORMULA.match(value):
        return value
    return f"'{value}"


def cell_text(cell: str) -> str:
    """The text that `spreadsheet_cell` made this cell of."""
    return cell[1:] if cell[:1] == "'" and spreadsheet_cell(cell[1:]) == cell else cell
