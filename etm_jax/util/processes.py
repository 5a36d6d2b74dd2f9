"""Processes that work for this one: they leave signals to it, and end when it does, even by `kill -9`."""

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a command to end: by Ctrl-C, by `kill` or a scheduler, by a terminal that is closed."""

Submit = Callable[..., Future[Any]]


@contextmanager
def process_pool(processes: int) -> Iterator[Submit]:
    """Yield a function that calls another with arguments in one of so many spawned processes.

    Where the block ends by an error, or by a signal, the processes are killed, whatever they are at. A call whose
    process is killed by someone else raises BrokenProcessPool.
    """
    with _for_workers():
        pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), end_with_parent)
    before = set(multiprocessing.active_children())

    def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        with spawning():
            return pool.submit(function, *arguments)

    try:
        yield submit
        pool.shutdown()
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        pool.shutdown(cancel_futures=True)


@contextmanager
def spawning() -> Iterator[None]:
    """Within the block, processes that are spawned see an empty `__main__`, and no signal of `STOPPING` reaches them.

    A spawned process imports its parent's `__main__` again. Ours need nothing from it; it may import JAX, or be a
    script without the `if __name__ == "__main__"` that this would require.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        with _for_workers():
            yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _for_workers() -> Iterator[None]:
    """Block the signals of `STOPPING`, which processes that are started inherit: they come to the parent afterwards.

    Ctrl-C and a closed terminal send them to all processes of a command at once. A worker would answer with a
    traceback, and its end would look like that of one which ran out of memory.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(*_: object) -> None:
    """Let this process, a worker, end as soon as its parent has ended, however that was. To be called as it starts."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def end() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end, name="parent", daemon=True).start()
