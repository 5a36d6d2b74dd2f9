"""Adam's moments of a matrix with a row for each word, in a quarter of the memory.

The first moment is kept as the bits of a bfloat16. It moves by a tenth of its distance to the gradient at each step,
which is far more than the 0.4% by which neighbours in bfloat16 differ: it stands still only within some 4% of the
gradient. The second moves by a thousandth, which a bfloat16 would lose: of it there is one number a word in single
precision, the mean over the word's weights, as Adam-mini has it for embeddings (Zhang et al. 2024, arXiv 2406.16793).

The bits are integers: of an array of bfloat16 itself XLA's code for CPUs converts the whole, however little of it is
read.
"""

import jax
import jax.numpy as jnp

BITS = jnp.dtype(jnp.uint16)
"""Of a compact first moment. No other array of a state has it."""


def to_bits(values: jax.Array) -> jax.Array:
    """The nearest bfloat16 of each number, ties to even, as `BITS` of the same shape."""
    rounded = jax.lax.reduce_precision(values.astype(jnp.float32), exponent_bits=8, mantissa_bits=7)
    return (jax.lax.bitcast_convert_type(rounded, jnp.uint32) >> 16).astype(BITS)


def from_bits(bits: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """The numbers that `to_bits` rounded to, exactly, in a wider type."""
    return jax.lax.bitcast_convert_type(bits.astype(jnp.uint32) << 16, jnp.float32).astype(dtype)


def mean_square(grad: jax.Array, axis: int) -> jax.Array:
    """The mean square of each word's gradient, on an axis of 1 beside that of the words: [V, H] → [V, 1].

    axis: that of the words, −2 or −1, of a matrix.
    """
    return jnp.mean(jnp.square(grad), axis=-3 - axis, keepdims=True)
