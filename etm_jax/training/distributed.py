"""Several processes that train as one. The first leads: it alone writes; the others follow what it has written.

JAX's own runtime joins them, and its collectives are what they agree by. All see the same --workdir.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import jax
import numpy as np

from etm_jax.config.settings import RunOptions
from etm_jax.training.signals import Stopped
from etm_jax.util.errors import UserError

HEARTBEAT_SECONDS = 20
"""Without one for so long a process is taken for dead, and ends the others."""


def is_main_process() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def is_multiprocess() -> bool:
    """Whether there are others, that have not parted yet."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def all_gather(values: np.ndarray | int) -> np.ndarray:
    """Each process's values, all of the same shape: [P, …]. Every process takes part in it."""
    if not is_multiprocess():
        return np.asarray(values)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.asarray(values)))


_gone_ahead = False


def go_ahead(failed: bool = False) -> None:
    """Tell those that `wait` to go on, or that they need not; once for all."""
    global _gone_ahead
    if is_multiprocess() and is_main_process() and not _gone_ahead:
        _gone_ahead = True
        all_gather(int(failed))


def wait() -> None:
    """Wait for the first process's `go_ahead`. Raises UserError where it failed."""
    if all_gather(0).any():
        raise UserError("the first process of this job could not begin; its own message says why")


EXIT_LOST = 75
"""The exit status where another process is gone: what BSD calls a temporary failure. Start them all again."""


@contextmanager
def joined(options: RunOptions) -> Iterator[None]:
    """Within the block this process is one of those that --distributed, or the environment, speaks of.

    Raises UserError where they cannot be joined, and where one of them is gone.
    """
    if not (options.distributed or environment_says_several()):
        yield
        return
    given = {
        "coordinator_address": options.coordinator or None,
        "num_processes": options.num_processes or _number("JAX_NUM_PROCESSES"),
        "process_id": options.process_id if options.process_id >= 0 else _number("JAX_PROCESS_ID"),
    }
    with _results_alone_on_stdout():
        yield from _joined(given)


def _joined(given: dict[str, Any]) -> Iterator[None]:
    try:
        jax.distributed.initialize(**given, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"--distributed could not join the other processes ({_first_line(error)}); start each with "
            "--coordinator=HOST:PORT, --num_processes=N and its own --process_id=0 to N-1, or by srun, mpirun or on "
            "the hosts of a TPU slice"
        ) from error
    try:
        yield
    except (UserError, Stopped):
        # Either before the others have begun, or in all of them at once.
        go_ahead(failed=True)
        part()
        raise
    except BaseException as error:
        if not jax.distributed.is_initialized():
            # They have parted: this is the first process's own affair.
            raise
        # Where a number is fetched that another process was to send, jaxlib raises a plain ValueError.
        if isinstance(error, jax.errors.JaxRuntimeError) or "gloo" in str(error).lower():
            _leave(
                f"another process of this job is gone, or cannot be reached ({_first_line(error)}); start all of them "
                "again, and they go on from the newest checkpoint"
            )
        _leave(f"this process failed, and with it the job:\n{traceback.format_exc()}")
    part()


def _leave(told: str) -> NoReturn:
    """End this process at once: an orderly end would wait for the others, who may be gone or wait for this one."""
    print(f"error: {told}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(EXIT_LOST)


@contextmanager
def _results_alone_on_stdout() -> Iterator[None]:
    """Within the block what libraries in C++ print goes to stderr: gloo says on stdout whom it has met."""
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


def part() -> None:
    """Go on alone, all of them at once. What was computed stays; what lies on others' devices is out of reach."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200]


def environment_says_several() -> bool:
    """Whether what started this process says that it is one of several."""
    sizes = ("JAX_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    return any((_number(name) or 1) > 1 for name in sizes) or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def _number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() else None
