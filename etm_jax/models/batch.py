"""What a model is given of some documents."""

from typing import NamedTuple

from etm_jax.ops.sparse import Array, Pattern


class Batch(NamedTuple):
    """B documents, the last of which may be padding.

    counts, inputs: [N], at the nonzeros: word counts, and what the encoder reads. real: [B], 1 for a
    document and 0 for padding. On a mesh of devices the first two are [P, Q, N], as the arrays of the pattern.

    extras: metadata by field, [B] each: numbers and dates (days since 1970-01-01) as floats, NaN for none; categories
    as int32 codes, −1 for none (`etm_jax.corpus.metadata`). So a loss that reads a field which some documents lack has
    to choose by `jnp.isnan`, or by the code, before it computes with it. Padding has 0, or −1 for a code.

    present: [P] int32, of a model whose documents come in groups (`TopicModelKind.group_of`): those that the batch
    has documents of, the last of them again where they are fewer than P.

    context: [B, C], the documents' vectors of --context, of a model that is given them; padding has zeros.
    """

    counts: Array
    inputs: Array
    pattern: Pattern
    real: Array
    extras: dict[str, Array] = {}  # noqa: RUF012 - an empty pytree, which nobody fills
    present: Array | None = None
    context: Array | None = None
