"""Semi-amortised inference: from the encoder's guess, a document's δ climbs its own posterior under the topics.

After Kim et al. 2018, Semi-Amortized Variational Autoencoders, arXiv 1802.02550, with Newton steps in place of gradient
steps. Shapes: B documents, V words, K topics, N nonzeros of the batch.
"""

import jax
import jax.numpy as jnp

from etm_jax.ops import sparse

DAMPING = 0.7
"""Share of each step that is taken: the curvature in use is that of each δ_k alone."""

LEAST_CURVATURE = 0.3
"""The least that a curvature counts for, as a share of its bound: the true one can be 0 or less.

At 0.1 documents swing to and fro; at 1, which is EM's own pace, two steps leave three times as much to climb.
"""

LARGEST_GAP = 3.0
"""Beyond this distance the gap has no gradient, or a few odd documents would move the encoder most."""


def refine(
    delta: jax.Array,
    rows: jax.Array,
    counts: sparse.Array,
    pattern: sparse.Pattern,
    centre: jax.Array | float,
    variance: float,
    steps: int,
    weights: jax.Array | float = 1.0,
) -> tuple[jax.Array, jax.Array]:
    """Newton steps from `delta` up log p(x | softmax(δ), β) + log N(δ; m, s²I), m the centre and s² the variance.

    delta: [B, K], counts: [N], rows: [N, L], what each nonzero's word has in the topics, as of
    `etm_jax.ops.sparse.word_rows`, centre: [B, K] or 0 → δ [B, K], and the bound of its curvature at its last step
    [B, K], both constants to any gradient. A document without words goes to the centre. weights: [B, K], what the
    topics' words weigh in each document, p(w | θ) ∝ Σ_k θ_k weights_k β_kw; what else a word has there changes nothing.

    With z_w = p(z=k | w, θ), r = Σ_w x_w z_w the words that topic k explains, and n the document's length, the gradient
    is r − nθ − (δ − m)/s², and the curvature nθ(1 − θ) − Σ_w x_w z_w (1 − z_w) + 1/s², which max(r, nθ) + 1/s² bounds.
    """
    delta, rows, counts, centre, weights = jax.lax.stop_gradient((delta, rows, jnp.asarray(counts), centre, weights))
    squares = rows**2
    length, num_topics = sparse.sum_rows(counts, pattern)[:, None], delta.shape[1]

    def step(_: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta = carry[0]
        theta = jax.nn.softmax(delta, axis=-1)
        weighted = theta * weights
        px = sparse.dot_rows(weighted, rows, pattern)
        # A word that no topic holds in this precision says nothing about θ.
        inverse = jnp.where(px > 0, 1 / jnp.maximum(px, jnp.finfo(px.dtype).tiny), 0)
        # The square of a smaller one's inverse is infinite; left out, the curvature is the smaller, and has its least.
        inverse_square = jnp.where(px > 1e-15, inverse, 0) ** 2
        sums, sums_of_squares = sparse.weigh_rows(pattern, (counts * inverse, rows), (counts * inverse_square, squares))
        explained = weighted * sums[:, :num_topics]
        squared = weighted**2 * sums_of_squares[:, :num_topics]
        expected = length * theta
        gradient = explained - expected - (delta - centre) / variance
        bound = jnp.maximum(explained, expected) + 1 / variance
        curvature = expected * (1 - theta) - explained + squared + 1 / variance
        return delta + DAMPING * gradient / jnp.maximum(curvature, LEAST_CURVATURE * bound), bound

    return jax.lax.fori_loop(0, steps, step, (delta, jnp.ones_like(delta)))


def amortization_gap(mu: jax.Array, refined: jax.Array, curvature: jax.Array) -> jax.Array:
    """½ Σ_k curvature_k (mu_k − refined_k)² per document, what the encoder's mean misses: [B, K] → [B], nats.

    The distance is cut at `LARGEST_GAP`; beyond it there is no gradient.
    """
    distance = jnp.clip(mu - refined, -LARGEST_GAP, LARGEST_GAP)
    return 0.5 * (curvature * distance**2).sum(-1)
