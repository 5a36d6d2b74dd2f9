"""Programs that are compiled while a run still makes what they will compute with: its vectors, and where it starts."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax

from etm_jax.util.machine import return_freed_memory

Call = tuple[Any, tuple[Any, ...]]
"""A function of `jax.jit`, and the arguments of a call, of which `jax.ShapeDtypeStruct` is enough."""


def prepare_jax() -> Future[None]:
    """In a thread, let JAX find its devices and compile what draws keys, as well while a corpus is read as after it.

    That takes seconds on an accelerator, a quarter of one on CPUs. What goes wrong is raised where JAX is next used.
    """

    def draw() -> None:
        training, _ = jax.random.split(jax.random.key(0))
        jax.random.fold_in(training, 0)

    pool = ThreadPoolExecutor(1, "prepare")
    done = pool.submit(draw)
    pool.shutdown(wait=False)
    return done


class CompiledAhead:
    """Functions of `jax.jit` that a thread compiles, one after the other, for when they are called.

    That has to be with arguments given in the same way, of the same shapes and types: others are compiled as ever.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "compile")
        self._compiled: dict[Any, Future[None]] = {}

    def start(self, calls: Callable[[], Iterable[Call]], programs: Iterable[Any]) -> None:
        """Compile these programs, in this order, as the thread finds that they are called."""
        found: Future[dict[Any, tuple[Any, ...]]] = self._pool.submit(lambda: dict(calls()))

        def compiled(program: Any) -> None:
            if program in found.result():
                program.lower(*found.result()[program]).compile()
                return_freed_memory()

        self._compiled = {program: self._pool.submit(compiled, program) for program in programs}

    def wait(self, program: Any) -> None:
        """Wait until this program is compiled: if it were called before, it would be compiled twice at once.

        What goes wrong is not raised here. It is where the program is called, which others report.
        """
        if compiled := self._compiled.pop(program, None):
            compiled.exception()

    def close(self) -> None:
        """Compile none but the one that has been begun, and wait for that."""
        self._pool.shutdown(cancel_futures=True)
