"""Where the fields of documents come from: columns of the corpus itself (--meta_fields), or a table beside it (--meta).

Fields are those that --meta_fields names; without it, all columns of the file that --meta names; and that of
--title_field. A field is taken from that file where it has such a column, otherwise from the corpus. Both are held as
text, without blanks around it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_keyed

DOCUMENT = "document"
"""The column of the file of --meta that names the documents, as export/doc_topics.csv does."""

_OURS = re.compile(r"document|topics|first_words|words|unknown|theta|split|tokens|topic_\d+")
"""Names of columns of our own results, beside which the fields stand."""


@dataclass(frozen=True)
class Fields:
    """names: of the fields, in order. of_corpus: those that the corpus itself has to have. joined: those of the table.

    rows: of the table, by document, a value for each of `joined`. file: what --meta says. title: the field of titles.
    """

    names: tuple[str, ...] = ()
    of_corpus: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: str = ""
    title: str = ""

    def values(self, own: Mapping[str, str], name: str) -> list[str]:
        """A value for each field, "" for none. own: what the corpus says of the document; name: that of its row."""
        if not self.names:
            return []
        row = self.rows.get(name) or ("",) * len(self.joined)
        found = {**own, **dict(zip(self.joined, row, strict=True))}
        return [found.get(one, "") for one in self.names]

    def columns(self, own: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, list[str]]:
        """The values of many documents by field, "" for none. own: by field, a value for each; names: of their rows."""
        nothing = ("",) * len(self.joined)
        rows = [self.rows.get(name) or nothing for name in names] if self.joined else []
        joined = {one: [row[i] for row in rows] for i, one in enumerate(self.joined)}
        absent = [""] * len(names)
        return {one: joined[one] if one in joined else list(own.get(one, absent)) for one in self.names}

    def has_row(self, name: str) -> bool:
        """Whether the table has a row for the document of that name."""
        return name in self.rows

    def check_joined(self, found: int, documents: int, example: str) -> None:
        """Say how many documents have a row where not all have one. Raises UserError where none has.

        found: documents with a row; documents: all of them; example: the name of one.
        """
        if not self.file or found == documents:
            return
        if not found:
            raise UserError(
                f"--meta={self.file} names none of the {documents:,} documents, which are called such as {example!r}; "
                f"its column {DOCUMENT} has to name them as export/doc_topics.csv does"
            )
        warn(f"{found:,} of {documents:,} documents have a row in --meta={self.file}; the others have no values of it")


NO_FIELDS = Fields()


def fields_of(config: CorpusConfig) -> Fields:
    """The fields that are asked for. Raises UserError where they cannot be, or the table cannot be read."""
    try:
        now = Path(config.meta).expanduser().stat() if config.meta else None
    except OSError:
        # Reading says what is wrong.
        now = None
    changed = (now.st_size, now.st_mtime_ns) if now else None
    return _fields_of(config.meta_fields, config.meta, config.id_field, config.title_field, changed)


@lru_cache(maxsize=1)
def _fields_of(meta_fields: str, meta: str, id_field: str, title_field: str, changed: tuple[int, int] | None) -> Fields:
    """The same, asked for more than once. changed: size and time of the table, so that another one is read again."""
    asked = tuple(name.strip() for name in meta_fields.split(",")) if meta_fields else ()
    columns: list[str] = []
    rows: dict[str, tuple[str, ...]] = {}
    if meta:
        columns, rows = read_keyed(meta, "meta", (id_field, DOCUMENT) if id_field else (DOCUMENT,))
    names = asked or tuple(columns)
    if meta and not set(names) & set(columns):
        fault = f"none of --meta_fields={meta_fields}" if asked else "no column for a field"
        raise UserError(f"--meta={meta} has {fault}; its columns are {', '.join([DOCUMENT, *columns])}")
    if title_field and title_field not in names:
        names = (*names, title_field)
    for name in names:
        if not name or names.count(name) > 1:
            raise UserError(f"--meta_fields={meta_fields} must be the names of different columns, such as date,source")
        if _OURS.fullmatch(name):
            raise UserError(
                f"the metadata field {name!r} is called like a column of the results; give it another name in the "
                "file that it comes from"
            )
    joined = tuple(name for name in names if name in columns)
    places = [columns.index(name) for name in joined]
    for document, row in rows.items():
        rows[document] = tuple(row[place].strip() for place in places)
    return Fields(names, tuple(name for name in names if name not in columns), joined, rows, meta, title_field)


def check_no_fields(name: str, config: CorpusConfig, but: tuple[str, ...] = ()) -> None:
    """Raise UserError where a corpus without columns, called `name`, would have to have others than `but`."""
    only = "as only .csv, .tsv, .xlsx and .jsonl files have columns or keys"
    if sought := [field for field in fields_of(config).of_corpus if field not in but]:
        raise UserError(
            f"--meta_fields: {', '.join(sought)} cannot be in {name}, {only}; give a table of them as --meta=FILE, "
            "with a column document"
        )
    if config.id_field and not config.meta:
        raise UserError(f"--id_field={config.id_field} cannot be in {name}, {only}; leave it out")
