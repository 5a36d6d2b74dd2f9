"""What `benchmarks.ceilings` times: pieces of a step, and how."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

REPETITIONS = 9


class Piece(NamedTuple):
    """A part of the step. megabytes: that must move at least; megaflops: additions and multiplications of matrices."""

    name: str
    seconds: float
    megabytes: float = 0.0
    megaflops: float = 0.0


def seconds_of(call: Callable[[], Any]) -> float:
    """The median time of a call, once it is compiled."""
    import jax

    jax.block_until_ready(call())
    times = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def host_seconds_of(call: Callable[[], Any]) -> float:
    """The same of what is done when it returns."""
    times = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
