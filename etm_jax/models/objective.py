"""The terms of the negative evidence lower bound, per document, in nats. Lower is better.

Shapes: B documents, V words, K topics, N nonzeros of the batch.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from etm_jax.config.settings import ObjectiveConfig
from etm_jax.ops import sparse


class Sums(NamedTuple):
    """Sums over the documents of a batch, in nats; divide by `docs` once, on the host."""

    recon: jax.Array
    kl: jax.Array
    docs: jax.Array


def kl_divergence(mu: jax.Array, logvar: jax.Array, prior_variance: float = 1.0) -> jax.Array:
    """KL(q‖N(0, s²I)) per document, s² the prior variance. mu, logvar: [B, K] → [B], nats, at least 0.

    ½ Σ_k (exp(logvar)/s² + μ²/s² − 1 − logvar + log s²): the closed form of the KL in the ELBO of Dieng et al.
    2020, Algorithm 1, where s² = 1.
    """
    terms = (jnp.exp(logvar) + mu**2) / prior_variance - 1 - logvar + jnp.log(prior_variance)
    return 0.5 * terms.sum(-1)


def log_px_nonzero(
    theta: jax.Array, beta: jax.Array, pattern: sparse.Pattern, eps: float = 0.0, shift: sparse.Array | None = None
) -> jax.Array:
    """log(Σ_k θ_k β_kw + eps) at the nonzeros. theta: [B, K], beta: [K, V] → [N], nats. Dieng et al. 2020, Algorithm 1.

    shift: [N], by whose exponential Σ_k θ_k β_kw is multiplied, as of `etm_jax.models.content`; None for 0.

    eps: 0 as the paper writes it; both published codes use 1e-6, and TopMost 1e-12. Without it a word that no topic
    holds in this precision has the logarithm of the smallest normal number, and gradient 0.

    Exact without the other words: the softmax over V belongs to a topic, not to a document. In probabilities rather
    than their logarithms, whose rounding is as many times larger as a logarithm is than 1.
    """
    px = sparse.sddmm(theta, beta.T, pattern)
    px = (px if shift is None else px * jnp.exp(shift)) + eps
    # A word that no topic holds in this precision has no gradient to give, but what it gives must be a number.
    return jnp.log(jnp.maximum(px, jnp.finfo(px.dtype).tiny))


def reconstruction(
    theta: jax.Array,
    beta: jax.Array,
    counts: sparse.Array,
    pattern: sparse.Pattern,
    config: ObjectiveConfig,
    shift: sparse.Array | None = None,
) -> jax.Array:
    """−log p(x | θ) per document by the chosen criterion. theta: [B, K], beta: [K, V], counts: [N] → [B], nats.

    shift: as of `log_px_nonzero`; for cross_entropy without `renormalize` alone.

    cross_entropy: −Σ_w x_w log p_w, as in Dieng et al. 2020, Algorithm 1; `renormalize` divides θβ + eps by its sum
    over V, as zll17/Neural_Topic_Models does. bce_softmax and bce_sigmoid: Σ_w of the binary cross entropy of word w's
    presence against p_w, where p is θβ + eps divided by its sum, or σ(log(θβ + eps)). zll17/Neural_Topic_Models feeds
    them the counts themselves, which are no target where one is above 1.
    """
    eps, vocab_size = config.likelihood_eps, pattern.num_words(beta.shape[1])
    log_px = log_px_nonzero(theta, beta, pattern, eps, shift)
    # log_softmax of log(θβ + eps) over V subtracts a constant, since Σ_v (θβ)_v = 1.
    log_total = jnp.log1p(vocab_size * eps)
    if config.criterion == "cross_entropy":
        log_likelihood = counts * (log_px - log_total if config.renormalize else log_px)
        return -sparse.sum_rows(log_likelihood, pattern)
    px = theta @ beta
    present = (counts > 0).astype(log_px.dtype)
    if config.criterion == "bce_softmax":
        log_p = log_px - log_total
        log_odds = log_p - jnp.log1p(-jnp.exp(log_p))
        absent = partial(_log_absent_of_share, eps=eps, total=jnp.exp(log_total))
    else:
        log_odds = log_px
        absent = partial(_log_absent_of_odds, eps=eps)
    # Columns that only fill up a mesh of devices hold nothing, and add that of a word without probability.
    padding = (beta.shape[1] - vocab_size) * absent(jnp.zeros((), px.dtype))
    return padding - absent(px).sum(-1) - sparse.sum_rows(present * log_odds, pattern)


def _log_absent_of_share(px: jax.Array, eps: float, total: jax.Array) -> jax.Array:
    return jnp.log1p(-(px + eps) / total)


def _log_absent_of_odds(px: jax.Array, eps: float) -> jax.Array:
    return -jnp.log1p(px + eps)


def reconstruction_from_logits(
    logits: jax.Array, counts: sparse.Array, pattern: sparse.Pattern, config: ObjectiveConfig
) -> jax.Array:
    """−log p(x | θ) per document by the chosen criterion, where p(w | θ) is no mixture of topics: [B], nats.

    As zll17/Neural_Topic_Models' GSM. logits: [B, V]. counts: [N]. cross_entropy: −Σ_w x_w log p_w, p the softmax of
    the logits. bce_softmax and bce_sigmoid: Σ_w of the binary cross entropy of word w's presence against that softmax
    or the logits' sigmoid.
    """
    x = sparse.to_dense(jnp.asarray(counts), pattern)
    if config.criterion == "bce_sigmoid":
        return bce_from_logits(logits, jnp.minimum(x, 1))
    log_p = jax.nn.log_softmax(logits, axis=-1)
    if config.criterion == "cross_entropy":
        return -(x * log_p).sum(-1)
    # Where p rounds to 1, log(1 − p) would be −∞.
    largest = 1 - jnp.finfo(log_p.dtype).eps
    log_absent = jnp.log1p(-jnp.minimum(jnp.exp(log_p), largest))
    return -jnp.where(x > 0, log_p, log_absent).sum(-1)


def bce_from_logits(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Binary cross entropy of the logits' sigmoid, summed over the last axis. targets: in [0, 1]. [B, V] → [B], nats.

    −t log σ(l) − (1 − t) log(1 − σ(l)) = softplus(l) − t·l, which neither overflows nor rounds to log 0.
    """
    return (jax.nn.softplus(logits) - targets * logits).sum(-1)


def seed_loss(beta: jax.Array, columns: tuple[tuple[int, ...], ...]) -> jax.Array:
    """Σ_k −log Σ_w β_kw over the topics k that have seed words w: scalar, nats, at least 0.

    beta: [K, V]; columns: the seed words of topics 0, 1, …, none for a free one. Ours. It is 0 where these topics hold
    no other word; a topic's words need not all be probable.
    """
    shares = [beta[k, jnp.array(words)].sum() for k, words in enumerate(columns) if words]
    return -jnp.log(jnp.maximum(jnp.stack(shares), jnp.finfo(beta.dtype).tiny)).sum()


def topic_overlap(beta: jax.Array) -> jax.Array:
    """Σ_{j≠k} BC(β_j, β_k)² / K, BC the Bhattacharyya coefficient Σ_v √(β_jv β_kv). beta: [K, V] → scalar, no unit.

    Ours; no published ETM has it. 0 where no two topics share a word, K − 1 where all are the same.
    """
    # At 0 the root has no derivative. Words first, as β is made: on CPU three times as fast.
    root = jnp.sqrt(jnp.maximum(beta.T, jnp.finfo(beta.dtype).tiny))
    gram = _gram(root)
    return ((gram**2).sum() - (jnp.diagonal(gram) ** 2).sum()) / beta.shape[0]


@jax.custom_vjp
def _gram(columns: jax.Array) -> jax.Array:
    """xᵀx: [V, K] → [K, K]."""
    return columns.T @ columns


# x · (g + gᵀ) is one product of the size of the vocabulary; autodiff, which sees two factors, takes two.
_gram.defvjp(lambda x: (_gram(x), x), lambda x, grad: (x @ (grad + grad.T),))


def total_loss(
    terms: Mapping[str, jax.Array], real: jax.Array, config: ObjectiveConfig, scale: jax.Array | None = None
) -> tuple[jax.Array, Sums]:
    """The scalar that training minimises, in nats, and the batch's sums.

    terms: as of `TopicModel.loss_terms`, [B] of each document or scalars; real: [B], 1 for a document, 0 for padding.
    scale: scalar, as of `TopicModel.documents_scale`; None for 1.

    The negative ELBO of Dieng et al. 2020, Algorithm 1, by one sample a document, its KL weighted by `kl_weight`; a
    mean or a sum over the documents as `reduction` says, plus the scalar terms. A term counts with the weight that the
    settings have for it, 1 where they have none.
    """
    weights = {"kl": config.kl_weight, "overlap": config.overlap_weight or 0.0, "seed": config.seed_weight}
    gather_documents = {name: (real * term).sum() for name, term in terms.items() if term.ndim}
    sums = Sums(gather_documents["recon"], gather_documents["kl"], real.sum())
    loss = gather_documents.pop("recon")
    for name, term in gather_documents.items():
        loss = loss + weights.get(name, 1.0) * term
    if config.reduction == "mean":
        loss = loss / sums.docs
    if scale is not None:
        loss = loss * scale
    for name, term in terms.items():
        if not term.ndim:
            loss = loss + weights.get(name, 1.0) * term
    return loss, sums
