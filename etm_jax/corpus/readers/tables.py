"""Tables to documents, one at a time: text with a separator between its columns, and workbooks of a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.decode import MAX_DOCUMENT
from etm_jax.corpus.readers.text_files import at_least_one, numbered_lines
from etm_jax.corpus.readers.workbook import workbook_rows
from etm_jax.corpus.types import Document
from etm_jax.util.delimiter import separator_of
from etm_jax.util.errors import UserError

Row = tuple[int, list[str]]
"""The number of the line, or of the row of a sheet, that it begins on, and its cells."""


def read_table(
    path: Path, columns: Columns, encoding: str, delimiter: str = "", likely: str = ","
) -> Iterator[Document]:
    """A document a row, under a header that names the columns; of a table without one columns are numbers, from 1.

    delimiter: between columns; by default the one that `etm_jax.util.delimiter.separator_of` finds, at best `likely`.
    """

    def documents() -> Iterator[Document]:
        all_lines = (line for _, line in numbered_lines(path, encoding))
        separator, before, lines = separator_of(all_lines, delimiter, tuple(columns.flags), likely)
        yield from _documents(csv_rows(lines, str(path), separator, before), str(path), columns)

    return at_least_one(documents(), path)


def read_workbook(path: Path, columns: Columns) -> Iterator[Document]:
    """The same of the first sheet of an .xlsx file."""
    return at_least_one(_documents(workbook_rows(path), str(path), columns), path)


def csv_rows(lines: Iterable[str], name: str, delimiter: str = ",", before: int = 0) -> Iterator[Row]:
    """The rows of a table, the header first; blank lines are none. before: lines of the file that came before these.

    Raises UserError, which calls the file `name`, for broken quotes, for a field longer than `MAX_DOCUMENT` and for
    a row with more or fewer fields than the first.
    """
    # The limit belongs to the whole process: it is only ever raised here.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_DOCUMENT))
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    width = 0
    while True:
        number = before + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{name}, line {number}, is not a row of a table: {error}; a field that holds a quote or the separator "
                'stands in quotes, and quotes inside it are doubled ("")'
            ) from error
        if not row or (len(row) == 1 and width != 1 and not row[0].strip()):
            continue
        width = width or len(row)
        if len(row) != width:
            raise UserError(
                f"{name}, line {number}, has {len(row)} fields where the header has {width}; "
                "put a text that holds the separator in quotes, or give --delimiter"
            )
        yield number, row


def _documents(rows: Iterator[Row], name: str, columns: Columns) -> Iterator[Document]:
    """The documents of rows, of which the first may be a header."""
    first = next((row for row in rows if any(cell.strip() for cell in row[1])), None)
    if first is None:
        return
    header = [cell.strip() for cell in first[1]]
    if _is_numbered(columns, header):
        header = [str(number) for number in range(1, len(header) + 1)]
        rows = chain([first], rows)
    columns.check(header, name, "columns")
    if twice := next((one for one in columns.flags if header.count(one) > 1), None):
        raise UserError(f"{name} has {header.count(twice)} columns called {twice!r}; rename or remove all but one")
    of_text = [header.index(one) for one in columns.text]
    of_meta = {one: header.index(one) for one in columns.meta}
    of_id = header.index(columns.id) if columns.id else -1
    for number, (line, row) in enumerate(_without_blank_end(rows), start=1):
        text = columns.joined([row[place] for place in of_text])
        if not (columns.keep_blank or text.strip()):
            continue
        called = row[of_id].strip() if columns.id else str(line if columns.by_line else number)
        if not called:
            raise UserError(
                f"{name}, line {line}, has no {columns.id}, which --id_field names the documents by; give it one"
            )
        yield Document(called, text, meta={one: row[place].strip() for one, place in of_meta.items()})


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
