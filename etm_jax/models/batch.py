"""What a model is given of some documents."""

from typing import NamedTuple

from etm_jax.ops.sparse import Array, Pattern


class Batch(NamedTuple):
    """B documents, the last of which may be padding.

    counts, inputs: [N], at the nonzeros: word counts, and what the encoder reads. real: [B], 1 for a
    document and 0 for padding. On a grid of devices the first two are [D, W, N], as the arrays of the pattern.
    """

    counts: Array
    inputs: Array
    pattern: Pattern
    real: Array
