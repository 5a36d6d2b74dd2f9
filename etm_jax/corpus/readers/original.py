"""The format that the paper's own code reads (adjidieng/ETM, data.py): MATLAB cells of word ids and of counts."""

import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.counts import as_counts, check_halves, check_words
from etm_jax.corpus.types import Counted
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.util.files import GIBIBYTE, MAX_UNPACKED
from etm_jax.util.plain_pickle import load_plain_pickle

_MAT_HEADER, _MAT_PACKED, _MAT_BLOCK = 128, 15, 1 << 20
"""Bytes before the first variable, the type of a packed one, and how much of it is unpacked at a time."""

PARTS = ("tr", "va", "ts_h1", "ts_h2")
FILES = ("vocab.pkl", *(f"bow_{part}_{kind}.mat" for part in PARTS for kind in ("tokens", "counts")))


def read_original(folder: Path) -> Counted:
    """The corpus in `folder`, which holds all of `FILES`.

    `bow_ts_*.mat`, the whole test documents, is not read: its counts are the sum of the halves. Raises UserError for a
    missing or damaged file, ids outside of the vocabulary, and tokens and counts that do not go together.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}; get the whole folder again from its source")
    words = load_plain_pickle(folder / "vocab.pkl")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UserError(f"{folder / 'vocab.pkl'} is not a list of words; get the file again from its source")
    check_words(words, str(folder / "vocab.pkl"))
    train, valid, test_h1, test_h2 = (
        _read_part(folder, part, len(words)) for part in track(PARTS, f"reading {folder}", unit="parts")
    )
    check_halves(test_h1, test_h2, str(folder))
    return Counted(words, train, valid, test_h1, test_h2)


def _read_part(folder: Path, part: str, vocab_size: int) -> sp.csr_matrix:
    tokens = _read_cells(folder / f"bow_{part}_tokens.mat", "tokens")
    counts = _read_cells(folder / f"bow_{part}_counts.mat", "counts")
    lengths = [len(ids) for ids in tokens]
    if lengths != [len(values) for values in counts]:
        raise UserError(f"{folder}: bow_{part}_tokens.mat and bow_{part}_counts.mat are not of the same documents")
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    ids = np.concatenate(tokens) if tokens else np.zeros(0)
    values = np.concatenate(counts) if counts else np.zeros(0)
    name = str(folder / f"bow_{part}_tokens.mat")
    if ids.dtype.kind not in "iuf" or not np.array_equal(ids, np.trunc(ids)):
        raise UserError(f"{name} holds values that are not word ids; get the file again from its source")
    # Given the shape, scipy does not look whether the ids are inside it: as_counts does.
    matrix = sp.csr_matrix((values, ids.astype(np.int64), starts), shape=(len(lengths), vocab_size))
    return as_counts(matrix, name)


def _read_cells(path: Path, key: str) -> list[np.ndarray]:
    """One array a document."""
    from scipy.io import loadmat

    try:
        _check_unpacked(path)
        cells = loadmat(path, variable_names=[key])[key]
        if not isinstance(cells, np.ndarray):
            raise TypeError(f"it is a {type(cells).__name__}")
    except Exception as error:  # On damaged files scipy's reader raises whatever the bytes lead it to.
        raise UserError(
            f"{path} is not a MATLAB 5 file with {key!r} ({error}); get it again from its source"
        ) from error
    if cells.dtype == object:
        return [np.ravel(cell) for cell in cells.ravel()]
    # Documents that happen to be of one length were saved as a matrix, a row each.
    return list(cells)


def _check_unpacked(path: Path) -> None:
    """Raise ValueError for a file whose packed variables unpack to far more than numbers do: scipy would hold it all.

    A variable is a tag, its type and its length in bytes, and then its content: so MATLAB's description of its files.
    """
    content = path.read_bytes()
    order: Literal["little", "big"] = "big" if content[126:128] == b"MI" else "little"
    place, left = _MAT_HEADER, max(GIBIBYTE, MAX_UNPACKED * len(content))
    while place + 8 <= len(content):
        kind, length = (int.from_bytes(content[i : i + 4], order) for i in (place, place + 4))
        if kind == _MAT_PACKED:
            unpacking, packed = zlib.decompressobj(), content[place + 8 : place + 8 + length]
            while packed and left > 0 and not unpacking.eof:
                left -= len(unpacking.decompress(packed, _MAT_BLOCK))
                packed = unpacking.unconsumed_tail
            if left <= 0:
                raise ValueError(f"it unpacks to more than {MAX_UNPACKED} times its size")
        place += 8 + length
