"""The records of a file of word vectors, as published files are: packed, cut off, with a header that is one off."""

import bz2
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, GZIP, UnpacksTooFar, unpacked

MAX_WORD = 10_000
"""In bytes; a file with a longer word is taken to be broken."""

HEAD = 1 << 20
BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20
_NUMBER_BYTES = 64
_DECIMALS = re.compile(rb"-?[0-9]+\.([0-9]+)")


@dataclass(frozen=True)
class Layout:
    """Format of a vector file. count: vectors according to its header, None without one. dim: numbers per vector."""

    name: str
    count: int | None
    dim: int
    binary: bool


@dataclass
class Oddities:
    """What was unusual in a file. records: vectors that were read; not_utf8, blank: of them, those without such a word.

    first: where the first word that is not UTF-8 stands. cut: what is left of a record within which the file ends, with
    its place; empty where it does not.
    """

    records: int = 0
    not_utf8: int = 0
    blank: int = 0
    first: str = ""
    cut: str = ""

    def tell(self, path: Path, layout: Layout) -> None:
        """Say it, a line each. Raises UserError where the file is of no use."""
        if not self.records:
            raise UserError(f"{path} is truncated: it ends within its first vector; download it again")
        if 2 * self.not_utf8 > self.records:
            raise UserError(f"{path}: most of its words are not UTF-8, the first in {self.first}; convert the file")
        if self.not_utf8:
            note(f"{path}: {self.not_utf8:,} words are not UTF-8 and were passed over, the first in {self.first}")
        if self.blank:
            note(f"{path}: {self.blank:,} vectors of a blank or empty word were passed over")
        if self.cut:
            warn(f"{path} ends within {self.cut}, which was passed over: is the file cut off?")
        missing = (layout.count or self.records) - self.records
        if missing > 0:
            warn(
                f"{path}: the header says {layout.count:,} vectors, but {self.records:,} are there; if it was cut off, "
                "words of the rest count as unknown"
            )
        elif missing < 0:
            note(f"{path}: the header says {layout.count:,} vectors, but {self.records:,} are there; all were read")


Record = tuple[str, bytes, bytes | list[bytes]]
"""Position in the file, the word, and its numbers: raw float32 or text fields."""


def text_records(stream: BinaryIO, layout: Layout, path: Path, odd: Oddities) -> Iterator[Record]:
    """The vectors of a text file. Raises UserError where they do not match the layout."""
    longest = MAX_WORD + _NUMBER_BYTES * layout.dim
    line_number, decimals = 0, -1
    if layout.count is not None:
        stream.readline(longest)
        line_number = 1
    while line := stream.readline(longest):
        line_number += 1
        place = f"line {line_number}"
        if len(line) == longest and not line.endswith(b"\n"):
            raise UserError(f"{path}, {place}: longer than any line of {layout.dim} numbers; download it again")
        fields = line.removeprefix(BOM if line_number == 1 else b"").split()
        if not fields:
            continue
        extra = len(fields) - 1 - layout.dim
        if not line.endswith(b"\n") and (extra < 0 or decimals < 0 or _decimals(fields[1 + extra :]) != decimals):
            # The last number may be cut off, unless numbers have as many decimals each.
            word = fields[0][:40].decode("utf-8", "replace")
            odd.cut = f"{place}, {word!r}"
            return
        if extra == -1 and line[:1].isspace():
            yield place, b"", fields
            continue
        # Some published GloVe words contain spaces. Numbers before the vector are not words: the vector is too long.
        if extra < 0 or any(is_number(field) for field in fields[1 : 1 + extra]):
            raise UserError(
                f"{path}, {place}: {len(fields) - 1} numbers where {layout.dim} are expected; correct that line"
            )
        decimals = _decimals(fields[1 + extra :])
        yield place, b" ".join(fields[: 1 + extra]), fields[1 + extra :]


def binary_records(stream: BinaryIO, layout: Layout, path: Path, odd: Oddities) -> Iterator[Record]:
    """The vectors of a binary file. Raises UserError where they do not match the layout."""
    assert layout.count is not None
    stream.readline(HEAD)
    size = 4 * layout.dim
    buffer, position = b"", 0
    # One more than the header says is a header that is one off; more are numbers of another length.
    for index in range(1, layout.count + 2):
        while True:
            space = buffer.find(b" ", position)
            end = space + 1 + size
            if space >= 0 and end <= len(buffer):
                break
            if space < 0 and len(buffer) - position > MAX_WORD:
                raise UserError(f"{path}, vector {index}: no word found; correct its header, or download it again")
            more = stream.read(_CHUNK)
            if not more:
                if left := buffer[position:].strip():
                    if index > layout.count:
                        raise _continues(path, layout)
                    odd.cut = f"vector {index}, {left.partition(b' ')[0][:40].decode('utf-8', 'replace')!r}"
                return
            buffer, position = buffer[position:] + more, 0
        if index > layout.count and (buffer[end:] + stream.read(_CHUNK)).strip():
            raise _continues(path, layout)
        # The original C program ends every vector with a newline, gensim does not.
        yield f"vector {index}", buffer[position:space].removeprefix(b"\n"), buffer[space + 1 : end]
        position = end


def _continues(path: Path, layout: Layout) -> UserError:
    return UserError(
        f"{path} continues after the {layout.count} vectors of {layout.dim} numbers that its header says; "
        "correct the header, or download the file again"
    )


def _decimals(fields: list[bytes]) -> int:
    """The decimals that all of these numbers have; −1 where they differ."""
    found = {len(match[1]) if (match := _DECIMALS.fullmatch(field)) else -1 for field in fields}
    return found.pop() if len(found) == 1 else -1


def is_number(field: bytes) -> bool:
    """Whether a field is a number. Python also accepts underscores within numbers, files do not."""
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open the file, unpacking it if its bytes say that it is .gz, .bz2 or a .zip of one file.

    Raises UserError where it cannot be opened; reading from it does where it cannot be read or unpacked.
    """
    with _told(path):
        stream = _stream(path)
    with io.BufferedReader(_Told(stream, path), _CHUNK) as told:
        yield cast(BinaryIO, told)


def _stream(path: Path) -> BinaryIO:
    """The file, or its content unpacked; closing it closes all."""
    with ExitStack() as on_error:
        file = on_error.enter_context(path.open("rb"))
        magic = file.read(4)
        file.seek(0)
        if magic.startswith(GZIP):
            stream = unpacked(file)
        elif magic.startswith(b"BZh"):
            stream = unpacked(file, bz2.BZ2File)
        elif magic == b"PK\x03\x04":
            stream = unpacked(file, lambda packed: _only_member(packed, path))
        else:
            stream = file
        on_error.pop_all()
    return stream


class _Told(io.RawIOBase):
    """The bytes of a stream; what fails in reading it raises UserError, which names the path."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream: Any = stream
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _told(self._path):
            return int(self._stream.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise UserError for what opening, reading or unpacking raises. What callers do with a file is not within."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"--vectors=file:{path}: there is no such file; give the path of a file of vectors") from error
    except DAMAGED as error:
        if isinstance(error, OSError) and (error.strerror or isinstance(error, UnpacksTooFar)):
            reason = error.strerror or error
            raise UserError(f"--vectors=file:{path} cannot be read: {reason}; give another file") from error
        raise UserError(f"{path} is damaged or truncated ({error}); download it again") from error


def _only_member(packed: BinaryIO, path: Path) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(packed)
        files = [member for member in archive.infolist() if not member.is_dir() and "__MACOSX" not in member.filename]
        if len(files) != 1:
            names = ", ".join(member.filename[:40] for member in files[:3])
            raise UserError(f"{path} holds {len(files)} files ({names}); unpack it, and give one of them")
        return archive.open(files[0])
    except RuntimeError as error:
        # Of a password that is wanted, and, as its subclass, of ways of packing that Python lacks.
        raise UserError(f"{path} cannot be unpacked here ({error}); unpack it, and give the file in it") from error
