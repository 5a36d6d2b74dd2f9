"""Reading word vectors from a file: word2vec's text and binary formats and GloVe's headerless text, plain or packed.

The file is streamed, and only the vectors of the requested words are kept in memory. The format is detected from the
file's bytes, never from its name.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.corpus.words.phrases import parts_of
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.vectors.base import SourceVectors
from etm_jax.vectors.records import BOM, HEAD, Layout, Oddities, binary_records, is_number, opened, text_records

MAX_DIM = 10_000
"""A header with longer vectors than this is taken to be broken."""

LARGEST = 1e15
"""Of a number in a vector: the sum of the squares of `MAX_DIM` such numbers is still a float32."""

BLANK = "\u2581"
"""In place of a blank in a word of a text file of vectors, as SentencePiece writes it."""

_BLANKS = re.compile(r"\s")
_HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,18})\s*")


def sniff(path: Path) -> Layout:
    """Detect the format of a vector file from its first bytes. Raises UserError where the format is unknown."""
    with opened(path) as stream:
        head = stream.read(HEAD)
    if not head:
        raise UserError(f"{path} is empty; give a file of word vectors")
    first, _, rest = head.removeprefix(BOM).partition(b"\n")
    header = _HEADER.fullmatch(first)
    if header is None:
        numbers = first.split()[1:]
        if len(numbers) < 2 or not all(is_number(field) for field in numbers):
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
    if not binary:
        dim = _of_rows(rest, dim)
    return Layout(f"word2vec {'binary' if binary else 'text'}", count, dim, binary)


def _of_rows(rest: bytes, dim: int) -> int:
    """The length of the first vectors where it is one more or one less than the header's, else that."""
    rows = [line.split()[1:] for line in rest.split(b"\n")[:3]]
    lengths = {len(row) if all(map(is_number, row)) else -1 for row in rows}
    found = lengths.pop() if len(rows) == 3 and len(lengths) == 1 else dim
    return found if abs(found - dim) == 1 and found >= 1 else dim


def spelled(word: str) -> str:
    """A word as a text file of vectors holds it: blanks, at which other readers would part it, are `BLANK`."""
    return _BLANKS.sub(BLANK, word)


def read(path: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [V, L] float32 of `words`, and which of them the file has, [V] bool; the rows of the others are zero.

    Where a word occurs twice in the file, its first vector is used. A word with blanks may be `spelled`. A record
    without a word, or whose word is not UTF-8, is passed over, as is what is left of one where the file ends within it;
    so many records more or fewer than the header says as there are. All of this is said.

    Raises UserError, which names the line or the vector, where the file is missing, has no whole record, a vector has
    another length, most words are not UTF-8, or a number is invalid or not finite.
    """
    layout = sniff(path)
    wanted = {spelled(word): row for row, word in enumerate(words)} | {word: row for row, word in enumerate(words)}
    matrix = np.zeros((len(words), layout.dim), dtype=np.float32)
    known = np.zeros(len(words), dtype=bool)
    odd = Oddities()
    with opened(path) as stream:
        records = (
            binary_records(stream, layout, path, odd) if layout.binary else text_records(stream, layout, path, odd)
        )
        for place, raw_word, numbers in track(records, f"reading {path.name}", total=layout.count, unit="vectors"):
            odd.records += 1
            try:
                row = wanted.get(raw_word.decode())
            except UnicodeDecodeError:
                odd.not_utf8 += 1
                odd.first = odd.first or f"{place}, {raw_word[:40]!r}"
                continue
            odd.blank += not raw_word.strip()
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
    odd.tell(path, layout)
    return matrix, known


def _parse(fields: list[bytes], path: Path, place: str) -> np.ndarray:
    """Fields of text as a vector [L] float32. Raises UserError for one that is not a number."""
    for field in fields:
        if not is_number(field):
            raise UserError(f"{path}, {place}: {field[:40]!r} is not a number; correct that line")
    with np.errstate(over="ignore"):
        return np.array([float(field) for field in fields]).astype(np.float32)


def _is_binary(numbers: bytes) -> bool:
    """Whether these bytes, the first of a vector, are raw floats.

    If the numbers are text and short, the bytes extend into the next line, whose word can have any printable character.
    """
    controls = any(byte < 0x20 and byte not in b"\t\r\n" for byte in numbers)
    return controls or not numbers.partition(b"\n")[0].isascii()


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
