"""Workbooks of a spreadsheet: the first sheet of an .xlsx file as rows of text."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etm_jax.corpus.readers.decode import MAX_DOCUMENT
from etm_jax.corpus.readers.text_files import whole_characters
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import check_archive


def workbook_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet, each with its number: numbers and dates as text, formulas as what they last gave.

    Raises UserError where the file is no workbook, or unpacks to far more than one does.
    """
    require("openpyxl", "xlsx", f"reading {path.name}")
    import openpyxl

    try:
        check_archive(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            width = 0
            for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
                row = [_text(cell, path, number) for cell in cells]
                if any(row):
                    width = width or len(row)
                    row = [*row, *[""] * (width - len(row))]
                    if any(row[width:]):
                        raise UserError(
                            f"{path}, row {number}, has {len(row)} cells where the first row has {width}; name all "
                            "columns there"
                        )
                yield number, row[:width]
        finally:
            book.close()
    except UserError:
        raise
    except Exception as error:  # On arbitrary bytes the package raises any.
        raise UserError(f"{path} cannot be read as a workbook ({error}); save it as .xlsx or .csv again") from error


def _text(cell: Any, path: Path, number: int) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time()
        return str(cell.date()) if midnight else cell.isoformat(" ", "seconds")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    text = str(cell)
    if len(text) > MAX_DOCUMENT:
        raise UserError(f"{path}, row {number}, has a cell of more than {MAX_DOCUMENT:,} characters; part its text")
    return whole_characters(text)
