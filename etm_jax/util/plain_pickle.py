"""Safe reading of pickles of lists, tuples, strings and numbers. Some corpora exist in no other format."""

import io
import pickle
import pickletools
from pathlib import Path

from etm_jax.util.errors import UserError
from etm_jax.util.files import GIBIBYTE
from etm_jax.util.reading import read_bounded


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that refuses functions and classes, the only way for a pickle to run code."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def load_plain_pickle(path: Path) -> object:
    """Read a pickle. Raises UserError where it is missing, damaged, or contains anything but plain values."""
    try:
        content = read_bounded(path, GIBIBYTE)
        _check_memo(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # A damaged pickle can raise nearly any error, as the documentation of pickle says.
        raise UserError(
            f"{path} is not a pickle of plain values and was not loaded ({error}); download it again from its source"
        ) from error


def _check_memo(content: bytes) -> None:
    """Raise UnpicklingError for a memo index larger than a file of this length can need.

    pickle allocates memory for all indices below it: five bytes could allocate 60 GB.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(content):
            raise pickle.UnpicklingError(f"it puts number {argument} into a memo that cannot be so long")
