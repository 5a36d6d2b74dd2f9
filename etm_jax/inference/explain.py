"""Why a document has its topics: which of its words speak for which topic, and how sure its proportions are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.inference.predictor import ExportPredictor, Predictor
from etm_jax.models.laplace import theta_covariance
from etm_jax.models.registry import model_kind
from etm_jax.util.console import table
from etm_jax.util.errors import UserError


class Explanation(NamedTuple):
    """The topics of one document of n different words that the model knows.

    Attributes
    ----------
    theta : ndarray of shape (K,)
        Topic proportions.
    deviation : ndarray of shape (K,) or None
        Their standard deviations under the document's posterior.
    words : list of n str
        The words, in the order of the vocabulary.
    counts : ndarray of shape (n,)
        How often each occurs.
    shares : ndarray of shape (n, K)
        p(topic | word, document) = θ_k β_kw / Σ_j θ_j β_jw; rows sum to 1.
    unknown : int
        Occurrences of words that the model does not know, which say nothing.
    """

    theta: np.ndarray
    deviation: np.ndarray | None
    words: list[str]
    counts: np.ndarray
    shares: np.ndarray
    unknown: int

    def largest(self, n: int = 5) -> list[int]:
        """The n topics with the largest proportions, largest first."""
        return [int(k) for k in np.argsort(-self.theta, kind="stable")[:n]]

    def words_for(self, topic: int, n: int = 10) -> list[tuple[str, float]]:
        """The n words that speak most for a topic, and the occurrences that are expected to come from it.

        Words of less than a hundredth of an occurrence are left out.
        """
        expected = self.counts * self.shares[:, topic]
        order = np.argsort(-expected, kind="stable")[:n]
        return [(self.words[i], float(expected[i])) for i in order if expected[i] >= 0.01]

    def to_table(self, n: int = 5) -> str:
        """The n largest topics with their words, as text."""
        rows = []
        for k in self.largest(n):
            said = f"{self.theta[k]:.1%}"
            if self.deviation is not None:
                said += f" ± {self.deviation[k]:.1%}"
            rows.append((k, said, "  ".join(f"{word} {share:.2f}" for word, share in self.words_for(k))))
        return table(rows, ("topic", "share", "words, and their occurrences that it explains"), ">><")


def explain(
    model: Predictor | ExportPredictor,
    counts: sp.csr_matrix,
    unknown: int = 0,
    posterior: bool = False,
    context: np.ndarray | None = None,
) -> Explanation:
    """Explain the topics of one document.

    Parameters
    ----------
    model : Predictor or ExportPredictor
    counts : csr_matrix of shape (1, V)
    unknown : int
        Occurrences of words that the model does not know.
    posterior : bool
        Whether to compute standard deviations.
    context : ndarray of shape (1, C), optional
        The document's vector, of a model that is given one.

    Raises
    ------
    UserError
        If the model's words are no mixture of its topics.
    """
    check_mixture(model)
    theta, columns = model.theta(counts, context=context)[0], counts.indices
    joint = theta.astype(np.float64)[:, None] * model.beta[:, columns]
    shares = (joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)).T
    words = [model.vocabulary.words[j] for j in columns]
    deviation = deviations(model, counts, context)[0] if posterior else None
    return Explanation(theta, deviation, words, counts.data.copy(), shares, unknown)


def deviations(
    model: Predictor | ExportPredictor, counts: sp.csr_matrix, context: np.ndarray | None = None
) -> np.ndarray:
    """Standard deviations of topic proportions under each document's posterior: [D, V] CSR → [D, K] float64.

    Of a trained model they are those of `etm_jax.models.laplace` at the proportions that it infers, with the prior and
    the words' weights that it infers them by. Of LDA they are those of Dir(prior + expected counts). A document without
    words has those of the prior. context: [D, C], of a model that is given vectors. Raises UserError as `explain` does.
    """
    check_mixture(model)
    covariances = _dirichlet(model, counts) if isinstance(model, ExportPredictor) else _laplace(model, counts, context)
    return np.array([np.sqrt(np.maximum(np.diag(one), 0)) for one in covariances]).reshape(counts.shape[0], -1)


def check_mixture(model: Predictor | ExportPredictor) -> None:
    """Raise UserError where no word can be said to come from a topic."""
    kind = model.config.model.kind
    if not model_kind(kind).is_mixture:
        raise UserError(f"words of --model={kind} come from no single topic, so that topics cannot explain them")
    if isinstance(model, Predictor) and model.spec.module().topics_vary:
        raise UserError(
            "the words of this model's topics differ from period to period, so that its topics neither explain a word "
            "nor are edited; train --model=etm for that"
        )


def _laplace(model: Predictor, counts: sp.csr_matrix, context: np.ndarray | None) -> Sequence[np.ndarray]:
    c = model.spec.model
    bound = model.spec.with_variables(model.variables)
    beta, weights = np.asarray(bound.beta()), np.asarray(bound.word_weights()) if c.infer_steps else 1.0
    variance = c.infer_variance if c.infer_steps else c.prior_variance
    rows: list[sp.csr_matrix] = [counts[i] for i in range(counts.shape[0])]
    found = []
    for theta, row in zip(model.fitted_theta(counts, context=context), rows, strict=True):
        weight = weights[row.indices] if isinstance(weights, np.ndarray) else weights
        covariance = theta_covariance(theta, beta[:, row.indices], row.data * weight, variance)
        found.append(_edited(model, theta, covariance))
    return found


def _dirichlet(model: ExportPredictor, counts: sp.csr_matrix) -> Sequence[np.ndarray]:
    total = float(model.arrays["theta_prior"].sum())
    rows: list[sp.csr_matrix] = [counts[i] for i in range(counts.shape[0])]
    found = []
    for theta, row in zip(model.fitted_theta(counts).astype(np.float64), rows, strict=True):
        covariance = (np.diag(theta) - np.outer(theta, theta)) / (total + row.data.sum() + 1)
        found.append(_edited(model, theta, covariance))
    return found


def _edited(model: Predictor | ExportPredictor, theta: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The covariance of the topics as they were edited."""
    if model.edit is None:
        return covariance
    jacobian = model.edit.jacobian(theta.astype(np.float64))
    return jacobian @ covariance @ jacobian.T
