"""Arrays of a state on disk. This file alone uses Orbax."""

import gc
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import CoroutineType
from typing import Any, TypeVar, cast

import jax
import numpy as np
import orbax.checkpoint as ocp

T = TypeVar("T")

ORBAX = str(ocp.__version__)
"""The version of Orbax that writes here."""

SECONDS_BETWEEN_REPORTS, MOST_REPORTS = 0.25, 40
"""After a failure, how often to look whether what is still under way has ended, and how many times at most."""

BYTES_A_FOLDER, BYTES_AN_ARRAY = 64 * 1024, 4096
"""Room that Orbax's own files take besides the numbers, at most: measured on blocks of 4 KiB with 5 to 200 arrays."""


class ArraysError(Exception):
    """Orbax could not write or read arrays. The message is one line."""


def write_arrays(folder: Path, arrays: dict[str, Any]) -> None:
    """Write a tree of arrays into `folder`, which is made. Raises ArraysError."""

    def write() -> None:
        with _checkpointer() as writer:
            writer.save(folder.resolve(), args=ocp.args.StandardSave(jax.tree.map(np.asarray, arrays)))

    _quietly(write)


def room_for(arrays: dict[str, Any]) -> int:
    """Bytes that `write_arrays` needs on a disk, were nothing of these arrays compressed."""
    leaves = jax.tree.leaves(arrays)
    return sum(leaf.nbytes for leaf in leaves) + BYTES_AN_ARRAY * len(leaves) + BYTES_A_FOLDER


def read_arrays(folder: Path, like: dict[str, Any]) -> dict[str, Any]:
    """The tree of arrays that `write_arrays` wrote. like: a tree of the same shapes and dtypes. Raises ArraysError."""
    # Before anything is read: where JAX finds no device, it is not the folder that is wrong.
    abstract = jax.tree.map(abstract_array, like)

    def read() -> dict[str, Any]:
        with _checkpointer() as reader:
            found = reader.restore(folder.resolve(), args=ocp.args.StandardRestore(abstract))
        return cast(dict[str, Any], found)

    return _quietly(read)


def abstract_array(leaf: jax.Array | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """Where to restore an array: as `leaf` lies, or on the first device, wherever it was when it was saved."""
    sharding = leaf.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _checkpointer() -> ocp.Checkpointer:
    """One that waits for no other process: the main process alone saves, and each restores for itself."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.Checkpointer(ocp.StandardCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)


def _is_under_way() -> bool:
    """Whether a coroutine of Orbax is still there, which waits for an array that another thread reads or writes."""
    return any(isinstance(one, CoroutineType) and "orbax" in one.cr_code.co_filename for one in gc.get_objects())


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in logging.Formatter().format(record)


def _quietly(action: Callable[[], T]) -> T:
    """Call `action`. Where it fails, one error is raised, and none of what Orbax's threads and coroutines log is shown.

    They report through `sys.unraisablehook`, warnings and two loggers, all of which are as before in the end, but that
    asyncio's logger is never to show what is Orbax's: on a busy machine some of it comes late. Raises ArraysError,
    without Orbax's traceback: that would keep coroutines alive, which complain when they are collected.
    """
    reason, reports = "", 0
    hook, loggers = sys.unraisablehook, [logging.getLogger(name) for name in ("absl", "asyncio")]
    disabled = [logger.disabled for logger in loggers]

    def ours(unraisable: "sys.UnraisableHookArgs") -> None:
        nonlocal reports
        code = getattr(unraisable.object, "cr_code", None)
        if (code and "orbax" in code.co_filename) or str(unraisable.exc_value) == "Event loop is closed":
            reports += 1
        else:
            hook(unraisable)

    try:
        sys.unraisablehook = ours
        for logger in loggers:
            logger.disabled = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            try:
                return action()
            except Exception as error:  # Orbax raises whatever the library below it says, of a full disk too.
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            # Of the arrays that were written at once, one has failed: wait for what the others report to a closed loop.
            for _ in range(MOST_REPORTS):
                before = reports
                gc.collect()
                if reports == before and not _is_under_way():
                    break
                time.sleep(SECONDS_BETWEEN_REPORTS)
            logging.getLogger("asyncio").addFilter(_is_not_of_orbax)
    finally:
        sys.unraisablehook = hook
        for logger, was in zip(loggers, disabled, strict=True):
            logger.disabled = was
    raise ArraysError(reason)
