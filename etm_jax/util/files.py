"""Atomic writes of files and folders: afterwards a path holds either the old or the new content, never a part.

Where several processes write one path, it holds the whole of what one of them wrote. Where it is a link, what that
points to is replaced; a new file has the mode of the one that it replaces, else what the umask leaves. A process that
is killed can leave a temporary file or folder beside the path; the next write in that folder removes it.
"""

import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from etm_jax.util.disk import written
from etm_jax.util.errors import UserError
from etm_jax.util.temporary import OLD, TARGET, sweep, temporary_file, temporary_folder

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


def replace_text(path: Path, text: str, tidy: bool = True) -> None:
    """Write a UTF-8 file atomically, replacing `path`. Raises UserError where it cannot be written. tidy: see below."""
    with replace_file(path, tidy) as file:
        file.write(text.encode())


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it replaces `path` when the block ends without an error.

    Parent folders are made. Where this process works in it, it works in the new one afterwards. Raises UserError where
    it cannot be written.
    """
    with written(path):
        place, mode = _place(path)
        sweep(place.parent)
        with temporary_folder(place, 0o777 if mode is None else mode | 0o700) as beside:
            new, old = beside / "new", beside / OLD
            (beside / TARGET).write_bytes(os.fsencode(place.name))
            new.mkdir(0o777 if mode is None else mode | 0o700)
            yield new
            within = working_folder_in(place)
            while True:
                with suppress(FileNotFoundError):
                    place.rename(old)
                try:
                    new.rename(place)
                    break
                except OSError as error:
                    # Another process has put its own there, which makes way like the first.
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    shutil.rmtree(old, ignore_errors=True)
            if mode is not None and mode != _mode(place):
                place.chmod(mode)
            _sync(place.parent)
            if within is not None:
                os.chdir(place / within if (place / within).is_dir() else place)


@contextmanager
def replace_file(path: Path, tidy: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write bytes to; it replaces `path` when the block ends without an error.

    Parent folders are made. tidy: whether to look for what killed processes left in its folder, which takes time where
    that holds very many files. Raises UserError where it cannot be written, or is something else than a file.
    """
    # Closed before it replaces anything: on the net, only then is it known whether all was written.
    with _replacing(path, tidy) as (_, descriptor), os.fdopen(os.dup(descriptor), "wb") as file:
        yield file


@contextmanager
def replace_by_name(path: Path, tidy: bool = True) -> Iterator[Path]:
    """Do as `replace_file`, but yield the path of an empty file, for a library that takes no open files."""
    with _replacing(path, tidy) as (beside, _):
        yield beside


@contextmanager
def _replacing(path: Path, tidy: bool) -> Iterator[tuple[Path, int]]:
    """Yield the path and a descriptor of a file that replaces `path` when the block ends without an error."""
    with written(path):
        place, mode = _place(path)
        if mode is not None and not place.is_file():
            raise UserError(f"{path} is no file that can be replaced; give another path")
        if tidy:
            sweep(place.parent)
        # What becomes of a private file is private before, too.
        with temporary_file(place, 0o666 if mode is None else mode | 0o600) as (beside, descriptor):
            yield beside, descriptor
            if mode is not None and mode != _mode(beside):
                os.fchmod(descriptor, mode)
            beside.replace(place)


def check_archive(path: Path) -> None:
    """Raise ValueError for a zip file, such as .npz, whose members unpack to far more than arrays do.

    Raises BadZipFile or OSError where it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(GIBIBYTE, MAX_UNPACKED * path.stat().st_size):
        raise ValueError(f"it unpacks to {unpacked / GIBIBYTE:,.1f} GiB, more than {MAX_UNPACKED} times its size")


GZIP = b"\x1f\x8b"
"""What a gzipped file begins with."""


class UnpacksTooFar(gzip.BadGzipFile):
    """A packed file unpacks to more than `MAX_UNPACKED` times its size."""


class _Unpacked(io.RawIOBase):
    """The decompressed `content` of an open file, up to the limit of `MAX_UNPACKED`."""

    def __init__(self, packed: BinaryIO, content: Any) -> None:
        self._packed, self._size = packed, os.fstat(packed.fileno()).st_size
        self._bytes, self._read = content, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._bytes.readinto(buffer)
        self._read += count
        if self._read > max(GIBIBYTE, MAX_UNPACKED * self._size):
            raise UnpacksTooFar(
                f"it unpacks to more than {MAX_UNPACKED} times its {self._size:,} bytes; "
                "unpack it yourself if it is to be read"
            )
        return count

    def close(self) -> None:
        if not self.closed:
            self._bytes.close()
            self._packed.close()
        super().close()


def unpacked(packed: BinaryIO, opened: Callable[[BinaryIO], IO[bytes]] | None = None) -> BinaryIO:
    """The decompressed content of an open gzipped file, as a file; closing it closes both.

    opened: what decompresses it in place of gzip, such as `bz2.BZ2File`.

    Reading raises OSError, EOFError or zlib.error, or what else that raises, where the file is damaged, and
    UnpacksTooFar.
    """
    # Opened before there is anything to close: a file that is no archive raises here.
    content = opened(packed) if opened else gzip.GzipFile(fileobj=packed)
    return cast(BinaryIO, io.BufferedReader(_Unpacked(packed, content), 1 << 20))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a UTF-8 file, each with a line feed at its end."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


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


def _place(path: Path) -> tuple[Path, int | None]:
    """Where `path` leads to if it is a link, and the mode of what is there, None for nothing; its folder is made.

    Raises OSError where links lead in a circle.
    """
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    place.parent.mkdir(parents=True, exist_ok=True)
    return place, _mode(place) if place.exists() else None


def working_folder_in(place: Path) -> Path | None:
    """Where in a folder, given by its real path, this process works; None where it does so elsewhere.

    A folder that is replaced takes its processes along: their working folder is then one that has been removed.
    """
    with suppress(OSError, ValueError):
        return Path(os.path.realpath(Path.cwd())).relative_to(place)
    return None


def _mode(path: Path) -> int:
    """Who may read, write and enter a file or folder."""
    return stat.S_IMODE(path.stat().st_mode) & 0o777
