"""Files to documents, one at a time. Every reader raises UserError where there is not one document."""

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from etm_jax.corpus.readers.decode import MAX_DOCUMENT, decode_lines, open_binary
from etm_jax.corpus.types import Document
from etm_jax.util.errors import UserError

_HALF = re.compile("[\ud800-\udfff]")

NAMES_SHOWN = 20
"""Of the columns of a table, or the keys of an object, in a message."""


def read_lines(path: Path, encoding: str) -> Iterator[Document]:
    """A document a line; its id is the number of the line, from 1. Blank lines are no documents."""

    def documents() -> Iterator[Document]:
        for number, line in numbered_lines(path, encoding):
            if line.strip():
                yield Document(str(number), line)

    return at_least_one(documents(), path)


def read_folder(folder: Path, files: list[Path], encoding: str) -> Iterator[Document]:
    """A document a file; its id is the file's path inside `folder`. Blank files are no documents."""

    def documents() -> Iterator[Document]:
        for path in files:
            text = _whole(path, encoding)
            if text.strip():
                # A name that is no UTF-8 is shown with marks for what is not.
                name = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
                yield Document(name, text)

    return at_least_one(documents(), folder)


def _whole(path: Path, encoding: str) -> str:
    """The text of a file that is one document."""
    lines, length = [], 0
    for _, line in numbered_lines(path, encoding):
        lines.append(line)
        length += len(line) + 1
        if length > MAX_DOCUMENT:
            raise UserError(
                f"{path} is longer than {MAX_DOCUMENT:,} characters, too long for one document; part it into several, "
                "or give it as --corpus by itself, a document a line"
            )
    return "\n".join(lines)


def read_jsonl(
    path: Path, text_field: str, encoding: str, meta_fields: Sequence[str] = (), keep_blank: bool = False
) -> Iterator[Document]:
    """A document a line, each a JSON object whose `text_field` is a string; its id is the number of the line.

    Blank lines are no documents, nor texts that are blank or null, unless `keep_blank`. meta_fields: keys of what
    documents carry along. A key that an object lacks, null and NaN stand for no value; a value that is not text is its
    JSON. Raises UserError at the end where not one object has such a key.
    """

    def documents() -> Iterator[Document]:
        keys: dict[str, None] = {}
        for number, line in numbered_lines(path, encoding):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            record = _json_object(line, text_field, meta_fields, where)
            text = _json_text(record, text_field, where)
            if not keys.keys() >= set(meta_fields):
                keys |= dict.fromkeys(record)
            if keep_blank or text.strip():
                meta = {name: _json_value(record.get(name), where) for name in meta_fields}
                yield Document(str(number), text, meta=meta)
        if keys:
            _check_fields(meta_fields, list(keys), path, "keys")

    return at_least_one(documents(), path)


def read_csv(
    path: Path,
    text_field: str,
    encoding: str,
    delimiter: str = ",",
    meta_fields: Sequence[str] = (),
    keep_blank: bool = False,
) -> Iterator[Document]:
    """A document a row, its text in the column `text_field`; its id is the number of the line that the row begins on.

    Blank rows are no documents, nor blank texts, unless `keep_blank`. meta_fields: columns of what documents carry
    along.
    """

    def documents() -> Iterator[Document]:
        rows = csv_rows((line for _, line in numbered_lines(path, encoding)), str(path), delimiter)
        _, header = next(rows, (0, []))
        columns = [column.strip() for column in header]
        if columns and text_field not in columns:
            raise UserError(
                f"--text_field={text_field!r} is not in {path}; its columns are {_listed(columns)}; give one of them"
            )
        if columns:
            _check_fields(meta_fields, columns, path, "columns")
            if twice := next((name for name in (text_field, *meta_fields) if columns.count(name) > 1), None):
                raise UserError(
                    f"{path} has {columns.count(twice)} columns called {twice!r}; rename or remove all but one"
                )
        place = columns.index(text_field) if columns else 0
        places = {name: columns.index(name) for name in meta_fields} if columns else {}
        for number, row in rows:
            text = row[place]
            if keep_blank or text.strip():
                meta = {name: row[of_field].strip() for name, of_field in places.items()}
                yield Document(str(number), text, meta=meta)

    return at_least_one(documents(), path)


def csv_rows(lines: Iterable[str], name: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of which not all fields are blank, the header first, each with the number of the line that it begins on.

    Raises UserError, which calls the file `name`, for broken quotes, for a field longer than `MAX_DOCUMENT` and for
    a row with more or fewer fields than the first.
    """
    # The limit belongs to the whole process: it is only ever raised here.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_DOCUMENT))
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    width = 0
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{name}, line {number}, is not a row of a table: {error}; a field that holds a quote or the separator "
                'stands in quotes, and quotes inside it are doubled ("")'
            ) from error
        if not any(cell.strip() for cell in row):
            continue
        width = width or len(row)
        if len(row) != width:
            raise UserError(
                f"{name}, line {number}, has {len(row)} fields where the header has {width}; "
                "put a text that holds the separator in quotes"
            )
        yield number, row


def _listed(names: list[str]) -> str:
    more = f" … ({len(names):,} in all)" if len(names) > NAMES_SHOWN else ""
    return ", ".join(name[:60] for name in names[:NAMES_SHOWN]) + more


def numbered_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, from 1. Raises UserError as `decode_lines` does."""
    with open_binary(path) as file:
        yield from enumerate(decode_lines(file, str(path), encoding), start=1)


def _check_fields(meta_fields: Sequence[str], there: Sequence[str], path: Path, what: str) -> None:
    unknown = [name for name in meta_fields if name not in there]
    if unknown:
        raise UserError(f"--meta_fields: {unknown[0]!r} is not in {path}; its {what} are {_listed(list(there))}")


def _json_object(line: str, text_field: str, meta_fields: Sequence[str], where: str) -> dict[str, Any]:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        # Python's own message counts lines too, from the one that it was given.
        fault = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{where}, is not JSON: {fault}; each line holds one whole object") from error
    if not isinstance(record, dict):
        raise UserError(f"{where}, is not a JSON object; each line looks like {{{json.dumps(text_field)}: …}}")
    if any(line.count(json.dumps(name)) > 1 for name in (text_field, *meta_fields)):
        # Of two values of a key Python's reader keeps the last. Few lines have to be read again to tell.
        json.loads(line, object_pairs_hook=lambda pairs: _check_keys(pairs, (text_field, *meta_fields), where))
    return record


def _check_keys(pairs: list[tuple[str, Any]], names: Sequence[str], where: str) -> None:
    keys = [key for key, _ in pairs]
    if twice := next((name for name in names if keys.count(name) > 1), None):
        raise UserError(f"{where}, has {keys.count(twice)} values of {twice!r}; leave one of them")


def _json_text(record: dict[str, Any], text_field: str, where: str) -> str:
    if text_field not in record:
        keys = _listed(list(record)) or "none"
        raise UserError(f"--text_field={text_field!r} is not in {where}; its keys are {keys}; give one of them")
    text = record[text_field]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UserError(f"{where}: {text_field!r} holds a {type(text).__name__}, not text; give another --text_field")
    return _whole_characters(text)


def _json_value(value: Any, where: str) -> str:
    """A value that documents carry along, as text; what is nested is its JSON."""
    if value is None or value != value:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise UserError(f"{where}, holds values that are nested too deeply; leave them out of --meta_fields") from error
    return _whole_characters(text).strip()


def _whole_characters(text: str) -> str:
    # Half an emoji, where something cut a text at so many characters of UTF-16, has no UTF-8: segmenters fail on it.
    return text.encode("utf-8", "replace").decode() if _HALF.search(text) else text


def at_least_one(documents: Iterator[Document], path: Path) -> Iterator[Document]:
    """The same documents of the file or folder `path`. Raises UserError where there is none."""
    first = next(documents, None)
    if first is None:
        found = "is empty" if path.is_file() and path.stat().st_size == 0 else "holds no text"
        raise UserError(f"{path} {found}; give a corpus of at least a few documents")
    yield first
    yield from documents
