"""The files of a folder. A link in it that leads outside is not followed unless asked: whoever made the folder could
have whatever the reader may read become part of the corpus.
"""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from etm_jax.util.console import is_silenced, warn
from etm_jax.util.errors import UserError

FOLLOW = "--follow_links follows them"


def files_in(folder: Path, is_wanted: Callable[[Path], bool], follow_links: bool) -> tuple[list[Path], int]:
    """The wanted files in a folder and the folders inside it, sorted, and how many links were left.

    is_wanted: of a path relative to `folder`. A file is listed once, however many links lead to it inside the folder,
    by its own name where that is wanted. follow_links: go where links lead, each folder once; else those that lead
    outside are left. Hidden folders are not entered. `folder` may be a link itself.
    """
    base = folder.resolve()
    entered, found, links, left = {base}, dict[Path, Path](), list[tuple[Path, Path]](), 0
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place)
        for name in sorted(folders):
            path = here / name
            real, outside = path.resolve(), not path.resolve().is_relative_to(base)
            left += outside and path.is_symlink() and not name.startswith(".") and not follow_links
            # What a link inside the folder leads to is found at its own place. A link to a folder above has no end.
            linked = path.is_symlink() and (not outside or not follow_links)
            if linked or name.startswith(".") or real in entered:
                folders.remove(name)
            entered.add(real)
        for path in (here / name for name in names):
            if is_wanted(path.relative_to(folder)) and path.is_file():
                real = path.resolve()
                if not path.is_symlink():
                    found[real] = path
                elif follow_links or real.is_relative_to(base):
                    links.append((real, path))
                else:
                    left += 1
    for real, path in sorted(links):
        found.setdefault(real, path)
    return sorted(found.values()), left


def files_named(pattern: str, follow_links: bool) -> tuple[list[Path], int]:
    """The files that a pattern such as news/**/*.txt names, sorted, and how many links were left.

    As in `files_in`: of links those are left that lead outside the folder before the first wildcard. What the pattern
    names without one is taken as it is.
    """
    pattern = str(Path(pattern).expanduser())
    paths = sorted(path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file())  # noqa: PTH207
    fixed = list(_before_wildcard(Path(pattern).parts))
    if follow_links or len(fixed) == len(Path(pattern).parts):
        return paths, 0
    base = Path(*fixed).resolve()
    inside = [path for path in paths if path.resolve().is_relative_to(base)]
    return inside, len(paths) - len(inside)


def check_inside(folder: Path, files: Iterable[Path], follow_links: bool) -> None:
    """Raise UserError where a file of a folder is a link that leads outside it, unless links are to be followed."""
    base = folder.resolve()
    outside = next((path for path in files if not path.resolve().is_relative_to(base)), None)
    if outside is not None and not follow_links:
        raise UserError(
            f"{outside} is a link that leads outside {folder}; look whether you want what it leads to, and give "
            "--follow_links, or copy the file there"
        )


def tell_left(folder: str, left: int) -> None:
    """Say how many links of a folder were left, once however often it is looked at."""
    if left and not is_silenced():
        _tell_once(folder, left)


@lru_cache(maxsize=64)
def _tell_once(folder: str, left: int) -> None:
    warn(f"links in {folder} that lead outside it were left: {left:,}; {FOLLOW}")


def _before_wildcard(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if glob.has_magic(part):
            return
        yield part
