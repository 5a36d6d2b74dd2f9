"""Work that threads share, whose result does not depend on how many there are."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

S = TypeVar("S")
T = TypeVar("T")


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def libraries() -> "ThreadpoolController":
    """The libraries in this process that have threads of their own (BLAS, OpenMP), to be limited.

    Looking through all that is loaded takes milliseconds, and a run asks dozens of times: it is done once, and again
    after something has been imported, which may have brought another library.
    """
    return _libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _libraries(_modules: int) -> "ThreadpoolController":
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def in_threads(function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """Yield function(item) for each of the items, in their order.

    It pays where the function leaves Python's lock, as numpy and scipy do with large arrays. Libraries have one thread
    in each of ours, since sums in another order would round otherwise. Two results a core are kept at most until they
    are asked for.
    """
    found = libraries()

    def limited(item: S) -> T:
        # For OpenMP, whose limits are those of the thread that sets them.
        with found.limit(limits=1):
            return function(item)

    ahead: deque[Future[T]] = deque()
    with found.limit(limits=1), ThreadPoolExecutor(cores()) as pool:
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
