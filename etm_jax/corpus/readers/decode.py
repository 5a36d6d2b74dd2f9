"""Bytes to lines of text. Files are read as binary and decoded piece by piece, so that an error knows its byte."""

import codecs
import io
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from etm_jax.util.errors import UserError
from etm_jax.util.files import GZIP, unpacked

BLOCK_BYTES = 1 << 20

MAX_DOCUMENT = 1 << 24
"""Characters of one line, document or field of a table: a long novel has a million. More is taken for a broken file."""

STDIN = Path("-")
"""Standard input, for every reader of files."""


def open_binary(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked where its name ends in .gz. Raises UserError where it cannot be opened."""
    if path == STDIN:
        if sys.stdin is None:
            raise UserError("standard input is closed; send the text to it, or name a file")
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    try:
        file = path.open("rb")
        return unpacked(file) if path.suffix.lower() == ".gz" else file
    except OSError as error:
        raise UserError(f"{path} cannot be opened: {error.strerror}; check its name and its permissions") from error


def decode_lines(file: IO[bytes], name: str, encoding: str) -> Iterator[str]:
    r"""The lines of a binary file as an editor counts them, without their ends (\n, \r\n or \r) and the leading BOM.

    Raises UserError, which calls the file `name`, for an unknown encoding, for bytes that are not in it (with their
    offset; in a .gz file, the offset in the unpacked text), for a damaged .gz file or one that unpacks to far more than
    text does, and for a line of more than `MAX_DOCUMENT` characters.
    """
    parts: list[str] = []
    length = lines = 0
    for text in _decode(file, name, encoding):
        head, *rest = text.split("\n")
        parts.append(head)
        length += len(head)
        if length > MAX_DOCUMENT:
            raise UserError(
                f"{name}, line {lines + 1}, is longer than {MAX_DOCUMENT:,} characters; part the text into documents, "
                "one a line"
            )
        if rest:
            length, lines = len(rest[-1]), lines + len(rest)
            yield "".join(parts)
            yield from rest[:-1]
            parts = [rest[-1]]
    if last := "".join(parts):
        yield last


def _decode(file: IO[bytes], name: str, encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(_incremental_decoder(encoding), translate=True)
    bytes_read = 0
    at_start = True
    while True:
        try:
            block = file.read(BLOCK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{name} cannot be read to its end ({error}); it may be cut off or damaged") from error
        bytes_read += len(block)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            # What the codec was given is the block and, before it, the bytes that it had kept back from the last one.
            offset = bytes_read - len(error.object) + error.start
            raise UserError(
                f"{name} is not {encoding}: byte 0x{error.object[error.start]:02x} at offset {offset} cannot be "
                f"decoded; {_way_out(error.object, offset == error.start, encoding)}"
            ) from error
        except UnicodeError as error:
            raise UserError(f"{name} is not {encoding}: {error}; name its encoding with --encoding") from error
        if text:
            yield text.removeprefix("\ufeff") if at_start else text
            at_start = False
        if not block:
            return


def _incremental_decoder(encoding: str) -> codecs.IncrementalDecoder:
    unknown = UserError(
        f"--encoding={encoding!r} is not a text encoding that Python knows; give utf-8, gb18030, big5, utf-16 …"
    )
    try:
        codec = codecs.lookup(encoding)
    except (LookupError, ValueError) as error:
        raise unknown from error
    if codec.name == "utf-8-sig":
        # It strips the BOM itself and then counts an error's position from after it.
        codec = codecs.lookup("utf-8")
    if not codec._is_text_encoding or codec.incrementaldecoder is None:
        raise unknown
    return codec.incrementaldecoder(errors="strict")


def _way_out(seen: bytes, from_start: bool, encoding: str) -> str:
    if from_start and seen.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "the file begins like UTF-16: give --encoding=utf-16"
    if from_start and seen.startswith(GZIP):
        return "it is packed by gzip: give it a name that ends in .gz"
    if b"\0" in seen[:1024]:
        return "it does not look like text: export it as .txt, .csv or .jsonl"
    other = "utf-8" if codecs.lookup(encoding).name != "utf-8" else "gb18030"
    return f"if it was saved in another encoding, name that one, such as --encoding={other}"
