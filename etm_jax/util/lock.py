"""A lock that lets one process at a time use the folder of a run."""

import errno
import fcntl
import json
import os
import shlex
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from etm_jax.util.disk import written
from etm_jax.util.errors import UserError

NAME = ".lock"

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of a file system without locks, where runs are not locked."""


@contextmanager
def locked(folder: Path, flag: str = "workdir") -> Iterator[None]:
    """Hold the lock of `folder` within the block. The folder is made, and removed again if it stays empty.

    The system releases a lock when its process ends, even if it is killed; only the file remains. flag: the flag that
    named the folder. Raises UserError, which names the other process, where one holds the lock, and where the disk is
    full.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    file = None
    try:
        with written(folder / NAME):
            folder.mkdir(parents=True, exist_ok=True)
            file = _lock(folder, flag)
        yield
    finally:
        if file:
            (folder / NAME).unlink(missing_ok=True)
            file.close()
        else:
            _remove_unheld(folder / NAME)
        for place in made:
            try:
                place.rmdir()
            except OSError:
                break


def hold(descriptor: int, path: Path, required: bool = True) -> bool:
    """Lock an open file, and say whether it is still the one at `path`, which another process may have removed.

    It is locked until its last descriptor is closed, at the latest when the process ends. required: whether OSError is
    raised where the file system has no locks. Raises BlockingIOError where it is locked already.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if required or error.errno not in _UNSUPPORTED:
            raise
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _lock(folder: Path, flag: str) -> IO[str]:
    """The locked file. Raises UserError if another process holds the lock."""
    while True:
        file = _open(folder, flag)
        try:
            if hold(file.fileno(), folder / NAME):
                _sign(file)
                return file
            file.close()  # The process that held the lock has just ended and removed the file.
        except BlockingIOError:
            file.seek(0)
            holder = _holder(file.read())
            file.close()
            raise UserError(
                f"--{flag}={folder} is in use by {holder}; wait for it to end, stop it, or give another --{flag}"
            ) from None
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return file
            file.close()
            raise
        except BaseException:  # Ctrl-C or SIGTERM, which can come at any time.
            file.close()
            raise


def _open(folder: Path, flag: str) -> IO[str]:
    """The lock file, which is made. Raises UserError where a link is in its place: another's file would be written."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode) and about.st_nlink <= 1:
            return os.fdopen(descriptor, "r+", encoding="utf-8")
        os.close(descriptor)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    raise UserError(f"--{flag}={folder}: {NAME} in it is a link; remove it, or give another --{flag}")


def _sign(file: IO[str]) -> None:
    """Write into a lock file, opened to append, which process holds it. Raises OSError."""
    since = datetime.now().isoformat(" ", "seconds")
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    about = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": command}
    # Past the buffer, which a full disk would leave to be written again as the file is closed.
    os.truncate(file.fileno(), 0)
    os.write(file.fileno(), json.dumps(about).encode())


def _remove_unheld(path: Path) -> None:
    """Remove a lock file that this process could not lock, unless another process holds it."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except OSError:
        pass


def _holder(text: str) -> str:
    """The process that a lock file names, for an error."""
    try:
        about = json.loads(text)
        place = "" if about["host"] == socket.gethostname() else f" on {about['host']}"
        return f"process {about['pid']}{place} since {about['since']} ({about['command']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
