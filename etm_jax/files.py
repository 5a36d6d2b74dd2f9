"""Writing that leaves either the old or the new behind, never half of one.

What a killed process leaves beside, the next one that writes the same path takes over. One process writes a path.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from etm_jax.errors import UserError


def check_writable(folder: Path, flag: str) -> None:
    """Raise UserError, which names `flag`, where `folder` could not be made or written to. Leaves nothing behind."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise UserError(f"--{flag}={folder}: {nearest} is a file; give another --{flag}")
        # Permissions do not tell: root is above them, and a file system can be read-only.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"--{flag}={folder} cannot be written to: {error.strerror}; give another --{flag}") from error


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 file beside `path` and rename it over."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside, old = (path.with_name(f".{path.name}.{kind}") for kind in ("new", "old"))
    shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            path.rename(old)
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write bytes to; when the block ends well it takes the place of `path`.

    Folders above it are made. Raises UserError where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                yield file
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; give another path") from error
