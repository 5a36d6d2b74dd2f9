"""Files of counts with a vocabulary beside them: UCI's bags of words, Blei's lda-c and Matrix Market.

Each is read as the tool that owns it writes it: document and word numbers begin at 1 in UCI's docword files and in
Matrix Market, at 0 in lda-c.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.bags import Bags, read_vocabulary
from etm_jax.corpus.readers.text_files import numbered_lines
from etm_jax.util.console import track
from etm_jax.util.errors import UserError

_AT_ONCE = 1 << 16
_MARKET = re.compile(r"%%MatrixMarket\s+matrix\s+coordinate\s+(real|integer|pattern)\s+general\s*", re.IGNORECASE)
_LDAC = re.compile(r"\d+(?:\s+\d+:\d+)*\s*")
_VOCABULARIES = ("vocab", "dictionary", "dict", "words", "terms", "id2word")
_ENDINGS = (".txt", ".dict.txt", ".vocab", ".vocab.txt", "")
_LARGEST = 1 << 31


def read_uci(path: Path, vocabulary: Path, config: CorpusConfig) -> Bags:
    """UCI's docword.NAME.txt: the lines D, W and NNZ, then `document word count`."""
    words, lines = read_vocabulary(vocabulary, config.encoding), numbered_lines(path, config.encoding)
    head = [line.strip() for _, line in islice(lines, 3)]
    if len(head) < 3 or not all(re.fullmatch(r"\d{1,18}", line) for line in head):
        raise UserError(f"{path} does not begin with its numbers of documents, words and entries, a line each")
    return Bags(words, _triples(lines, path, [int(line) for line in head], words, vocabulary, 3))


def read_market(path: Path, vocabulary: Path, config: CorpusConfig) -> Bags:
    """A matrix of documents by words, or of words by documents: whichever side the vocabulary has the length of."""
    words, lines = read_vocabulary(vocabulary, config.encoding), numbered_lines(path, config.encoding)
    _, first = next(lines, (0, ""))
    kind = _MARKET.fullmatch(first)
    if kind is None:
        raise UserError(
            f"{path} is not a Matrix Market file of the kind coordinate, real, integer or pattern, general, but "
            f"begins {first[:60]!r}; write it as that (gensim's MmCorpus, R's writeMM, scipy's mmwrite)"
        )
    head = next((line for _, line in lines if line.strip() and not line.startswith("%")), "")
    if not re.fullmatch(r"\s*\d{1,18}\s+\d{1,18}\s+\d{1,18}\s*", head):
        raise UserError(f"{path} lacks the line with its numbers of rows, columns and entries")
    columns = 2 if kind[1].lower() == "pattern" else 3
    return Bags(words, _triples(lines, path, [int(x) for x in head.split()], words, vocabulary, columns, turns=True))


def read_ldac(path: Path, vocabulary: Path, config: CorpusConfig) -> Bags:
    """Blei's lda-c: a document a line, `n word:count …` for its n different words."""
    words = read_vocabulary(vocabulary, config.encoding)
    starts, ids, counts = [0], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number, line in track(numbered_lines(path, config.encoding), f"reading {path.name}", unit="documents"):
        if not line.strip():
            continue
        if not _LDAC.fullmatch(line):
            raise UserError(f"{path}, line {number}, is not of the form n word:count …; correct that line")
        numbers = [int(field) for field in line.replace(":", " ").split()]
        if len(numbers) != 1 + 2 * numbers[0]:
            raise UserError(f"{path}, line {number}, says {numbers[0]} words but has {len(numbers) // 2}; correct it")
        if max(numbers) >= _LARGEST:
            raise UserError(f"{path}, line {number}, holds a number of {_LARGEST:,} or more; correct it")
        found = np.array(numbers[1:], np.int64).reshape(-1, 2)
        if found[:, 0].max(initial=0) >= len(words):
            raise UserError(
                f"{path}, line {number}, has word {found[:, 0].max()} from 0, but {vocabulary} has {len(words):,} "
                "words; they are not of the same corpus"
            )
        ids.append(found[:, 0])
        counts.append(found[:, 1])
        starts.append(starts[-1] + len(found))
    shape = (len(starts) - 1, len(words))
    return Bags(words, sp.csr_matrix((np.concatenate(counts), np.concatenate(ids), np.array(starts)), shape=shape))


def _triples(
    lines: Iterator[tuple[int, str]],
    path: Path,
    head: list[int],
    words: list[str],
    vocabulary: Path,
    columns: int,
    turns: bool = False,
) -> sp.csr_matrix:
    """[D, V] from lines `row column value`, from 1. head: rows, columns and entries that the file says it has.

    columns: 2 where the value is left out, and 1. turns: whether rows may be words.
    """
    num_rows, num_columns, entries = head
    turned = turns and num_columns != len(words) == num_rows
    if not turned and num_columns != len(words):
        raise UserError(
            f"{path} is over {num_columns:,} words but {vocabulary} has {len(words):,}; they are not of the same corpus"
        )
    found = [np.zeros((0, 3))]
    for first, some in _blocks(lines, path, entries):
        try:
            numbers = np.loadtxt(some, dtype=np.float64, ndmin=2, comments="%")
        except ValueError as error:
            raise UserError(f"{path}, in the {len(some):,} lines from {first}: {error}; correct that line") from error
        if numbers.size and numbers.shape[1] != columns:
            raise UserError(f"{path}, line {first}: {numbers.shape[1]} numbers where there should be {columns}")
        if numbers.size:
            found.append(numbers if columns == 3 else np.column_stack([numbers, np.ones(len(numbers))]))
    triples = np.concatenate(found)
    if len(triples) != entries:
        raise UserError(
            f"{path} has {len(triples):,} entries where it says {entries:,}; it may be cut off: get it again"
        )
    # Documents without a word have no entries, but no corpus is mostly these; memory goes by their number.
    if num_rows + num_columns - len(words) > 100 * entries + 10_000:
        raise UserError(f"{path} says {num_rows:,} × {num_columns:,} for {entries:,} entries; correct its head")
    places = triples[:, :2]
    if not np.array_equal(places, np.trunc(places)) or (places < 1).any() or (places > (num_rows, num_columns)).any():
        raise UserError(f"{path} has an entry outside of the {num_rows:,} × {num_columns:,} that it says; get it again")
    row, column = places.astype(np.int64).T - 1
    matrix = sp.csr_matrix((triples[:, 2], (row, column)), shape=(num_rows, num_columns))
    return sp.csr_matrix(matrix.T) if turned else matrix


def _blocks(lines: Iterator[tuple[int, str]], path: Path, entries: int) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not blank, many at once, each with the number of the first."""

    def blocks() -> Iterator[tuple[int, list[str]]]:
        while some := list(islice(lines, _AT_ONCE)):
            if text := [line for _, line in some if line.strip()]:
                yield some[0][0], text

    yield from track(blocks(), f"reading {path.name}", total=-(-entries // _AT_ONCE), unit="blocks")


COUNT_FILES: dict[str, tuple[Callable[[Path, Path, CorpusConfig], Bags], str, Callable[[list[str]], bool]]] = {
    "uci": (read_uci, "docword*", lambda lines: len(lines) > 3 and _is_uci(lines)),
    "ldac": (read_ldac, "*.dat", lambda lines: len(lines) > 1 and all(map(_LDAC.fullmatch, lines)) and _pairs(lines)),
    "mm": (read_market, "*.mm", lambda lines: lines[0].startswith("%%MatrixMarket")),
}
"""By form: its reader, the names of its files in a folder, and whether lines that are not blank look like it."""


def vocabulary_beside(path: Path) -> Path:
    """The file of words that goes with a file of counts, from its own folder. Raises UserError where there is none.

    docword.NAME.txt goes with vocab.NAME.txt; any other file with one of its own stem, else with vocab.txt.
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    stem = plain.name.split(".")[0] if not plain.name.startswith("docword") else plain.name.removeprefix("docword")
    names: list[str] = [f"vocab{stem}"] if plain.name.startswith("docword") else []
    names += [f"{stem}{ending}" for ending in _ENDINGS if stem]
    names += [f"{name}{ending}" for name in _VOCABULARIES for ending in _ENDINGS]
    names += [f"{path.name}.vocab", f"{plain.name}.vocab"]
    beside = (path.parent / f"{name}{packed}" for name in names for packed in ("", ".gz"))
    found = next((file for file in beside if file.is_file() and file.name not in (path.name, plain.name)), None)
    if found is None:
        raise UserError(
            f"{path} has no vocabulary beside it; put the words there, one a line, as {path.parent / names[0]}"
        )
    return found


def _is_uci(lines: list[str]) -> bool:
    return all(re.fullmatch(r"\s*\d+\s*", line) for line in lines[:3]) and all(
        re.fullmatch(r"\s*\d+\s+\d+\s+\d+\s*", line) for line in lines[3:]
    )


def _pairs(lines: list[str]) -> bool:
    return any(":" in line for line in lines)
