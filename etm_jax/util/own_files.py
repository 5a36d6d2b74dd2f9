"""Folders that hold what we wrote and what others put there: ours is replaced, the rest stays."""

import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from etm_jax.util.console import warn
from etm_jax.util.digests import DIGESTS, FolderDigests, digest, file_digest, file_digests
from etm_jax.util.files import replace_file, replace_folder


@contextmanager
def replace_own_files(path: Path, of_before: bool = False, beside: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder to fill; its files take the place of those that were written to `path` before.

    The folder gets the digests of what is written, by which that is known the next time. Files that are not ours stay,
    in folders of the modes and times that they had.
    One of ours that was changed since is kept under another name, and so is one of another's that has the name of one
    of ours; a warning names both. of_before: whether a folder without digests is certainly ours, of an earlier version:
    the caller has to have looked into it, since names alone prove nothing. beside: files that `replace_own_file` writes
    into the folder, which stay. Raises UserError where it cannot be written.
    """
    kept: list[tuple[Path, Path]] = []
    with replace_folder(path) as new:
        yield new
        text = file_digests(new)
        if path.is_dir():
            listed = FolderDigests(path).known_or_none()
            text += "".join(f"{one}  {name}\n" for name in beside for one in listed.get(name, ()))
            kept = _keep_others(path, new, of_before, beside)
        (new / DIGESTS).write_text(text, encoding="utf-8")
    for name, other in kept:
        warn(f"{path / name} is not as it was written here; it is kept as {path / other}")


def replace_own_file(path: Path, content: bytes, of_before: Callable[[bytes], bool]) -> None:
    """Write one file into a folder that keeps digests, and list it there.

    What is there is replaced where it is as it was written here; else it is kept under another name, which a warning
    tells. of_before: whether a file that is not listed is certainly ours, of a version that listed none.
    Raises UserError where it cannot be written.
    """
    digests = FolderDigests(path.parent)
    listed = digests.known_or_none()
    if path.is_file() and (there := path.read_bytes()) != content:
        written = listed.get(path.name)
        if not (digest(there) in written if written else of_before(there)):
            other = _other_name(path, path.parent)
            path.rename(other)
            warn(f"{path} is not as it was written here; it is kept as {other}")
    if listed:
        digests.replace({path.name: content})
    else:
        # A folder of a time when none were kept: a list of this file alone would say that the others are not ours.
        with replace_file(path) as file:
            file.write(content)


def _keep_others(old: Path, new: Path, of_before: bool, beside: Collection[str]) -> list[tuple[Path, Path]]:
    """Link what is not ours into the new folder. Returns the names, old and new, of what had to be renamed.

    Linked rather than moved: should the process be killed, all of it is still in the old folder.
    """
    try:
        known = FolderDigests(old).known()
    except (OSError, ValueError):
        known = {}  # Of a damaged list nothing is believed: what differs is kept.
    kept = []
    folders_of_ours = {path for path in new.rglob("*") if path.is_dir()}
    for folder, subfolders, files in os.walk(old):
        place = Path(folder).relative_to(old)
        for name in sorted([*files, *subfolders]):
            relative = place / name
            source, target = old / relative, new / relative
            if source.is_dir() and not source.is_symlink() and not target.is_file():
                continue  # What is in it comes later.
            written = [] if relative.as_posix() in beside else (known or {}).get(relative.as_posix(), [])
            ours = written and source.is_file() and not source.is_symlink() and file_digest(source) in written
            replaced = target.exists() and (_same(source, target) or (known is None and of_before))
            if relative == Path(DIGESTS) or ours or replaced:
                continue
            if target.exists() or written:
                target = _other_name(target, old / place)
                kept.append((relative, target.relative_to(new)))
            _make_folders(old, new, place)
            _link(source, target)
            if name in subfolders:
                subfolders.remove(name)
        if not subfolders and not files:
            _make_folders(old, new, place)
    _give_modes(old, new, ours=folders_of_ours)
    return kept


def _make_folders(old: Path, new: Path, place: Path) -> None:
    """Make the folder `place` in `new`, and those that it lies in, each as private as it is in `old`."""
    for relative in (*reversed(place.parents), place):
        if not (new / relative).exists():
            # We have to be able to write in it; `_give_modes` gives the very mode.
            (new / relative).mkdir(stat.S_IMODE((old / relative).stat().st_mode) | 0o700)


def _give_modes(old: Path, new: Path, ours: AbstractSet[Path]) -> None:
    """Give each subfolder the mode that it has in `old`, and its times too where it is none of `ours`."""
    for folder, _, _ in os.walk(old, topdown=False):
        source, target = Path(folder), new / Path(folder).relative_to(old)
        if source == old or target.is_symlink() or not target.is_dir():
            continue
        if target in ours:
            target.chmod(stat.S_IMODE(source.stat().st_mode) | 0o700)
        else:
            shutil.copystat(source, target)


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and file_digest(one) == file_digest(other)


def _other_name(path: Path, beside: Path) -> Path:
    """`topics.changed.csv`, or with a number where that is taken, here or in the folder `beside`."""
    number = 1
    while True:
        name = f"{path.stem}.changed{number if number > 1 else ''}{path.suffix}"
        if not (path.with_name(name).exists() or (beside / name).exists()):
            return path.with_name(name)
        number += 1


def _link(source: Path, target: Path) -> None:
    """Let `target` be the same file or a folder of the same files; a copy where the file system has no links."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=lambda one, other: _link(Path(one), Path(other)))
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
