"""Reading word vectors from a file: word2vec's text and binary formats and GloVe's headerless text, gzipped or not.

The file is streamed, and only the vectors of the requested words are kept in memory. The format is detected from the
file's bytes, never from its name.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.corpus.words.phrases import parts_of
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.util.files import unpacked
from etm_jax.vectors.base import SourceVectors

MAX_DIM = 10_000
"""A header with longer vectors than this is taken to be broken."""

MAX_WORD = 10_000
"""In bytes; a file with a longer word is taken to be broken."""

LARGEST = 1e15
"""Of a number in a vector: the sum of the squares of `MAX_DIM` such numbers is still a float32."""

_HEAD = 1 << 20
_CHUNK = 1 << 20
_NUMBER_BYTES = 64
_HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,18})\s*")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """Format of a vector file. count: vectors according to its header, None without one. dim: numbers per vector."""

    name: str
    count: int | None
    dim: int
    binary: bool


def sniff(path: Path) -> Layout:
    """Detect the format of a vector file from its first bytes. Raises UserError where the format is unknown."""
    with _opened(path) as stream:
        head = stream.read(_HEAD)
    if not head:
        raise UserError(f"{path} is empty; give a file of word vectors")
    first, _, rest = head.removeprefix(_BOM).partition(b"\n")
    header = _HEADER.fullmatch(first)
    if header is None:
        numbers = first.split()[1:]
        if len(numbers) < 2 or not all(_is_number(field) for field in numbers):
            raise UserError(
                f"{path} is neither word2vec's text or binary format nor GloVe's (it begins {first[:40]!r}); "
                "convert it, with gensim's save_word2vec_format for instance"
            )
        return Layout("GloVe text", None, len(numbers), binary=False)
    count, dim = int(header[1]), int(header[2])
    if not (count >= 1 and 1 <= dim <= MAX_DIM):
        raise UserError(
            f"{path}, line 1: the header says {count} vectors of {dim} numbers; correct it, or download the file again"
        )
    if not rest.strip():
        raise UserError(f"{path} is truncated: its header says {count} vectors but none follows; download it again")
    binary = _is_binary(rest.partition(b" ")[2][: 4 * dim])
    return Layout(f"word2vec {'binary' if binary else 'text'}", count, dim, binary)


def read(path: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [V, L] float32 of `words`, and which of them the file has, [V] bool; the rows of the others are zero.

    Where a word occurs twice in the file, its first vector is used.

    Raises UserError, which names the line or the vector, where the file is missing, truncated or contradicts its
    header, a vector has another length, a word is not UTF-8, or a number is invalid or not finite.
    """
    layout = sniff(path)
    wanted = {word: row for row, word in enumerate(words)}
    matrix = np.zeros((len(words), layout.dim), dtype=np.float32)
    known = np.zeros(len(words), dtype=bool)
    with _opened(path) as stream:
        records = _binary_records(stream, layout, path) if layout.binary else _text_records(stream, layout, path)
        for place, raw_word, numbers in track(records, f"reading {path.name}", total=layout.count, unit="vectors"):
            try:
                row = wanted.get(raw_word.decode())
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path}, {place}: the word {raw_word[:40]!r} is not UTF-8; convert the file"
                ) from error
            if row is None or known[row]:
                continue
            if layout.binary:
                vector = np.frombuffer(cast(bytes, numbers), dtype="<f4")
            else:
                vector = _parse(cast(list[bytes], numbers), path, place)
            if not np.isfinite(vector).all():
                raise UserError(
                    f"{path}, {place}: the vector of {raw_word.decode()!r} holds nan or inf; remove that line"
                )
            if np.abs(vector).max(initial=0) > LARGEST:
                raise UserError(
                    f"{path}, {place}: the vector of {raw_word.decode()!r} holds "
                    f"numbers beyond ±{LARGEST:.0e}, whose products float32 does not hold; scale the vectors"
                )
            matrix[row], known[row] = vector, True
    return matrix, known


_Record = tuple[str, bytes, bytes | list[bytes]]
"""Position in the file, the word, and its numbers: raw float32 or text fields."""


def _text_records(stream: BinaryIO, layout: Layout, path: Path) -> Iterator[_Record]:
    """The vectors of a text file. Raises UserError where they do not match the layout."""
    longest = MAX_WORD + _NUMBER_BYTES * layout.dim
    line_number, found = 0, 0
    if layout.count is not None:
        stream.readline(longest)
        line_number = 1
    while line := stream.readline(longest):
        line_number += 1
        place = f"line {line_number}"
        if not line.endswith(b"\n"):
            if len(line) == longest:
                raise UserError(f"{path}, {place}: longer than any line of {layout.dim} numbers; download it again")
            raise UserError(
                f"{path}, {place}: no line end, so its last number may be truncated; "
                "download it again, or add a line end if nothing is missing"
            )
        fields = line.removeprefix(_BOM if line_number == 1 else b"").split()
        if not fields:
            continue
        found += 1
        if layout.count is not None and found > layout.count:
            raise UserError(
                f"{path}, {place}: more vectors than the {layout.count} that the header says; correct line 1"
            )
        extra = len(fields) - 1 - layout.dim
        # Some published GloVe words contain spaces. Numbers before the vector are not words: the vector is too long.
        if extra < 0 or any(_is_number(field) for field in fields[1 : 1 + extra]):
            raise UserError(
                f"{path}, {place}: {len(fields) - 1} numbers where {layout.dim} are expected; correct that line"
            )
        yield place, b" ".join(fields[: 1 + extra]), fields[1 + extra :]
    if layout.count is not None and found < layout.count:
        raise UserError(
            f"{path} is truncated: its header says {layout.count} vectors but it has {found}; download it again"
        )


def _binary_records(stream: BinaryIO, layout: Layout, path: Path) -> Iterator[_Record]:
    """The vectors of a binary file. Raises UserError where they do not match the layout."""
    assert layout.count is not None
    stream.readline(_HEAD)
    size = 4 * layout.dim
    buffer, position = b"", 0
    for index in range(1, layout.count + 1):
        while True:
            space = buffer.find(b" ", position)
            end = space + 1 + size
            if space >= 0 and end <= len(buffer):
                break
            if space < 0 and len(buffer) - position > MAX_WORD:
                raise UserError(f"{path}, vector {index}: no word found; correct its header, or download it again")
            more = stream.read(_CHUNK)
            if not more:
                raise UserError(
                    f"{path} is truncated: its header says {layout.count} vectors of {layout.dim} numbers but it ends "
                    f"within vector {index}; download it again"
                )
            buffer, position = buffer[position:] + more, 0
        # The original C program ends every vector with a newline, gensim does not.
        yield f"vector {index}", buffer[position:space].removeprefix(b"\n"), buffer[space + 1 : end]
        position = end
    if (buffer[position:] + stream.read(_CHUNK)).strip():
        raise UserError(
            f"{path} continues after the {layout.count} vectors of {layout.dim} numbers that its header says; "
            "correct the header, or download the file again"
        )


def _parse(fields: list[bytes], path: Path, place: str) -> np.ndarray:
    """Fields of text as a vector [L] float32. Raises UserError for one that is not a number."""
    for field in fields:
        if not _is_number(field):
            raise UserError(f"{path}, {place}: {field[:40]!r} is not a number; correct that line")
    with np.errstate(over="ignore"):
        return np.array([float(field) for field in fields]).astype(np.float32)


def _is_number(field: bytes) -> bool:
    """Whether a field is a number. Python also accepts underscores within numbers, files do not."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _is_binary(numbers: bytes) -> bool:
    """Whether these bytes, the first of a vector, are raw floats.

    If the numbers are text and short, the bytes extend into the next line, whose word can have any printable character.
    """
    controls = any(byte < 0x20 and byte not in b"\t\r\n" for byte in numbers)
    return controls or not numbers.partition(b"\n")[0].isascii()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open the file, decompressing it if it is gzipped. Errors while it is open are raised as UserError."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield unpacked(file) if packed else file
    except FileNotFoundError as error:
        raise UserError(f"--vectors=file:{path}: there is no such file; give the path of a file of vectors") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--vectors=file:{path} cannot be read: {reason}; give another file") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"{path} is damaged or truncated ({error}); download it again") from error


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Raise UserError where the file is missing, of no known format, or of another dimension than --emb_dim."""
    path = _path(config)
    layout = sniff(path)
    if config.embed_dim not in (None, layout.dim):
        raise UserError(
            f"{path} has {layout.dim} columns but --emb_dim={config.embed_dim}; "
            f"drop --emb_dim or give vectors of {config.embed_dim}"
        )


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """Read the vectors of the vocabulary's words. Raises UserError where the file is broken or has none of them.

    A phrase that the file lacks gets the mean of its words' vectors, where it has all of these.
    """
    path, words = _path(config), corpus.vocabulary.words
    parts = parts_of(corpus.vocabulary.phrases)
    inside = {part for word in words for part in parts.get(word, ())}
    also = sorted(inside.difference(words))
    matrix, known = read(path, [*words, *also])
    row_of = {word: row for row, word in enumerate([*words, *also])}
    found = known.copy()
    for row, word in enumerate(words):
        rows = [row_of[part] for part in parts.get(word, ())]
        if rows and not found[row] and found[rows].all():
            matrix[row], known[row] = matrix[rows].mean(axis=0), True
    matrix, known = matrix[: len(words)], known[: len(words)]
    if not known.any():
        raise UserError(
            f"{path} holds none of the {len(words)} words of the vocabulary (such as {words[0]!r}); "
            "give vectors of the corpus' language, in UTF-8"
        )
    return SourceVectors(matrix, known, f"{path}, {sniff(path).name}")


def _path(config: VectorsConfig) -> Path:
    """The path in --vectors=file:PATH."""
    return Path(config.vectors.removeprefix("file:")).expanduser()
