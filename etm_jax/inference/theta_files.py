"""Streaming writers of topic proportions: CSV, JSON lines, a numpy array or Parquet.

Each format but the array also has the metadata fields, after all other columns: as text, blank or null where a document
has none.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from etm_jax.inference.predictor import Mixtures
from etm_jax.util.decimals import four_decimals, six_decimals
from etm_jax.util.errors import one_line
from etm_jax.util.extras import require
from etm_jax.util.files import replace_file
from etm_jax.util.tables import TableWriter


class Writer(Protocol):
    """The interface of the writers: `write` for each batch of documents, then `close`."""

    def write(self, some: Mixtures) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    """A row per document: its name, its number of words, the share of unknown words, and θ, topic by topic.

    to_screen: text is shown, not sent: what commands a terminal is escaped.
    """

    def __init__(
        self, file: BinaryIO, topics: Sequence[str], fields: Sequence[str] = (), to_screen: bool = False
    ) -> None:
        # With a byte order mark spreadsheets read UTF-8; without it they garble Chinese names.
        self._text = io.TextIOWrapper(file, "utf-8" if to_screen else "utf-8-sig", newline="", write_through=True)
        self._shown: Callable[[str], str] = one_line if to_screen else str
        self._rows = TableWriter(self._text, ["document", "words", "unknown", *map(self._shown, [*topics, *fields])])

    def write(self, some: Mixtures) -> None:
        """Add these documents."""
        tokens, unknown = map(str, some.tokens.tolist()), four_decimals(some.unknown)
        columns = [[self._shown(doc) for doc in some.ids], list(tokens), unknown]
        meta = [[self._shown(value) for value in values] for values in some.meta.values()]
        self._rows.write_columns(columns, six_decimals(some.theta), meta)

    def close(self) -> None:
        """Detach from the file, which stays open."""
        self._text.detach()


class JsonWriter:
    """A JSON object per line, with the columns of the CSV; θ is a list."""

    def __init__(self, file: BinaryIO, topics: Sequence[str], fields: Sequence[str] = ()) -> None:
        self._file = file

    def write(self, some: Mixtures) -> None:
        """Add these documents."""
        for doc, tokens, unknown, theta, *meta in _rows(some):
            shares = [round(x, 6) for x in theta.tolist()]
            row = {"document": doc, "words": int(tokens), "unknown": round(float(unknown), 4), "theta": shares}
            row |= {name: value or None for name, value in zip(some.meta, meta, strict=True)}
            self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Do nothing, as every row is written already."""


class ArrayWriter:
    """Only θ, [D, K] float32, in the documents' order."""

    def __init__(self, file: BinaryIO, topics: Sequence[str], fields: Sequence[str] = ()) -> None:
        self._file, self._shape = file, (0, len(topics))
        self._header()

    def _header(self) -> None:
        # numpy pads the header so that the first dimension can grow: the final header has the same length.
        self._file.seek(0)
        values: Any = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        np.lib.format.write_array_header_1_0(self._file, values)

    def write(self, some: Mixtures) -> None:
        """Add these documents."""
        self._file.write(np.ascontiguousarray(some.theta, "<f4").tobytes())
        self._shape = (self._shape[0] + len(some.theta), self._shape[1])

    def close(self) -> None:
        """Rewrite the header with the final number of documents."""
        self._header()


class ParquetWriter:
    """The columns of the CSV, with θ in full precision."""

    def __init__(self, file: BinaryIO, topics: Sequence[str], fields: Sequence[str] = ()) -> None:
        require("pyarrow", "parquet", "--output=FILE.parquet")
        import pyarrow
        import pyarrow.parquet

        columns = [("document", pyarrow.string()), ("words", pyarrow.int64()), ("unknown", pyarrow.float64())]
        columns += [(name, pyarrow.float32()) for name in topics]
        columns += [(name, pyarrow.string()) for name in fields]
        self._schema, self._arrow = pyarrow.schema(columns), pyarrow
        self._file = pyarrow.parquet.ParquetWriter(file, self._schema)

    def write(self, some: Mixtures) -> None:
        """Add these documents."""
        meta = ([value or None for value in values] for values in some.meta.values())
        columns = [some.ids, some.tokens, some.unknown, *some.theta.T, *meta]
        self._file.write_table(self._arrow.table(columns, schema=self._schema))

    def close(self) -> None:
        """Write the footer of the file."""
        self._file.close()


FORMATS: dict[str, type[CsvWriter] | type[JsonWriter] | type[ArrayWriter] | type[ParquetWriter]] = {
    ".csv": CsvWriter,
    ".jsonl": JsonWriter,
    ".npy": ArrayWriter,
    ".parquet": ParquetWriter,
}


def _rows(some: Mixtures) -> Iterator[tuple[Any, ...]]:
    """For each document its name, number of words, share of unknown words, θ, and a value for each field."""
    return zip(some.ids, some.tokens.tolist(), some.unknown.tolist(), some.theta, *some.meta.values(), strict=True)


@contextmanager
def writer(path: Path, topics: Sequence[str], fields: Sequence[str] = (), tidy: bool = True) -> Iterator[Writer]:
    """Yield the writer for the suffix of `path`, from FORMATS. `path` is replaced only once the file is complete.

    topics: names of the K columns of θ. fields: names of the documents' metadata fields. tidy: as of `replace_file`.
    """
    # Closed while its file is open, whatever happens: a library's writer that is left open is closed as it is
    # collected, and then writes to a closed file. What an error leaves behind replaces nothing.
    with replace_file(path, tidy) as file, closing(FORMATS[path.suffix.lower()](file, topics, fields)) as out:
        yield out
