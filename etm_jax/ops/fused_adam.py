"""Adam's step of a kernel [V, H] that a sparse input meets, most of all parameters, in blocks of rows.

Its gradient is xᵀ·d, x the sparse input and d the gradient of its output, [B, H]. Stored whole it would be one
more array of V×H, written and read again, where a block of it stays in the processor's cache. Step by step the same as
optax's Adam, or as `etm_jax.training.compact_adam`. V words, H units, B documents, N nonzeros.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from etm_jax.ops import compact_moments, sparse
from etm_jax.ops.mesh import DOCS, REPLICATED, TILES, WORDS

BLOCK_BYTES = 2**21
"""Of one array's rows at once: three of them, and what they are made from, fit into a cache of usual size."""

WHOLE_BYTES = 2**24
"""An array up to so large is one block: XLA shares the work on it among the cores, which it does not do in a loop."""

B1, B2, EPS = 0.9, 0.999, 1e-8
"""Adam's, as optax and torch have them."""

LARGEST_MOVE = (1 - B1) / (1 - B2) ** 0.5
"""Of a weight in a step, in step sizes: Adam's own bound (section 2.1). With one second moment a word it is kept by
clipping: of a gradient that is all in one of H weights the move would be up to √H times as large.
"""

T = TypeVar("T")


class Weights(NamedTuple):
    """The layer's weights and Adam's two moments of them: [V, H] each.

    Of `compact_moments` mu is bits, and nu is [V, 1].
    """

    kernel: jax.Array
    mu: jax.Array
    nu: jax.Array


def take(tree: object, path: tuple[str, ...]) -> list[jax.Array]:
    """The leaves at the path of a kernel: one of parameters; the two moments of Adam's state, mu before nu."""
    return [leaf for at, leaf in jax.tree.leaves_with_path(tree) if _ends_with(at, path)]


def put(tree: T, path: tuple[str, ...], leaves: Sequence[jax.Array]) -> T:
    """The tree with these in place of what `take` gives."""
    left = iter(leaves)
    return jax.tree.map_with_path(lambda at, leaf: next(left) if _ends_with(at, path) else leaf, tree)


def without(tree: T, path: tuple[str, ...]) -> T:
    """The tree with empty arrays in place of what `take` gives."""
    return put(tree, path, [jnp.zeros(0)] * len(take(tree, path)))


def _ends_with(at: tuple[Any, ...], path: tuple[str, ...]) -> bool:
    return at[-len(path) :] == tuple(map(jax.tree_util.DictKey, path))


def adam_step(
    weights: Weights,
    values: sparse.Array,
    pattern: sparse.Pattern,
    grad: jax.Array,
    count: jax.Array,
    rate: jax.Array,
    decay: float,
    finite: jax.Array,
) -> Weights:
    """One step by the gradient xᵀ·d + decay · W. Kingma and Ba 2015, arXiv 1412.6980, Algorithm 1.

    values: [N], x at the nonzeros of `pattern`; grad: d, [B, H]; count: scalar, the steps up to this one; rate:
    scalar, the step size; finite: boolean scalar, false for no step at all.
    """

    def local(
        tile: sparse.Pattern, weights: Weights, values: jax.Array, grad: jax.Array, *scalars: jax.Array
    ) -> Weights:
        vocab_size, width = weights.kernel.shape
        row_bytes = width * weights.kernel.dtype.itemsize
        rows = vocab_size if vocab_size * row_bytes <= WHOLE_BYTES else max(1, BLOCK_BYTES // row_bytes)
        return jax.lax.platform_dependent(
            weights,
            *sparse.all_gather_documents(pattern.layout, tile, values, grad),
            *scalars,
            cpu=partial(_by_blocks, rows=rows, decay=decay),
            # Elsewhere a block would be too little work for the device.
            default=partial(_by_blocks, rows=vocab_size, decay=decay),
        )

    scalars = [(REPLICATED, scalar) for scalar in (count, rate, finite)]
    return sparse.by_tile(local, pattern, WORDS, (WORDS, weights), (TILES, values), (DOCS, grad), *scalars)


def _by_blocks(
    weights: Weights,
    transposed: sparse.Csr,
    grad: jax.Array,
    count: jax.Array,
    rate: jax.Array,
    finite: jax.Array,
    rows: int,
    decay: float,
) -> Weights:
    vocab_size = weights.kernel.shape[0]
    unbias1, unbias2 = 1 - B1**count, 1 - B2**count
    is_compact = weights.mu.dtype == compact_moments.BITS

    def first(mu: jax.Array) -> jax.Array:
        return compact_moments.from_bits(mu, weights.kernel.dtype) if is_compact else mu

    def kept(mu: jax.Array) -> jax.Array:
        return compact_moments.to_bits(mu) if is_compact else mu

    def square(grad: jax.Array) -> jax.Array:
        return compact_moments.mean_square(grad, axis=-2) if is_compact else grad**2

    def block(start: jax.Array | int, size: int, all_of: Weights) -> Weights:
        def of(array: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(array, (start, 0), (size, array.shape[1]))

        def with_block(array: jax.Array, values: jax.Array) -> jax.Array:
            return jax.lax.dynamic_update_slice(array, values, (start, 0))

        of_block = sparse.spmm_rows(transposed, grad, start, size)
        if decay > 0:
            of_block = of_block + decay * of(all_of.kernel)
        # The weights' step reads the moments that were written, not those that it would write: else XLA, which computes
        # things twice rather than keep them, would need the old moments once more and copy both arrays for each block.
        # From jax 0.12 on it sees through that without the barrier; the barrier alone does not keep it from copying.
        old_mu, old_nu, old = of(all_of.mu), of(all_of.nu), of(all_of.kernel)
        mu = with_block(all_of.mu, jnp.where(finite, kept(B1 * first(old_mu) + (1 - B1) * of_block), old_mu))
        nu = with_block(all_of.nu, jnp.where(finite, B2 * old_nu + (1 - B2) * square(of_block), old_nu))
        if size < vocab_size:
            mu, nu = jax.lax.optimization_barrier((mu, nu))
        step = (first(of(mu)) / unbias1) / (jnp.sqrt(of(nu) / unbias2) + EPS)
        step = jnp.clip(step, -LARGEST_MOVE, LARGEST_MOVE) if is_compact else step
        return Weights(with_block(all_of.kernel, jnp.where(finite, old - rate * step, old)), mu, nu)

    whole, rest = divmod(vocab_size, rows)
    weights = jax.lax.fori_loop(0, whole, lambda i, all_of: block(i * rows, rows, all_of), weights)
    return block(whole * rows, rest, weights) if rest else weights
