"""The corpus inside an export folder of ours, so that another run can be trained on the very same counts."""

from pathlib import Path

import scipy.sparse as sp

from etm_jax.corpus.counts import as_counts, check_halves, check_words
from etm_jax.corpus.types import Counted
from etm_jax.util.digests import DIGESTS, FolderDigests
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, GIBIBYTE
from etm_jax.util.reading import read_bounded, read_sparse

PARTS = ("train", "valid", "test_h1", "test_h2")
FILES = ("vocab.txt", *(f"{part}.npz" for part in PARTS))


def read_exported(folder: Path) -> Counted:
    """The corpus in `folder`, which holds all of `FILES`.

    Raises UserError where one is missing, damaged, or does not go with the others.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}; give the export folder of a run that ended")
    try:
        FolderDigests(folder).check(*FILES)
    except DAMAGED as error:
        raise UserError(
            f"{folder} is damaged, or was changed ({error}); export the run again, or delete {DIGESTS} there if you "
            "changed it yourself"
        ) from error
    try:
        text = read_bounded(folder / "vocab.txt", GIBIBYTE).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        words = text.removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / 'vocab.txt'} is not utf-8: {error}; export the run again") from error
    check_words(words, str(folder / "vocab.txt"))
    train, valid, test_h1, test_h2 = (_read_counts(folder / f"{part}.npz", len(words)) for part in PARTS)
    check_halves(test_h1, test_h2, str(folder))
    return Counted(words, train, valid, test_h1, test_h2)


def _read_counts(path: Path, vocab_size: int) -> sp.csr_matrix:
    try:
        matrix = read_sparse(path)
    except DAMAGED as error:
        raise UserError(f"{path} is not a matrix saved by scipy ({error}); export the run again") from error
    if matrix.format != "csr":
        raise UserError(f"{path} is a matrix in {matrix.format} format; save it as CSR")
    if matrix.shape[1] != vocab_size:
        raise UserError(
            f"{path} has {matrix.shape[1]} columns but vocab.txt has {vocab_size} words; they are not of the same run"
        )
    return as_counts(matrix, str(path))
