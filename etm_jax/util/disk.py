"""What the system says of a disk while something is written to it, for people."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etm_jax.util.errors import UserError


def check_name(path: Path) -> None:
    """Raise UserError where no file or folder can have this path: with a NUL character, or a name that is too long."""
    if "\0" in str(path):
        raise UserError(f"{path} has a NUL character, which no name can have; give another path")
    # 255 bytes on all common file systems; the system itself may say less, or more.
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            shown = f"{str(path)[:40]}…{str(path)[-20:]}" if len(str(path)) > 80 else path
            raise UserError(f"{shown} is too long a name for this file system; give a shorter path") from error


def given_path(path: object) -> Path:
    """A path that a caller gave, `~` expanded. Raises UserError where it is none, or nothing can have it."""
    if not isinstance(path, str | os.PathLike):
        raise UserError(f"path={path!r} is no path; give a str or a pathlib.Path")
    try:
        place = Path(path).expanduser()
    except (TypeError, RuntimeError) as error:
        raise UserError(f"path={path!r} is no path ({error}); give another") from error
    check_name(place)
    return place


def cache_folder() -> Path:
    """What is kept between runs is there: $ETM_JAX_CACHE, else `etm_jax` in the user's folder of caches.

    Raises UserError where the user has no home.
    """
    given = os.environ.get("ETM_JAX_CACHE")
    try:
        return Path(given or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / ("" if given else "etm_jax")
    except RuntimeError as error:
        raise UserError(f"there is no folder for caches ({error}); set ETM_JAX_CACHE to one") from error


def sweep(folder: Path, most: int) -> None:
    """Delete what was used longest ago until at most `most` bytes are left in a folder and those in it."""
    with suppress(OSError):
        # A file system that does not note when files are read leaves those that were written last.
        files = [(max(seen.st_atime, seen.st_mtime), seen.st_size, path) for path in folder.rglob("*")
                 if path.is_file() and (seen := path.stat())]  # fmt: skip
        left = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if left <= most:
                return
            path.unlink(missing_ok=True)
            left -= size


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into a UserError that names it, and the free space on a full disk."""
    check_name(path)
    try:
        yield
    except OSError as error:
        # numpy reports a full disk as an OSError without errno.
        full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
        room = f" ({free_space(path) / 2**20:,.1f} MiB are free there); make room, or" if full else ";"
        raise UserError(f"{path} cannot be written: {error.strerror or error}{room} give another path") from error


def free_space(path: Path) -> int:
    """Free bytes on the file system of `path`, which need not exist."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free
