"""Pickles of plain values alone: lists, tuples, strings and numbers. Some corpora exist in no other format."""

import pickle
from pathlib import Path

from etm_jax.errors import UserError


class _PlainUnpickler(pickle.Unpickler):
    """A pickle runs code only through the functions and classes that it names: here it can name none."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_plain_pickle(path: Path) -> object:
    """What `path` holds. Raises UserError where it is missing, damaged, or holds anything but plain values."""
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except Exception as error:  # A damaged pickle can raise nearly anything, as the library's documentation says.
        raise UserError(
            f"{path} is not a pickle of plain values and was not loaded ({error}); get the file again from its source"
        ) from error
