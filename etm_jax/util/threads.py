"""Work that threads share, whose result does not depend on how many there are."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """Yield function(item) for each of the items, in their order.

    It pays where the function leaves Python's lock, as numpy and scipy do with large arrays. Libraries have one thread
    in each of ours, since sums in another order would round otherwise. Two results a core are kept at most until they
    are asked for.
    """
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController()

    def limited(item: S) -> T:
        # For OpenMP, whose limits are those of the thread that sets them.
        with libraries.limit(limits=1):
            return function(item)

    ahead: deque[Future[T]] = deque()
    with libraries.limit(limits=1), ThreadPoolExecutor(cores()) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(limited, item))
                if len(ahead) > 2 * cores():
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
