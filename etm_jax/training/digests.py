"""Digests of a folder's files, by which damage to a checkpoint is found."""

import hashlib
from pathlib import Path

DIGESTS = "SHA256SUMS"
"""The file that holds them, in the form of `sha256sum`, so that `sha256sum --check` reads it too."""


def file_digests(folder: Path) -> str:
    """A line a file: its SHA-256 and its path in the folder. The file of digests itself is left out."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / DIGESTS):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def damage(folder: Path) -> str | None:
    """What differs from what was written, for people; None where nothing does."""
    try:
        written, found = (folder / DIGESTS).read_bytes(), file_digests(folder).encode()
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {error.strerror}"
    if written == found:
        return None
    known = set(written.split(b"\n"))
    changed = [line for line in found.decode().splitlines() if line.encode() not in known]
    return f"{changed[0].partition('  ')[2] if changed else DIGESTS} is not as it was written"
