"""Steps that an accelerator takes together: starting a program there takes longer than a small step does."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import jax
import numpy as np

from etm_jax.models.batch import Batch
from etm_jax.models.objective import Sums
from etm_jax.training.steps import Spec, TrainState, train_step

Step = Callable[[TrainState, Batch, jax.Array, Spec], tuple[TrainState, Sums]]

TOGETHER = 16
"""Steps of one program: docs/performance.md has what they take on a GPU, by one, 8 and 16."""

MANY_STEPS = 2_000
"""Where fewer are left, compiling one more program takes longer than it saves."""


def steps_together(steps_left: int, num_seeds: int, on_mesh: bool) -> int:
    """How many steps go to the device at a time. A CPU computes from when it is told, and gains nothing by more."""
    one_by_one = jax.default_backend() == "cpu" or num_seeds > 1 or on_mesh or steps_left < MANY_STEPS
    return 1 if one_by_one else TOGETHER


def groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """So many batches at a time, in their order; fewer at the end, and where those that follow have another shape."""
    group: list[Batch] = []
    for batch in batches:
        if group and batch.counts.shape != group[0].counts.shape:
            yield group
            group = []
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def train_group(
    step: Step, state: TrainState, group: list[Batch], key: jax.Array, spec: Spec, size: int
) -> tuple[TrainState, list[Sums]]:
    """What `step` does for each batch in turn: the state after the last, and the sums of each.

    step: `train_step`, or `train_steps` of several seeds. size: of `steps_together`. Only groups of so many batches are
    one program: others would each need one of their own.
    """
    if size > 1 and len(group) == size:
        return _scanned(state, jax.tree.map(lambda *parts: np.stack(parts), *group), key, spec)
    sums = []
    for batch in group:
        state, of_step = step(state, batch, key, spec)
        sums.append(of_step)
    return state, sums


@partial(jax.jit, static_argnames="spec", donate_argnames="state")
def _scanned(state: TrainState, batches: Batch, key: jax.Array, spec: Spec) -> tuple[TrainState, list[Sums]]:
    state, sums = jax.lax.scan(lambda state, batch: train_step(state, batch, key, spec), state, batches)
    # Apart here, since taking an array apart outside is a program for each number.
    return state, [Sums(*of_step) for of_step in zip(*sums, strict=True)]
