"""What is known of a document moves its topics before a word of it is read: δ ~ N(γ₀ + Γᵀx, s²I), x its metadata.

As in the structural topic model (Roberts, Stewart, Airoldi 2016), whose prior has one covariance for all; here
it is `prior_variance` in every topic. Shapes: B documents, P columns of the formula, K topics.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.formula import parse_formula
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Corpus
from etm_jax.models.design import Design
from etm_jax.ops import sparse
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

NO_VARIATION = 1e30
"""In place of a standard deviation of 0: the column is then 0 everywhere. Weights that are not finite are refused."""


class Scaling(NamedTuple):
    """By which columns have mean 0 and variance 1 over the documents to train on. mean, deviation: [P].

    num_docs: scalar, the documents to train on.
    """

    mean: np.ndarray
    deviation: np.ndarray
    num_docs: np.ndarray


def design_of(formula: str, metadata: Metadata) -> Design:
    """The design of --prevalence. metadata: at least the fields that the formula reads, with their quantiles."""
    parsed = parse_formula(formula)
    return Design(parsed, metadata.only(parsed.fields))


def measure(design: Design, corpus: Corpus) -> Scaling:
    """The scaling for a corpus. Raises UserError where the formula cannot be fitted to its documents.

    A column that is the same in all documents, as of two categories that never meet, is 0 everywhere.
    """
    num_docs, names = len(corpus.train), design.column_names
    if len(names) >= num_docs:
        raise UserError(
            f"--prevalence makes {len(names):,} columns, and there are {num_docs:,} documents to train on; leave out "
            "fields of many categories, or give more documents"
        )
    extras = corpus.metadata.only(design.formula.fields).encode(corpus.train.meta, num_docs)
    columns = np.asarray(design.columns({name: jnp.asarray(x) for name, x in extras.items()}), np.float64)
    missing = np.isnan(columns).any(axis=1)
    if missing.any():
        note(
            f"{missing.sum():,} of {num_docs:,} documents to train on lack a value that --prevalence reads; the mean "
            "stands for it"
        )
    present = np.maximum((~np.isnan(columns)).sum(axis=0), 1)
    mean = np.nansum(columns, axis=0) / present
    apart = np.nan_to_num(columns - mean)
    deviation = np.sqrt((apart**2).sum(axis=0) / present)
    deviation[deviation < 1e-6] = NO_VARIATION
    scaled = apart / deviation
    if (rank := int(np.linalg.matrix_rank(scaled, tol=1e-3 * np.sqrt(num_docs)))) < len(names):
        note(
            f"the {len(names)} columns of --prevalence have rank {rank}: what several of them explain alike is shared "
            "between their coefficients"
        )
    as_float = np.float32 if jnp.result_type(float) == jnp.float32 else np.float64
    return Scaling(mean.astype(as_float), deviation.astype(as_float), np.asarray(corpus.num_train, as_float))


def scaled(design: Design, extras: Mapping[str, sparse.Array], mean: jax.Array, deviation: jax.Array) -> jax.Array:
    """The columns as the coefficients take them, 0 where something is missing: extras [B] by field → [B, P]."""
    columns = design.columns(extras)
    return jnp.where(jnp.isnan(columns), 0, (columns - mean[None]) / deviation[None])


def prior_mean(gamma: jax.Array, columns: jax.Array) -> jax.Array:
    """γ₀ + Γᵀx. gamma: [1 + P, K], the intercept first; columns: [B, P] → [B, K]."""
    return gamma[:1] + columns @ gamma[1:]


def coefficient_loss(gamma: jax.Array, variance: float, prior_variance: float, num_docs: jax.Array) -> jax.Array:
    """−log of the coefficients' prior a document, up to a constant: scalar, nats.

    Γ ~ N(0, variance · I) for columns of variance 1, and the intercept ~ N(0, prior_variance · I).
    """
    squares = (gamma[1:] ** 2).sum() / variance + (gamma[0] ** 2).sum() / prior_variance
    return 0.5 * squares / num_docs
