"""Gaussian random walks over periods: what lies in a row of time, and moves a little from one to the next.

Shapes: T periods.
"""

import jax
import jax.numpy as jnp
import numpy as np


def walk_loss(points: jax.Array, steps: np.ndarray, variance: float) -> jax.Array:
    """−log p of a walk's steps, up to a constant: Σ_t |x_t − x_{t−1}|² / (2 variance steps_t): scalar, nats.

    points: [T, …]; steps: [T − 1], how far a period is from the one before; variance: of a step of length 1.
    """
    moved = ((points[1:] - points[:-1]) ** 2).reshape(len(steps), -1).sum(axis=1)
    return 0.5 * (moved / jnp.asarray(steps, moved.dtype)).sum() / variance


def with_mean(points: jax.Array) -> jax.Array:
    """The points, and their mean behind the last, for what is of no period: [T, …] → [T + 1, …]."""
    return jnp.concatenate([points, points.mean(axis=0, keepdims=True)])
