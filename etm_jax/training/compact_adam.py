"""Adam as an optax transformation whose moments of the words' matrices are compact."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from etm_jax.ops import compact_moments
from etm_jax.ops.fused_adam import B1, B2, EPS, LARGEST_MOVE
from etm_jax.ops.mesh import AxisOf


def scale_by_compact_adam(axis_of: AxisOf) -> optax.GradientTransformation:
    """optax's `scale_by_adam`, with `compact_moments` of each matrix that has an axis of words: [V, H] or [H, V].

    Its state is optax's, with the moments where they are there: on a mesh of devices they lie as their matrix does.
    axis_of: from an array's path in the parameters to its axis of words.
    """

    def compact_axis(path: Any, leaf: jax.Array) -> int | None:
        vocab = axis_of(path)
        return vocab.axis if vocab and leaf.ndim == 2 else None

    def by_leaf(make: Callable[..., jax.Array], *trees: Any) -> Any:
        """`make` of each array's axis of words and of what the trees have there."""
        return jax.tree.map_with_path(lambda path, leaf, *more: make(compact_axis(path, leaf), leaf, *more), *trees)

    def init(params: Any) -> optax.ScaleByAdamState:
        mu, nu = by_leaf(_no_first, params), by_leaf(_no_second, params)
        return optax.ScaleByAdamState(jnp.zeros((), jnp.int32), mu, nu)

    def update(grads: Any, state: optax.ScaleByAdamState, params: Any = None) -> tuple[Any, optax.ScaleByAdamState]:
        count = optax.safe_increment(state.count)
        mu, nu = by_leaf(_first, grads, state.mu), by_leaf(_second, grads, state.nu)

        def step(axis: int | None, grad: jax.Array, mu: jax.Array, nu: jax.Array) -> jax.Array:
            first = mu if axis is None else compact_moments.from_bits(mu, grad.dtype)
            move = (first / (1 - B1**count)) / (jnp.sqrt(nu / (1 - B2**count)) + EPS)
            return move if axis is None else jnp.clip(move, -LARGEST_MOVE, LARGEST_MOVE)

        return by_leaf(step, grads, mu, nu), optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


def _no_first(axis: int | None, param: jax.Array) -> jax.Array:
    return jnp.zeros(param.shape, param.dtype if axis is None else compact_moments.BITS)


def _no_second(axis: int | None, param: jax.Array) -> jax.Array:
    return jnp.zeros_like(param if axis is None else compact_moments.mean_square(param, axis))


def _first(axis: int | None, grad: jax.Array, mu: jax.Array) -> jax.Array:
    if axis is None:
        return B1 * mu + (1 - B1) * grad
    return compact_moments.to_bits(B1 * compact_moments.from_bits(mu, grad.dtype) + (1 - B1) * grad)


def _second(axis: int | None, grad: jax.Array, nu: jax.Array) -> jax.Array:
    square = jnp.square(grad) if axis is None else compact_moments.mean_square(grad, axis)
    return B2 * nu + (1 - B2) * square
