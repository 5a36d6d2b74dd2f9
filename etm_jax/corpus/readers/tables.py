"""Tables to documents, one at a time: text with a separator between its columns, and workbooks of a spreadsheet."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.text_files import at_least_one, numbered_lines
from etm_jax.corpus.readers.workbook import workbook_rows
from etm_jax.corpus.types import Document
from etm_jax.util.csv_rows import Row, csv_rows, fields_of_line
from etm_jax.util.delimiter import separator_of
from etm_jax.util.errors import UserError

_OTHERWISE = "put a text that holds the separator in quotes, or give --delimiter"

TITLE_ROWS = 10
"""Rows among which the header is looked for where the first row is none, to name it."""


def read_table(
    path: Path, columns: Columns, encoding: str, delimiter: str = "", likely: str = ","
) -> Iterator[Document]:
    """A document a row, under a header that names the columns; of a table without one columns are numbers, from 1.

    delimiter: between columns; by default the one that `etm_jax.util.delimiter.separator_of` finds, at best `likely`.
    """

    def documents() -> Iterator[Document]:
        all_lines = (line for _, line in numbered_lines(path, encoding))
        separator, before, lines = separator_of(all_lines, delimiter, tuple(columns.flags), likely)
        rows = csv_rows(lines, str(path), separator, before, _OTHERWISE)

        def top() -> Iterator[Row]:
            # Each line by itself, since a title has fewer cells than the table below it.
            for number, line in islice(numbered_lines(path, encoding), TITLE_ROWS):
                yield from ((number, fields_of_line(line, sep)) for sep in {separator, ",", ";", "\t"})

        yield from _documents(rows, str(path), columns, top)

    return at_least_one(documents(), path)


def read_workbook(path: Path, columns: Columns) -> Iterator[Document]:
    """The same of the first sheet of an .xlsx file."""
    rows = workbook_rows(path)
    return at_least_one(_documents(rows, str(path), columns, lambda: islice(workbook_rows(path), TITLE_ROWS)), path)


def header_of_table(
    path: Path, encoding: str, delimiter: str = "", likely: str = ",", wanted: Sequence[str] = ()
) -> list[str]:
    """The cells of a table's first row; none of an empty file. wanted: columns that tell what separates them."""
    all_lines = (line for _, line in numbered_lines(path, encoding))
    separator, before, lines = separator_of(all_lines, delimiter, wanted, likely)
    return _cells(_first(csv_rows(lines, str(path), separator, before, _OTHERWISE)))


def header_of_workbook(path: Path) -> list[str]:
    """The same of the first sheet of an .xlsx file."""
    return _cells(_first(workbook_rows(path)))


def _first(rows: Iterator[Row]) -> Row | None:
    """The first row that is not blank."""
    return next((row for row in rows if any(cell.strip() for cell in row[1])), None)


def _cells(row: Row | None) -> list[str]:
    return [cell.strip() for cell in row[1]] if row else []


def _documents(
    rows: Iterator[Row], name: str, columns: Columns, top: Callable[[], Iterator[Row]]
) -> Iterator[Document]:
    """The documents of rows, of which the first may be a header. top: gives the first rows, to look for it there."""
    first = _first(rows)
    if first is None:
        return
    header = _cells(first)
    if _is_numbered(columns, header):
        header = [str(number) for number in range(1, len(header) + 1)]
        rows = chain([first], rows)
    if not columns.flags.keys() <= set(header):
        _check_no_title(name, columns, top())
    columns.check(header, name, "columns")
    if twice := next((one for one in columns.flags if header.count(one) > 1), None):
        raise UserError(f"{name} has {header.count(twice)} columns called {twice!r}; rename or remove all but one")
    of_text = [header.index(one) for one in columns.text]
    of_meta = {one: header.index(one) for one in columns.meta}
    of_id = header.index(columns.id) if columns.id else -1
    for number, (line, row) in enumerate(_without_blank_end(rows), start=1):
        if columns.id and not any(cell.strip() for cell in row):
            continue  # Such rows part sections of a spreadsheet; what has no name and nothing else is no document.
        text = columns.joined([row[place] for place in of_text])
        given = row[of_id].strip() if columns.id else ""
        called = columns.name_of(given, f"{name}, line {line}", line, number)
        yield Document(called, text, meta={one: row[place].strip() for one, place in of_meta.items()})


def _check_no_title(name: str, columns: Columns, top: Iterator[Row]) -> None:
    """Raise UserError where the columns that are wanted are in a row below the first."""
    for number, row in top:
        if columns.flags.keys() <= {cell.strip() for cell in row}:
            raise UserError(
                f"{name}, line {number}, has the names of the columns, and the first line has not: delete what is "
                "above it, such as a title"
            )


def _is_numbered(columns: Columns, header: Sequence[str]) -> bool:
    """Whether all columns are given by number, and the first row calls none so: it is then no header."""
    return all(one not in header and one.isdecimal() and 1 <= int(one) <= len(header) for one in columns.flags)


def _without_blank_end(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, without the blank ones after the last that is not: spreadsheets leave some."""
    blank: list[Row] = []
    for row in rows:
        if any(cell.strip() for cell in row[1]):
            yield from blank
            blank.clear()
            yield row
        else:
            blank.append(row)
