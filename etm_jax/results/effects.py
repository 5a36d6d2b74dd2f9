"""Effects of metadata on topics: expected shares by group and along numbers and dates, with intervals."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.formula import parse_formula
from etm_jax.corpus.metadata import Metadata
from etm_jax.inference.predictor import ExportPredictor, Predictor
from etm_jax.metrics.composition import Intervals, Response, bootstrap, composition
from etm_jax.models.design import Design, check_design
from etm_jax.models.prior_regression import (
    LARGEST_INFORMATION,
    PriorRegression,
    fit_prior_regression,
    theta_draws,
    theta_means,
)
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.results.effects_wanted import Wanted, wanted_of
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

METHODS = ("composition", "bootstrap")

DRAWS = {"composition": 100, "bootstrap": 1000}
"""How many by default."""

FEWEST_DRAWS = 2
"""That have a spread."""

NUMBERS_AT_ONCE = 2**26
"""Proportions that are held at once: documents times topics times draws."""

ILL = 1e-5
"""Singular values of the design, as shares of the largest, below which its columns say the same."""


class Effect(NamedTuple):
    """A row of the table.

    effect: share, or difference of two. term: the fields that are set; group: to what, or which two values are
    compared. estimate, low, high: in [0, 1] for a share. n: documents of the group; of a number or a date, all.
    """

    topic: int
    name: str
    effect: str
    term: str
    group: str
    estimate: float
    low: float
    high: float
    n: int


class Effects(NamedTuple):
    """What was estimated: wanted, Q shares and differences, of K topics, each array [Q, K]. names: of the topics."""

    formula: str
    method: str
    level: float
    wanted: list[Wanted]
    names: list[str]
    intervals: Intervals

    def rows(self) -> list[Effect]:
        """Topic by topic, in the order of `wanted`."""
        mean, low, high = self.intervals
        return [
            Effect(
                k, name, one.effect, one.term, one.group, float(mean[q, k]), float(low[q, k]), float(high[q, k]), one.n
            )
            for k, name in enumerate(self.names)
            for q, one in enumerate(self.wanted)
        ]


class Measured(NamedTuple):
    """Documents whose topics are regressed.

    counts: [D, V] CSR; meta: by field, D values; metadata: what the fields are. theta: [D, K], as the model infers it.
    beta: [K', V], the topics as they were fitted, None where words are no mixture of topics; edit: what became of them.
    """

    counts: sp.csr_matrix
    meta: Mapping[str, Sequence[str]]
    metadata: Metadata
    theta: np.ndarray
    names: list[str]
    beta: np.ndarray | None
    edit: TopicEdit | None = None


def fitted_topics(model: Predictor | ExportPredictor) -> np.ndarray | None:
    """The topics of a model as they were fitted: [K, V]; None where words are no mixture of them.

    Where documents of some time or group have others, it says that effects go by what all have in common.
    """
    if not model_kind(model.config.model.kind).is_mixture:
        return None
    if isinstance(model, ExportPredictor):
        return model.arrays["beta"]
    if model.config.model.content or model.spec.module().topics_vary:
        note(
            "the words of this model's topics differ by group or time; effects go by the topics that all have in common"
        )
    return model.fitted_beta()


def estimate_effects(
    documents: Measured,
    formula: str,
    *,
    method: str = "composition",
    draws: int = 0,
    level: float = 0.95,
    seed: int = 1,
    flag: str = "--formula",
) -> Effects:
    """Regress topics on metadata.

    Parameters
    ----------
    documents : Measured
    formula : str
        As of --prevalence: '~ source + s(date, 5)'.
    method : str
        Of `METHODS`.
    draws : int
        Draws of θ, or resamples of the documents; 0 for `DRAWS`.
    level : float
        Of the intervals, in (0, 1).
    seed : int
        The same seed gives the same numbers.
    flag : str
        Where the formula comes from, for messages.

    Raises
    ------
    UserError
        Where the formula is none, or the documents cannot tell what it asks.
    """
    parsed = parse_formula(formula, flag)
    design = Design(parsed, documents.metadata.of_model(parsed.fields, documents.meta, flag))
    check_design(design, flag)
    extras = design.metadata.encode(documents.meta, documents.counts.shape[0])
    kept = _kept(documents, extras)
    extras = {name: values[kept] for name, values in extras.items()}
    columns, wanted = wanted_of(design, extras, flag)
    _check(columns, design, documents.theta.shape[1], flag)
    rows = np.array([one.row for one in wanted])
    num_draws = draws or DRAWS[method]
    if num_draws < FEWEST_DRAWS:
        what = flag.replace("formula", "draws")
        raise UserError(f"{what}={draws} is too few for an interval; give at least {FEWEST_DRAWS}")
    if documents.beta is None:
        found = _of_theta(documents.theta[kept].astype(np.float64), columns, rows, method, num_draws, level, seed)
    else:
        fitted = fit_prior_regression(sp.csr_matrix(documents.counts[kept]), documents.beta, columns)
        found = _of_posteriors(fitted, documents.edit, rows, method, num_draws, level, seed)
    if found.low.size and np.isnan(found.low).any():
        note(f"{flag}: one document alone decides of some values: they have no interval")
    shares = np.array([one.effect == "share" for one in wanted])
    for values in found:
        values[shares] = np.clip(values[shares], 0, 1)
    return Effects(str(parsed), method, level, wanted, documents.names, found)


def _kept(documents: Measured, extras: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows of the documents that have words and every value."""
    has_words = np.diff(documents.counts.indptr) > 0
    known = np.ones(len(has_words), bool)
    for values in extras.values():
        known &= values >= 0 if values.dtype.kind == "i" else ~np.isnan(values)
    without = int((has_words & ~known).sum())
    if without:
        note(
            f"{without:,} of {len(known):,} documents lack a value of {', '.join(extras)}, or have a category that no "
            "document to train on has; they are left out"
        )
    if empty := int((~has_words).sum()):
        note(f"{empty:,} of {len(known):,} documents have no word that the model knows; they are left out")
    return np.flatnonzero(has_words & known)


def _check(columns: np.ndarray, design: Design, num_topics: int, flag: str) -> None:
    """Raise UserError where coefficients cannot be told. columns: [D, P]."""
    num_docs, size = columns.shape
    if size >= num_docs:
        raise UserError(
            f"{flag} makes {size:,} coefficients, and {num_docs:,} documents have all values that it reads; leave out "
            "fields of many categories, or give more documents"
        )
    values = np.linalg.svd(columns, compute_uv=False)
    if (rank := int((values > ILL * values[0]).sum())) < size:
        empty = [
            name
            for name, one in zip(design.column_names, columns[:, 1:].T, strict=True)
            if np.ptp(one) <= ILL * np.abs(one).max(initial=0)
        ]
        why = f"{empty[0]} is the same in all documents" if empty else "some of its fields say the same"
        raise UserError(f"{flag}: of its {size:,} coefficients only {rank:,} can be told, as {why}; leave one out")
    if size * (num_topics - 1) > LARGEST_INFORMATION:
        raise UserError(
            f"{flag} makes {size:,} coefficients for each of {num_topics:,} topics, and effects take at most "
            f"{LARGEST_INFORMATION:,} in all; leave out fields of many categories"
        )


def _of_theta(
    theta: np.ndarray, columns: np.ndarray, rows: np.ndarray, method: str, draws: int, level: float, seed: int
) -> Intervals:
    """Where p(w | θ) is no mixture, so that the curvature is not known."""
    note("words of this model are no mixture of topics: documents' proportions count as known")
    if method == "bootstrap":
        return bootstrap(columns, rows, theta, draws, level, seed)
    return composition(columns, rows, lambda first, number: np.repeat(theta[None], number, 0), draws, level, seed)


def _of_posteriors(
    fitted: PriorRegression,
    edit: TopicEdit | None,
    rows: np.ndarray,
    method: str,
    draws: int,
    level: float,
    seed: int,
) -> Intervals:
    if method == "composition":

        def drawn(first: int, number: int) -> np.ndarray:
            theta = theta_draws(fitted, seed, first, number)
            return np.array([edit.theta(one) for one in theta]) if edit else theta

        at_once = max(1, min(draws, NUMBERS_AT_ONCE // fitted.delta.size))
        return composition(fitted.columns, rows, drawn, draws, level, seed, at_once)
    theta, step = theta_means(fitted, seed)
    if edit:
        if sum(map(len, edit.groups)) < edit.num_topics:
            raise UserError(
                "topics of this model were dropped, after which the others are no sums of the fitted ones; take the "
                "method composition"
            )
        members = edit.theta(np.eye(edit.num_topics))
        theta, step = theta @ members, (step.reshape(len(step), -1, edit.num_topics) @ members).reshape(len(step), -1)
    response = Response(fitted.score @ fitted.basis, step)
    return bootstrap(fitted.columns, rows, theta, draws, level, seed, response)
