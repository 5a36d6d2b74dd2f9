"""When a training step waits for its input: a queue of batches between those who read and one who trains."""

from collections.abc import Sequence

import numpy as np

STEPS = 20_000


def starved_share(
    load: float, variation: float, depth: int, workers: int = 1, num_steps: int = STEPS, seed: int = 0
) -> float:
    """The share of the time of training that a step waits for its batch.

    load: time to read a batch, by all workers together, over the time of a step; at 1 reading is just fast enough on
    average. variation: standard deviation of a batch's reading time over its mean, drawn by a gamma distribution.
    depth: batches that may wait, those being read included. workers: that read side by side, each `workers` times as
    long; batches are taken in their order. A step always takes the same time.
    """
    rng = np.random.default_rng(seed)
    mean = load * workers
    reading = np.full(num_steps, mean)
    if variation:
        shape = 1 / variation**2
        reading = rng.gamma(shape, mean / shape, num_steps)
    free = [0.0] * workers  # when each worker has delivered its last batch
    taken = np.zeros(num_steps)  # when each step began
    now = 0.0
    for step in range(num_steps):
        worker = step % workers
        # A batch is begun when its worker is free and there is room for it.
        room = taken[step - depth] if step >= depth else 0.0
        free[worker] = max(free[worker], room) + reading[step]
        taken[step] = max(now, free[worker])
        now = taken[step] + 1.0
    return 1.0 - num_steps / now


def table(loads: Sequence[float], kinds: Sequence[tuple[float, int, int]]) -> list[list[str]]:
    """A line for each of (variation, depth, workers): the starved share at each load."""
    return [
        [f"{variation:g}", f"{depth}", f"{workers}"]
        + [f"{starved_share(load, variation, depth, workers):.1%}" for load in loads]
        for variation, depth, workers in kinds
    ]
