"""Writing that leaves either the old or the new behind, never half of one.

What a killed process leaves beside, the next one that writes the same path takes over. One process writes a path.
"""

import errno
import gzip
import io
import lzma
import os
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from etm_jax.util.errors import UserError

MAX_UNPACKED = 200
"""Times the size of an archive of which more than GIBIBYTE comes out. Arrays and text pack to a third, logs to a
fiftieth; what is made to fill a machine's memory packs to a thousandth."""

GIBIBYTE = 1 << 30

DAMAGED = (
    OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, RecursionError, SyntaxError,
    lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading and validating a file raises that is not as it was written.

AttributeError and RuntimeError, which a mistake in our own code raises, are not of them: `etm_jax.util.reading` turns
those of the parsers into ValueError.
"""

LONGEST_NAME = 255
"""Bytes; no file system in use takes a longer one."""


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
    """Write a UTF-8 file beside `path` and rename it over. Raises UserError where it cannot be written."""
    with replace_file(path) as file:
        file.write(text.encode())


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `path`.

    Folders above it are made. Raises UserError where it cannot be written.
    """
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside, old = _beside(path, "new"), _beside(path, "old")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        beside.mkdir()
        try:
            yield beside
            if path.exists():
                path.rename(old)
            beside.rename(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write bytes to; when the block ends well it takes the place of `path`.

    Folders above it are made. Raises UserError where it cannot be written.
    """
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(path, "new")
        try:
            with beside.open("wb") as file:
                yield file
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into a UserError that names it, and the room on a full disk."""
    try:
        yield
    except OSError as error:
        # numpy tells a full disk without its number.
        full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
        room = f" ({free_space(path) / 2**20:,.1f} MiB are free there); make room, or" if full else ";"
        raise UserError(f"{path} cannot be written: {error.strerror or error}{room} give another path") from error


def spreadsheet_cell(value: object) -> object:
    """The value as a cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe.

    As OWASP advises on CSV injection. Numbers stay as they are.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def check_archive(path: Path) -> None:
    """Raise ValueError for a zip file, such as .npz, whose members unpack to far more than arrays do.

    Raises BadZipFile and OSError where it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(GIBIBYTE, MAX_UNPACKED * path.stat().st_size):
        raise ValueError(f"it unpacks to {unpacked / GIBIBYTE:,.1f} GiB, more than {MAX_UNPACKED} times its size")


class _Unpacked(io.RawIOBase):
    """What a gzipped file unpacks to, as far as it may."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._size = packed, os.fstat(packed.fileno()).st_size
        self._bytes, self._read = gzip.GzipFile(fileobj=packed), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._bytes.readinto(buffer)
        self._read += count
        if self._read > max(GIBIBYTE, MAX_UNPACKED * self._size):
            raise gzip.BadGzipFile(
                f"it unpacks to more than {MAX_UNPACKED} times its {self._size:,} bytes; "
                "unpack it yourself if it is to be read"
            )
        return count

    def close(self) -> None:
        if not self.closed:
            self._bytes.close()
            self._packed.close()
        super().close()


def unpacked(packed: BinaryIO) -> BinaryIO:
    """The bytes of an open gzipped file, which is closed with them.

    Reading raises OSError, EOFError or zlib.error where it is damaged, or unpacks to far more than text or numbers do.
    """
    return cast(BinaryIO, io.BufferedReader(_Unpacked(packed), 1 << 20))


def free_space(path: Path) -> int:
    """Bytes that are free where `path` is, or would be."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def sync_all(folder: Path) -> None:
    """Wait until a folder and all that is in it are on the disk, so that a renamed one is whole after a power cut."""
    for path in (folder, *folder.rglob("*")):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, kind: str) -> Path:
    """A hidden name in the same folder, the same at each call."""
    name = f".{path.name}.{kind}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{zlib.crc32(os.fsencode(path.name)):08x}.{kind}"
    return path.with_name(name)
