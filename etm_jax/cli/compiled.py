"""What XLA has compiled, kept in a folder between runs. Whatever is wrong with that folder, only speed is lost."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import jax

from etm_jax.util.console import warn
from etm_jax.util.digests import DIGESTS, FolderDigests, file_digest, file_digests
from etm_jax.util.disk import cache_folder, free_space, sweep
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable, replace_text
from etm_jax.util.machine import processor_name

ENOUGH = 1 << 20
"""Bytes on the disk below which a program is unlikely to find room."""

MOST = 256 << 20
"""Bytes of the folder that nobody has named. The programs of the demo take half a million."""


@contextmanager
def programs_kept(cache: str = "") -> Iterator[None]:
    """Within the block JAX keeps its compiled programs in the folder `cache`, and takes them from there.

    "" stands for a folder among the user's caches, of at most `MOST` bytes, or for what JAX was told by its own
    JAX_COMPILATION_CACHE_DIR; "none" for none. Those of another processor are in a folder of their own, as its
    instructions may be missing here. A program whose file has changed since is deleted. Raises UserError where a folder
    that was named can never be written to.
    """
    if cache == "none":
        jax.config.update("jax_compilation_cache_dir", None)
        yield
        return
    folder = _named(cache) if cache else _default()
    if folder is None:
        yield
        return
    _drop_changed(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX's own limit, a second, leaves out most of our programs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    with warnings.catch_warnings():
        # JAX compiles what it cannot read, and warns of each program, as it does where it cannot write.
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
        try:
            yield
        finally:
            if not cache:
                sweep(folder.parent, MOST)
            _drop_changed(folder)


def _named(cache: str) -> Path | None:
    """The folder for this processor in one that was asked for; None where it cannot be made now."""
    folder = Path(cache).expanduser() / processor_name()
    check_writable(folder.parent, "compilation_cache")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        warn(f"--compilation_cache={cache} cannot be used ({error.strerror}); programs are compiled again")
        return None
    if free_space(folder) < ENOUGH:
        warn(f"the disk of --compilation_cache={cache} is full; programs that are not there are compiled each time")
    return folder


def _default() -> Path | None:
    """The same among the user's caches. Nobody asked for it: where it cannot be, nothing is said."""
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return None
    with suppress(OSError, UserError):
        folder = cache_folder() / "programs" / processor_name()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK) and free_space(folder) >= MOST:
            return folder
    return None


def _drop_changed(folder: Path) -> None:
    """Delete the programs whose files are not as they were last seen, and note down how the others are."""
    with suppress(OSError, UserError):
        for name, seen in FolderDigests(folder).known_or_none().items():
            path = folder / name
            if path.is_file() and file_digest(path) not in seen:
                path.unlink()
        replace_text(folder / DIGESTS, file_digests(folder))
