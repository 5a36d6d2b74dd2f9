"""Vectors that an encoder gave, among the user's caches, by what they were computed from. Whatever is wrong with that
folder, only time is lost."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import jax
import numpy as np

from etm_jax.util.disk import cache_folder, free_space, sweep
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, replace_file
from etm_jax.util.reading import read_arrays

MOST = 1 << 30
"""Bytes of all that is kept. What was used longest ago goes first."""


class Kept:
    """One matrix and a number of whole numbers, and where they are kept."""

    def __init__(self, about: str, parts: Iterable[bytes]) -> None:
        """about: what computes it, a line. parts: what it is computed from, such as texts. JAX's platform counts too,
        since devices round otherwise."""
        key = hashlib.sha256(f"{about} {jax.default_backend()}\n".encode())
        for part in parts:
            key.update(b"%d\n" % len(part) + part)
        self._path: Path | None = None
        with suppress(UserError):
            self._path = cache_folder() / "bert" / f"{key.hexdigest()}.npz"

    def get(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
        """The matrix of this shape, float32, and the numbers; None where they are not there, or damaged."""
        if self._path is None or not self._path.is_file():
            return None
        try:
            arrays = read_arrays(self._path)
            matrix, numbers = arrays["matrix"], arrays["numbers"]
        except DAMAGED:
            return None
        return (matrix, numbers) if matrix.shape == shape and matrix.dtype == np.float32 else None

    def put(self, matrix: np.ndarray, numbers: np.ndarray) -> None:
        """Keep them. Nobody asked for it: where they cannot be kept, nothing is said."""
        with suppress(OSError, UserError):
            if self._path is None or free_space(self._path) < 2 * matrix.nbytes:
                return
            with replace_file(self._path) as file:
                np.savez(file, allow_pickle=False, matrix=matrix, numbers=numbers)
            sweep(self._path.parent, MOST)
