"""Several processes that train as one. The main process alone writes; the others read what it has written.

JAX's own runtime connects them, and its collectives are how they agree. All see the same --workdir.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import jax
import numpy as np

from etm_jax.config.settings import RunOptions
from etm_jax.training.joining import check_joining, first_line, join
from etm_jax.training.signals import Stopped
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

EXIT_LOST = 75
"""The exit status where another process is gone: what BSD calls a temporary failure. Start them all again."""


def is_main_process() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def is_multiprocess() -> bool:
    """Whether this process is one of several that are connected."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def all_gather(values: np.ndarray | int) -> np.ndarray:
    """Each process's values, all of the same shape: [P, …]. Every process takes part in it."""
    if not is_multiprocess():
        return np.asarray(values)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.asarray(values)))


def on_main_process(action: Callable[[], None], task: str) -> None:
    """Call `action` on the main process alone. Raises UserError on all processes where it does so there.

    task: what it does, for the message of the others, as in `could not save`.
    """
    failure = None
    if is_main_process():
        try:
            action()
        except UserError as error:
            failure = error
    if all_gather(int(failure is not None)).any():
        raise failure or UserError(f"the first process of this job could not {task}; its own message says why")


_released = False


def release_others(failed: bool = False) -> None:
    """Let the processes that `await_main_process` start too, or with `failed` end. Later calls do nothing."""
    global _released
    if is_multiprocess() and is_main_process() and not _released:
        _released = True
        all_gather(int(failed))


def await_main_process() -> None:
    """Wait until the main process calls `release_others`. Raises UserError where it failed."""
    if all_gather(0).any():
        raise UserError("the first process of this job could not start; its own message says why")


@contextmanager
def distributed(options: RunOptions) -> Iterator[None]:
    """Within the block this process is one of those that --distributed, or the environment, speaks of.

    Raises UserError where they cannot be connected, and for flags of theirs where this is no such process. Where they
    have not come in --connect_timeout, this process ends with status 2 at once; where one of them is gone, with
    `EXIT_LOST`.
    """
    several = options.distributed or environment_is_multiprocess()
    check_joining(options, several)
    if not several:
        yield
        return
    given = {
        "coordinator_address": options.coordinator or None,
        "num_processes": options.num_processes or _number("JAX_NUM_PROCESSES"),
        "process_id": options.process_id if options.process_id >= 0 else _number("JAX_PROCESS_ID"),
    }
    with _libraries_on_stderr():
        join(given, options.connect_timeout)
        yield from _connected()


def _connected() -> Iterator[None]:
    try:
        yield
    except (UserError, Stopped):
        # Either before the others have started, or in all of them at once.
        release_others(failed=True)
        leave()
        raise
    except BaseException as error:
        if not jax.distributed.is_initialized():
            # The others have left: this is the main process's own affair.
            raise
        # Where a number is fetched that another process was to send, jaxlib raises a plain ValueError.
        if isinstance(error, jax.errors.JaxRuntimeError) or "gloo" in str(error).lower():
            _exit_lost(
                f"another process of this job is gone, or cannot be reached ({first_line(error)}); start all of them "
                "again, and they resume from the newest checkpoint"
            )
        _exit_lost(f"this process failed, and with it the job:\n{traceback.format_exc()}")
    leave()


def leave() -> None:
    """Disconnect, all processes at once. What was computed stays; what lies on others' devices is out of reach."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def _exit_lost(message: str) -> NoReturn:
    """End this process at once: an orderly end would wait for the others, who may be gone or wait for this one."""
    note(*f"error: {message}".split("\n"))
    sys.stdout.flush()
    os._exit(EXIT_LOST)


@contextmanager
def _libraries_on_stderr() -> Iterator[None]:
    """Within the block what libraries in C++ print goes to stderr: gloo prints on stdout to whom it has connected."""
    sys.stdout.flush()
    ours, sink = os.dup(1), sys.stdout
    os.dup2(2, 1)
    sys.stdout = os.fdopen(ours, "w", encoding=sink.encoding, errors=sink.errors)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(ours, 1)
        sys.stdout.close()
        sys.stdout = sink


def environment_is_multiprocess() -> bool:
    """Whether what started this process says that it is one of several."""
    sizes = ("JAX_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    return any((_number(name) or 1) > 1 for name in sizes) or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else None
