"""Atomic writes of files and folders: afterwards a path holds either the old or the new content, never a part.

A process that is killed can leave a temporary file beside the path; the next write of the same path removes or reuses
it. Only one process may write a path at a time.
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
"""Largest ratio of unpacked to packed size, for archives that unpack to more than GIBIBYTE. Arrays and text compress to
a third, logs to a fiftieth; decompression bombs to a thousandth."""

GIBIBYTE = 1 << 30

DAMAGED = (
    OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, RecursionError, SyntaxError,
    lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Errors that reading and validating a damaged file raises.

AttributeError and RuntimeError are not among them, as a mistake in our own code raises them: `etm_jax.util.reading`
turns those of the parsers into ValueError.
"""

LONGEST_NAME = 255
"""Longest file name in bytes; common file systems allow no longer one."""


def check_writable(folder: Path, flag: str) -> None:
    """Raise UserError, which names `flag`, where `folder` cannot be made or written to. Nothing is left behind."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not nearest.is_dir():
            raise UserError(f"--{flag}={folder}: {nearest} is a file; give another --{flag}")
        # Permissions do not suffice: they do not bind root, and a file system can be read-only.
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"--{flag}={folder} cannot be written to: {error.strerror}; give another --{flag}") from error


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically, replacing `path`. Raises UserError where it cannot be written."""
    with replace_file(path) as file:
        file.write(text.encode())


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it replaces `path` when the block ends without an error.

    Parent folders are made. Raises UserError where it cannot be written.
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
    """Yield a file to write bytes to; it replaces `path` when the block ends without an error.

    Parent folders are made. Raises UserError where it cannot be written.
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
    """Turn an OSError while `path` is written into a UserError that names it, and the free space on a full disk."""
    try:
        yield
    except OSError as error:
        # numpy reports a full disk as an OSError without errno.
        full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
        room = f" ({free_space(path) / 2**20:,.1f} MiB are free there); make room, or" if full else ";"
        raise UserError(f"{path} cannot be written: {error.strerror or error}{room} give another path") from error


def check_archive(path: Path) -> None:
    """Raise ValueError for a zip file, such as .npz, whose members unpack to far more than arrays do.

    Raises BadZipFile or OSError where it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(GIBIBYTE, MAX_UNPACKED * path.stat().st_size):
        raise ValueError(f"it unpacks to {unpacked / GIBIBYTE:,.1f} GiB, more than {MAX_UNPACKED} times its size")


class _Unpacked(io.RawIOBase):
    """The decompressed content of a gzipped file, up to the limit of `MAX_UNPACKED`."""

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
    """The decompressed content of an open gzipped file, as a file; closing it closes both.

    Reading raises OSError, EOFError or zlib.error where the file is damaged or unpacks to more than `MAX_UNPACKED`.
    """
    return cast(BinaryIO, io.BufferedReader(_Unpacked(packed), 1 << 20))


def free_space(path: Path) -> int:
    """Free bytes on the file system of `path`, which need not exist."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def sync_all(folder: Path) -> None:
    """Flush a folder and its contents to disk, so that once renamed it is complete even after a power failure."""
    for path in (folder, *folder.rglob("*")):
        _sync(path)


def _sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, kind: str) -> Path:
    """A hidden path in the same folder, the same at each call."""
    name = f".{path.name}.{kind}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{zlib.crc32(os.fsencode(path.name)):08x}.{kind}"
    return path.with_name(name)
