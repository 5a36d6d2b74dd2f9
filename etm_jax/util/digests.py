"""Digests of a folder's files, by which damage, edits and files of another folder are found."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from etm_jax.util.files import replace_file, replace_text

DIGESTS = "SHA256SUMS"
"""The file that holds them, in the form of `sha256sum`, so that `sha256sum --check` reads it too."""

MAX_BYTES = 1 << 24
"""Largest file of digests that is read: some 150,000 files."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(folder: Path) -> str:
    """A line a file: its SHA-256 and its path in the folder. The file of digests itself is left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / DIGESTS)
    return "".join(f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)


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


class FolderDigests:
    """The digests of files in one folder, which are replaced one by one.

    A file that is about to be replaced is listed with both digests, so that a process that is killed leaves no file
    that its line does not know. A folder without digests is of a time when none were kept: nothing is known of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / DIGESTS

    def known(self) -> dict[str, list[str]] | None:
        """The digests of each file that is listed, by its path in the folder; None where there are none.

        Raises ValueError where the file of digests is damaged, OSError where it cannot be read.
        """
        if not self._path.exists():
            return None
        if self._path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{DIGESTS} is damaged: it is larger than {MAX_BYTES:,} bytes")
        found: dict[str, list[str]] = {}
        for line in self._path.read_text("utf-8").splitlines():
            entry = _LINE.fullmatch(line)
            if not entry:
                raise ValueError(f"{DIGESTS} is damaged")
            found.setdefault(entry[2], []).append(entry[1])
        if not found:
            raise ValueError(f"{DIGESTS} is empty")
        return found

    def check(self, *names: str) -> None:
        """Raise ValueError where one of these files is not as it was written, or OSError where it cannot be read."""
        known = self.known()
        for name in names if known is not None else ():
            if name not in (known or {}):
                raise ValueError(f"{DIGESTS} does not list {name}")
            if file_digest(self.folder / name) not in (known or {})[name]:
                raise ValueError(f"{name} is not as it was written")

    def lists(self, name: str) -> bool:
        """Whether the file is listed, or the folder has no digests. Raises as `known` does."""
        known = self.known()
        return known is None or name in known

    def expect(self, digests: Mapping[str, Sequence[str]], forget: Sequence[str] = ()) -> None:
        """List these digests of files in place of those that are listed, and drop the files to forget."""
        known = self.known_or_none()
        lines = {name: found for name, found in known.items() if name not in forget} | dict(digests)
        text = "".join(f"{one}  {name}\n" for name in sorted(lines) for one in dict.fromkeys(lines[name]))
        replace_text(self._path, text, tidy=False)

    def replace(self, contents: Mapping[str, bytes], forget: Sequence[str] = ()) -> None:
        """Replace files of the folder, and list them. Raises UserError where one cannot be written."""
        new = {name: digest(content) for name, content in contents.items()}
        there = {name: file_digest(self.folder / name) for name in contents if (self.folder / name).is_file()}
        known = self.known_or_none()
        if there == new and not set(forget) & set(known) and all(new[name] in known.get(name, []) for name in new):
            return  # Nothing changes, not even a date.
        self.expect({name: [*([there[name]] if name in there else []), new[name]] for name in contents}, forget)
        for name, content in contents.items():
            if there.get(name) != new[name]:
                with replace_file(self.folder / name) as file:
                    file.write(content)
        if there.items() != new.items():
            self.expect({name: [one] for name, one in new.items()})

    def known_or_none(self) -> dict[str, list[str]]:
        """What is listed; nothing where that is damaged."""
        try:
            return self.known() or {}
        except (OSError, ValueError):
            return {}
