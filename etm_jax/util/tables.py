"""Tables of results as CSV or TSV. Whatever text is in them, no spreadsheet takes a cell for a formula.

A formula in a cell can send a whole table elsewhere, or start a program. This is OWASP's advice on CSV injection:
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
from collections.abc import Iterable
from typing import TextIO

# Spreadsheets drop blanks and quotes before a formula, and read the wide forms of its first character like the narrow.
_FORMULA = re.compile(r"'*(?:[\t\r\n]|[\s\x00-\x1f\"\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class TableWriter:
    """Rows of a table, under its header. Every table that this package writes goes through here.

    Text, in the header too, is escaped by `spreadsheet_cell`; what is not text is written as it is. delimiter: a comma,
    or a tab for readers that know no quotes, as those of .tsv: then tabs and line ends in a cell become blanks.
    """

    def __init__(self, file: TextIO, header: Iterable[str], delimiter: str = ",") -> None:
        """file: opened with newline=""."""
        self._file, self._csv = file, csv.writer(file) if delimiter == "," else None
        self.write(header)

    def write(self, row: Iterable[object]) -> None:
        """Add a row."""
        cells = [spreadsheet_cell(cell) for cell in row]
        if self._csv is not None:
            self._csv.writerow(cells)
        else:
            self._file.write("\t".join(re.sub(r"[\t\r\n]", " ", str(cell)) for cell in cells) + "\n")


def spreadsheet_cell(value: object) -> object:
    """The value as a cell that no spreadsheet evaluates: text that begins like a formula gets an apostrophe before it.

    A number, and text that is one, such as -3, stays as it is. `cell_text` is the inverse.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value) or not _FORMULA.match(value):
        return value
    return f"'{value}"


def cell_text(cell: str) -> str:
    """The text that `spreadsheet_cell` made this cell of."""
    return cell[1:] if cell[:1] == "'" and spreadsheet_cell(cell[1:]) == cell else cell
