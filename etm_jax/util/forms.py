"""The format of what is stored: what earlier versions wrote is read, what a later one wrote is refused by its name.

Runs, checkpoints, saved models and .safetensors files carry `stamp`. What they hold besides, as a vocabulary, goes by
the stamp of what it lies in. Prepared corpora and shards have formats of their own, under the same keys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etm_jax import __version__
from etm_jax.util.errors import UserError

FORMAT = 4
"""To be raised with every change of what is stored, a new setting included; 0 is what carries no version.

What a raise needs besides: how the earlier format is read (for a setting, `before` in its declaration), its settings in
tests/config/settings_by_format.json, and things stored in it among tests/stored_forms.
"""

FORMAT_KEY, _WRITER = "format", "etm_jax"


class ForeignError(UserError):
    """What was stored is whole, but of something that is not here: a later version, or a model of somebody's own.

    is_what: between the path and the message, for people.
    """

    is_what = "is of a later version"


class TooOldError(ForeignError):
    """It is of a time that this version cannot read any more."""

    is_what = "is of an earlier version"


def stamp(newest: int = FORMAT) -> dict[str, Any]:
    """What says by whom, and in which format, the values were stored that it stands among."""
    return {_WRITER: __version__, FORMAT_KEY: newest}


def stored_format(values: Mapping[str, Any], newest: int = FORMAT) -> int:
    """The format of stored values. Raises ForeignError where it is later than `newest`, ValueError where it is none."""
    found = values.get(FORMAT_KEY, 0)
    if type(found) is not int or found < 0:
        raise ValueError(f"its format is {found!r}")
    if found > newest:
        raise ForeignError(f"etm_jax {__version__} knows formats up to {newest}; install the one that wrote it")
    return found


def foreign(path: Path, values: Mapping[str, Any], error: ForeignError) -> UserError:
    """The error with the path, and with who wrote the stored values there."""
    return UserError(f"{path} {error.is_what}: {error}; it was written by {writer(values)}")


def writer(values: Mapping[str, Any]) -> str:
    """Who wrote stored values, for messages: `etm_jax 0.1.0, format 1`."""
    return f"etm_jax {values.get(_WRITER, 'of an unknown version')}, format {values.get(FORMAT_KEY, 0)}"
