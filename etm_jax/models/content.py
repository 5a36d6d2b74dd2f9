"""The words of a topic differ by group of documents: β_kg = softmax_v(ρ_v·α_k + b_v + s_gv), s the group's shifts.

s_gv = ρ_v·a_g + b_gv less its mean over groups: a direction in the space of the words, and deviations of single words,
most of them 0. As in SAGE (Eisenstein, Ahmed, Xing 2011) and SCHOLAR (Card, Tan, Smith 2018, arXiv 1705.09296), whose
deviations are sparse, without theirs by topic and group.

No array of [G, K, V] is needed: β_kgv = β_kv exp(s_gv) / Z_kg, Z = β exp(s)ᵀ, and so a document of group g has
p(w | θ) = exp(s_gw) Σ_k (θ_k / Z_kg) β_kw. Shapes: B documents of a batch, V words, K topics, L embedding size,
G groups, N nonzeros of the batch.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.corpus.metadata import MISSING_CODE, MetaColumn
from etm_jax.corpus.types import Corpus
from etm_jax.ops import sparse
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

MOST_GROUPS = 20
"""Of a field whose groups have words of their own: a table of more says nothing side by side."""

DEAD_ZONE = 0.05
"""A deviation counts from here on: what the optimiser's steps move about 0 is none.

A word's probability in a group by it is 5% more, which no table shows.
"""

DIRECTION_WEIGHT = 1.5
"""Standard deviations that all words of a group together are off, along ρ, before it has a direction a_g.

At 1 what chance alone brings about would be none: the length of a vector of many numbers hardly varies. Words come in
bursts, so that chance brings more.
"""


class Scaling(NamedTuple):
    """What follows from the documents to train on. share: [G], of the words in documents with a group.

    spread: [V, G], the standard deviation of a word's count in a group, were all groups alike. reach: [G], the length
    of the likelihood's gradient by a_g that chance brings about then, √(Σ_v spread_gv² |ρ_v|²), ρ as it starts.
    num_docs: scalar, the documents to train on.
    """

    share: np.ndarray
    spread: np.ndarray
    reach: np.ndarray
    num_docs: np.ndarray


class GroupTerms(NamedTuple):
    """What documents' groups make of p(w | θ): exp(shift_w) Σ_k θ_k weights_k β_kw.

    weights: [B, K], 1 / Z_kg; shift: [N], s_gw at the nonzeros. Without a group they are 1 and 0.
    """

    weights: jax.Array
    shift: sparse.Array


def check_groups(column: MetaColumn) -> None:
    """Raise UserError where a field has no groups whose words can be set side by side."""
    flag = f"--content={column.name}"
    if column.kind != "category":
        raise UserError(f"{flag} is to be a field of categories, and {column.describe()} is none; give another field")
    if len(column.levels) == 1:
        raise UserError(
            f"{flag} is {column.levels[0]!r} in all documents to train on, so that there is nothing to compare; "
            "leave it out"
        )
    if len(column.levels) > MOST_GROUPS:
        raise UserError(
            f"{flag} has {len(column.levels):,} groups, and at most {MOST_GROUPS} can be compared; give a coarser field"
        )


def measure(column: MetaColumn, corpus: Corpus, rho: np.ndarray) -> Scaling:
    """The scaling for a corpus. rho: [V, L], as training starts.

    An L1 penalty of c √E_gv on b_gv, E the occurrences of a word that a group is expected to have, leaves b_gv at 0
    until the word's count lies c standard deviations off: as the lasso has it with columns of one variance. One
    occurrence is added, or a word that a group hardly has would cost nothing.
    """
    counts, num_docs = corpus.train.counts, len(corpus.train)
    group = column.encode(corpus.train.meta[column.name])
    present = group != MISSING_CODE
    if not present.all():
        note(
            f"{(~present).sum():,} of {num_docs:,} documents to train on lack {column.name}; they have the words of "
            "the topics themselves"
        )
    lengths = np.asarray(counts.sum(axis=1), np.float64).ravel()
    words = np.bincount(group[present], lengths[present], len(column.levels))
    share = words / max(words.sum(), 1)
    # Of a corpus of shards `train` is a sample.
    scale = corpus.num_train / max(num_docs, 1)
    occurrences = scale * np.asarray(counts[np.flatnonzero(present)].sum(axis=0), np.float64).ravel()
    spread = np.sqrt(np.outer(occurrences, share) + 1)
    as_float = np.float32 if jnp.result_type(float) == jnp.float32 else np.float64
    reach = np.sqrt((np.asarray(rho, np.float64) ** 2).sum(axis=1) @ spread**2)
    of_all = np.asarray(corpus.num_train, as_float)
    return Scaling(share.astype(as_float), spread.astype(as_float), reach.astype(as_float), of_all)


@jax.custom_vjp
def deviations(stored: jax.Array) -> jax.Array:
    """What deviations count for: `stored` less DEAD_ZONE towards 0, and exactly 0 within it. Any shape.

    The gradient passes as if nothing were taken away, so that one that is 0 can still move: where it comes to rest,
    the likelihood's gradient and the penalty's are those of the lasso at the value that counts.
    """
    return jnp.sign(stored) * jnp.maximum(jnp.abs(stored) - DEAD_ZONE, 0)


deviations.defvjp(lambda stored: (deviations(stored), None), lambda _, grad: (grad,))


def stored_deviations(counted: np.ndarray) -> np.ndarray:
    """What `deviations` makes these of: its inverse, 0 for 0."""
    return np.asarray(counted + np.sign(counted) * counted.dtype.type(DEAD_ZONE))


def shifts(rho: jax.Array, directions: jax.Array, stored: jax.Array, share: jax.Array) -> jax.Array:
    """s: [V, G]. rho: [V, L]; directions: a, [G, L]; stored: of b, [V, G]; share: [G].

    Less the mean over groups by their share of the text: the topics themselves are then what groups have in common. ρ
    gets no gradient from here, or it would say of each word which group has it, and nothing would be sparse.
    """
    both = jax.lax.stop_gradient(rho) @ directions.T + deviations(stored)
    return both - (both @ share)[:, None]


def totals(beta: jax.Array, shifts: jax.Array) -> jax.Array:
    """Z: beta [K, V], shifts [V, G] → [K, G]."""
    return beta @ jnp.exp(shifts)


def topic_weights(beta: jax.Array, shifts: jax.Array, codes: sparse.Array) -> jax.Array:
    """1 / Z of each document's group, 1 without one: beta [K, V], shifts [V, G], codes [B] → [B, K]."""
    member = _member(codes, shifts)
    return member @ (1 / totals(beta, shifts)).T + (1 - member.sum(axis=1, keepdims=True))


def group_terms(beta: jax.Array, shifts: jax.Array, codes: sparse.Array, pattern: sparse.Pattern) -> GroupTerms:
    """As `GroupTerms` says. beta: [K, V]; shifts: [V, G]; codes: [B], −1 for no group."""
    groups = jnp.asarray(codes).astype(jnp.int32)
    return GroupTerms(topic_weights(beta, shifts, codes), sparse.gather_groups(shifts, groups, pattern))


def _member(codes: sparse.Array, shifts: jax.Array) -> jax.Array:
    """[B, G], 1 at a document's group."""
    return (jnp.asarray(codes)[:, None] == jnp.arange(shifts.shape[1])[None]).astype(shifts.dtype)


def content_loss(
    directions: jax.Array, stored: jax.Array, weight: float, spread: jax.Array, reach: jax.Array, num_docs: jax.Array
) -> jax.Array:
    """−log of the prior of a and b a document, up to a constant: scalar, nats.

    b_gv ~ Laplace of scale 1 / (weight · spread_gv), as `measure` says. a_g has the density of a group lasso, ∝
    exp(−DIRECTION_WEIGHT · reach_g |a_g|), so that it too stays at 0 until chance does not explain it.
    """
    # At 0 the root has no derivative.
    length = jnp.sqrt((directions**2).sum(axis=1) + 1e-12)
    return (weight * (spread * jnp.abs(stored)).sum() + DIRECTION_WEIGHT * (reach * length).sum()) / num_docs
