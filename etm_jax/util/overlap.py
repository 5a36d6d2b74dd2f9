"""Refusing to write over what is read, by whatever name or link it goes."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from etm_jax.util.errors import UserError

Named = tuple[str, Path]
"""What names a file or folder, such as `--output`, and its path."""


def given(flag: str, value: str) -> list[Named]:
    """The file or folder that a flag names; none where it is not given."""
    return [(f"--{flag}", Path(value).expanduser())] if value else []


def check_not_read(outputs: Iterable[Named], inputs: Iterable[Named]) -> None:
    """Raise UserError, which names both, where something that will be written is something that is read.

    Links of both kinds are seen through, and a folder stands for all that is in it. What is not there yet counts too:
    a run reads some files wherever they are.
    """
    written = {file: (name, path) for name, place in outputs for path in _all(place) if (file := _identity(path))}
    for source, place in inputs:
        for path in _all(place):
            if found := written.get(_identity(path)):
                name, output = found
                raise UserError(
                    f"{name}={output} would be written over what is read ({source}={path}); give another {name}"
                )


def _all(path: Path) -> Iterator[Path]:
    """The path itself and, of a folder, all that is in it."""
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _identity(path: Path) -> object:
    """What all names of one file or folder have in common; None for pipes and devices, which nothing replaces."""
    try:
        about = path.stat()
    except OSError:
        return os.path.realpath(path)
    if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
        return None
    return about.st_dev, about.st_ino
