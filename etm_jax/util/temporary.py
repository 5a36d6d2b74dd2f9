"""Temporary files and folders beside what they are to replace, and the removal of those that killed processes left.

Each has a name that nobody else has or can foresee, and is opened only where nothing is there, so that neither another
process nor a prepared link can come between. Whoever fills one holds its lock, which the system releases with the
process: what is unlocked was left behind.
"""

import os
import re
import secrets
import shutil
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etm_jax.util.lock import hold

LONGEST_NAME = 255
"""Longest file name in bytes; common file systems allow no longer one."""

LOCK = "lock"
"""Of a temporary folder, inside it: some file systems lock files alone."""

TARGET, OLD = "target", "old"
"""Of a temporary folder, inside it: the name of the folder that it is to replace, and that folder, moved away."""

_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
_OURS = re.compile(r"\..+\.([0-9a-f]{8})-[0-9a-f]{16}\.etm_jax", re.DOTALL)

_SECONDS_OF_OTHERS = 24 * 3600
"""For how long what another machine wrote last is left alone: not all network file systems show its locks here."""


@contextmanager
def temporary_file(target: Path, mode: int = 0o666) -> Iterator[tuple[Path, int]]:
    """Yield a new file in the folder of `target`, and its descriptor; what is still there afterwards is removed.

    mode: of the file, of which the umask takes its share. Raises OSError where it cannot be made.
    """
    while True:
        path = name_beside(target)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if _is_held(descriptor, path):
            break
    try:
        yield path, descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def temporary_folder(target: Path, mode: int = 0o777) -> Iterator[Path]:
    """Yield a new folder beside `target`, in which only the file `LOCK` is; it is removed afterwards.

    mode: of the folder, of which the umask takes its share. Raises OSError where it cannot be made.
    """
    while True:
        path = name_beside(target)
        path.mkdir(mode)
        with suppress(FileNotFoundError):  # Another process took it for one that was left.
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            if _is_held(descriptor, path / LOCK):
                break
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def sweep(folder: Path, alone: bool = False) -> None:
    """Remove the temporary files and folders in `folder` that killed processes left; what cannot be removed stays.

    alone: whether no other process writes there now, so that all of them were left.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        left = [(Path(entry.path), ours[1]) for entry in entries if (ours := _OURS.fullmatch(entry.name))]
        for path, host in left:
            with suppress(OSError):
                _remove_left(path, host == _HOST, alone)


def _remove_left(path: Path, of_this_host: bool, alone: bool) -> None:
    """Remove a temporary file or folder. Raises OSError where another process holds it, or it cannot be removed."""
    if not (of_this_host or alone or time.time() - path.lstat().st_mtime > _SECONDS_OF_OTHERS):
        return
    is_folder = path.is_dir() and not path.is_symlink()
    lock, flags = (path / LOCK, os.O_CREAT) if is_folder else (path, 0)
    descriptor = None if alone else os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o666)
    try:
        if descriptor is not None:
            hold(descriptor, lock)
        if is_folder:
            _put_back(path)
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _put_back(left: Path) -> None:
    """Put a folder back whose writer was killed when it had moved it away and not yet put the new one there."""
    with suppress(OSError, UnicodeDecodeError):
        target = left.parent / os.fsdecode((left / TARGET).read_bytes())
        if target.parent == left.parent and not os.path.lexists(target):
            (left / OLD).rename(target)


def _is_held(descriptor: int, path: Path) -> bool:
    """Lock a file that was just made; closes it where a process that sweeps had it first, and removes it."""
    held = False
    with suppress(BlockingIOError):
        held = hold(descriptor, path, required=False)
    if not held:
        os.close(descriptor)
    return held


def name_beside(target: Path) -> Path:
    """A hidden path in the same folder that nothing has."""
    mark = f"{_HOST}-{secrets.token_hex(8)}.etm_jax"
    name = f".{target.name}.{mark}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{zlib.crc32(os.fsencode(target.name)):08x}.{mark}"
    return target.with_name(name)
