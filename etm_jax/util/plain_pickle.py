"""Pickles of plain values alone: lists, tuples, strings and numbers. Some corpora exist in no other format."""

import io
import pickle
import pickletools
from pathlib import Path

from etm_jax.util.errors import UserError


class _PlainUnpickler(pickle.Unpickler):
    """A pickle runs code only through the functions and classes that it names: here it can name none."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_plain_pickle(path: Path) -> object:
    """What `path` holds. Raises UserError where it is missing, damaged, or holds anything but plain values."""
    try:
        content = path.read_bytes()
        _check_memo(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # A damaged pickle can raise nearly anything, as the library's documentation says.
        raise UserError(
            f"{path} is not a pickle of plain values and was not loaded ({error}); get the file again from its source"
        ) from error


def _check_memo(content: bytes) -> None:
    """Raise UnpicklingError for a number in the memo that no file of this length needs.

    pickle makes room for all numbers below it: five bytes could ask for 60 GB.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError(f"it puts number {argument} into a memo that cannot be so long")
