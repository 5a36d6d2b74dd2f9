"""One MLIR context for many of the programs that JAX lowers.

JAX makes a context for each program, which takes four milliseconds of the processor, as long as all else of lowering a
small one; the tests lower tens of thousands. What a program's constants hold stays in its context, so that a new one is
made now and then. Other threads have contexts of their own.
"""

import threading
from typing import Any

PROGRAMS = 100
"""That share a context, at most."""


class _Kept(threading.local):
    context: Any = None
    left = 0


def share_contexts() -> None:
    """Have JAX take a context again that it has made in this thread, where its version makes them as those known do."""
    from jax._src.interpreters import mlir

    make, kept = getattr(mlir, "make_ir_context", None), _Kept()
    if make is None:
        return

    def shared() -> Any:
        if not kept.left:
            kept.context, kept.left = make(), PROGRAMS
        kept.left -= 1
        return kept.context

    mlir.make_ir_context = shared
