"""Files of text and JSON lines to documents, one at a time. Every reader raises UserError where there is not one."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.decode import MAX_DOCUMENT, decode_lines, open_binary
from etm_jax.corpus.types import Document
from etm_jax.util.errors import UserError

_HALF = re.compile("[\ud800-\udfff]")


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


def read_jsonl(path: Path, columns: Columns, encoding: str) -> Iterator[Document]:
    """A document a line, each a JSON object with a key for each of the columns.

    Blank lines are no objects. A text is a string or null; a key of metadata that an object lacks, null and NaN stand
    for no value; a value that is not text is its JSON. Raises UserError at the end where not one object has such a key.
    """

    def documents() -> Iterator[Document]:
        keys: dict[str, None] = {}
        objects = ((number, line) for number, line in numbered_lines(path, encoding) if line.strip())
        for record_number, (number, line) in enumerate(objects, start=1):
            where = f"{path}, line {number}"
            record = _json_object(line, columns, where)
            text = columns.joined([_json_text(record, name, where) for name in columns.text])
            if not keys.keys() >= set(columns.meta):
                keys |= dict.fromkeys(record)
            meta = {name: _json_value(record.get(name), where) for name in columns.meta}
            if columns.id:
                Columns((), columns.id).check(list(record), where, "keys")
            name = columns.name_of(_json_value(record.get(columns.id), where), where, number, record_number)
            yield Document(name, text, meta=meta)
        if keys:
            Columns(text=(), meta=columns.meta).check(list(keys), str(path), "keys")

    return at_least_one(documents(), path)


def keys_of_jsonl(path: Path, encoding: str) -> list[str]:
    """The keys of the first object; none of an empty file. Raises UserError where it is none."""
    for number, line in numbered_lines(path, encoding):
        if line.strip():
            return list(_json_object(line, Columns(), f"{path}, line {number}"))
    return []


def numbered_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, from 1. Raises UserError as `decode_lines` does."""
    with open_binary(path) as file:
        yield from enumerate(decode_lines(file, str(path), encoding), start=1)


def _json_object(line: str, columns: Columns, where: str) -> dict[str, Any]:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        # Python's own message counts lines too, from the one that it was given.
        fault = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise UserError(f"{where}, is not JSON: {fault}; each line holds one whole object") from error
    if not isinstance(record, dict):
        raise UserError(f"{where}, is not a JSON object; each line looks like {{{json.dumps(columns.text[0])}: …}}")
    if any(line.count(json.dumps(name)) > 1 for name in columns.flags):
        # Of two values of a key Python's reader keeps the last. Few lines have to be read again to tell.
        json.loads(line, object_pairs_hook=lambda pairs: _check_keys(pairs, tuple(columns.flags), where))
    return record


def _check_keys(pairs: list[tuple[str, Any]], names: Sequence[str], where: str) -> None:
    keys = [key for key, _ in pairs]
    if twice := next((name for name in names if keys.count(name) > 1), None):
        raise UserError(f"{where}, has {keys.count(twice)} values of {twice!r}; leave one of them")


def _json_text(record: dict[str, Any], text_field: str, where: str) -> str:
    Columns((text_field,)).check(list(record), where, "keys")
    text = record[text_field]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UserError(f"{where}: {text_field!r} holds a {type(text).__name__}, not text; give another --text_field")
    return whole_characters(text)


def _json_value(value: Any, where: str) -> str:
    """A value that documents carry along, as text; what is nested is its JSON."""
    if value is None or value != value:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise UserError(f"{where}, holds values that are nested too deeply; leave them out of --meta_fields") from error
    return whole_characters(text).strip()


def whole_characters(text: str) -> str:
    """The text, with ? for halves of characters."""
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
