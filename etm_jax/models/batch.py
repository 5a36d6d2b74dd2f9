"""What a model is given of some documents."""

from typing import NamedTuple

from etm_jax.ops.sparse import Array, Pattern


class Batch(NamedTuple):
    """B documents, the last of which may be padding.

    counts, inputs: [N], at the nonzeros: word counts, and what the encoder reads. real: [B], 1 for a
    document and 0 for padding. On a grid of devices the first two are [D, W, N], as the arrays of the pattern.

    extras: metadata by field, [B] each: numbers and dates (days since 1970-01-01) as floats, NaN for none; categories
    as int32 codes, −1 for none (`etm_jax.corpus.metadata`). A document that is padding has none. So a loss that reads
    a field has to choose by `jnp.isnan`, or by the code, before it computes with it.
    """

    counts: Array
    inputs: Array
    pattern: Pattern
    real: Array
    extras: dict[str, Array] = {}  # noqa: RUF012 - an empty pytree, which nobody fills
