"""The standard streams of a command, which may be closed, full, or unable to show a character."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from etm_jax.util.errors import UserError


@contextmanager
def standard_streams() -> Iterator[None]:
    """Within the block writing to standard output and standard error has one outcome, whoever writes.

    What the terminal's encoding cannot show is escaped. Messages that standard error does not take are dropped: no work
    is lost for them. Where standard output takes nothing more, UserError says why, or BrokenPipeError that its reader
    has left; the rest is dropped. Streams that are no files, as in a notebook, stay as they are.
    """
    _fill_closed()
    before = sys.stdout, sys.stderr
    try:
        if _is_own(sys.stdout, 1):
            sys.stdout = _text(_Output(closed=sys.stdout is None), sys.stdout)
        if _is_own(sys.stderr, 2):
            sys.stderr = _text(_Messages(2, "wb", closefd=False), sys.stderr)
        yield
    finally:
        # Said by now, or there is something worse to say; ValueError, where someone has closed it.
        with suppress(UserError, BrokenPipeError, ValueError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """Put the null device where a standard stream is closed: the next file that is opened would be taken for it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest that is free, so this one; for workers too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _is_own(stream: Any, descriptor: int) -> bool:
    """Whether this is the stream that Python has made of the descriptor, or would have made, were it not closed."""
    try:
        return stream is None or (isinstance(stream, io.TextIOWrapper) and stream.fileno() == descriptor)
    except (OSError, ValueError):
        return False


def _text(raw: io.FileIO, like: TextIO | None) -> TextIO:
    if like is not None:
        like.flush()
    lines = isinstance(raw, _Messages) or raw.isatty()
    encoding = like.encoding if like is not None else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=lines)


class _Messages(io.FileIO):
    """Standard error. What cannot be written is dropped."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


class _Output(io.FileIO):
    """Standard output. closed: it was when the command began."""

    def __init__(self, closed: bool) -> None:
        super().__init__(1, "wb", closefd=False)
        self._fails = closed
        self._dropped = False

    def write(self, data: Any, /) -> int:
        """As a file's. Once it has failed, the rest is dropped, or Python would fail with it once more at its end."""
        if self._dropped:
            return memoryview(data).nbytes
        try:
            if self._fails:
                raise OSError("it is closed")
            return super().write(data)
        except BrokenPipeError:
            self._dropped = True
            raise
        except OSError as error:
            self._dropped = True
            raise UserError(
                f"standard output cannot be written ({error.strerror or error}): send it elsewhere; files that the "
                "command writes are written before"
            ) from error
