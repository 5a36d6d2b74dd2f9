"""The evaluators by name, in the order of the table."""

from collections.abc import Iterator
from importlib import import_module
from typing import cast

from etm_jax.metrics.evaluator import Evaluator

EVALUATORS: dict[str, str | Evaluator] = {
    "coherence": "etm_jax.metrics.coherence:evaluate",
    "topics": "etm_jax.metrics.topics:evaluate",
    "posterior": "etm_jax.metrics.posterior:evaluate",
    "perplexity": "etm_jax.metrics.perplexity:evaluate",
    "labels": "etm_jax.metrics.labels:evaluate",
}


def evaluators() -> Iterator[Evaluator]:
    """All evaluators, in order. Each module is imported only when its evaluator is reached."""
    for found in EVALUATORS.values():
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            yield cast(Evaluator, getattr(import_module(module), attribute))
        else:
            yield found
