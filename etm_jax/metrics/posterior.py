"""What the encoder makes of its topics' dimensions: which vary from document to document, and what they cost."""

import numpy as np

from etm_jax.metrics.evaluator import FittedRun, Measured, Row

LEAST_VARIANCE = 0.01
"""The threshold of Burda et al."""


def evaluate(run: FittedRun) -> Measured:
    """How many dimensions are active, and each topic's KL [K], in nats. None of a model without encoder."""
    if run.activity is None or run.kl is None:
        return Measured({"active": None, "kl": None}, [])
    active = active_units(run.activity)
    of_topics = f"of a topic's dimension {run.kl.min():.3f} to {run.kl.max():.3f}"
    rows = [
        Row("active units", f"{active} of {run.num_topics}", "posterior means that vary with the document"),
        Row("KL", f"{run.kl.sum():.2f}", f"nats a training document, {of_topics}"),
    ]
    return Measured({"active": active, "kl": run.kl}, rows)


class Moments:
    """Sums over documents that come a batch at a time. prior_variance: s of the prior N(0, s) of each of K topics."""

    def __init__(self, num_topics: int, prior_variance: float = 1.0) -> None:
        self._s, self._docs = prior_variance, 0
        self._mean, self._squares, self._kl = (np.zeros(num_topics) for _ in range(3))

    def add(self, mu: np.ndarray, logvar: np.ndarray) -> None:
        """Count in the posteriors of some documents, at least one. mu, logvar: [B, K]."""
        mu, logvar = mu.astype(np.float64), logvar.astype(np.float64)
        # Two parts' means and squared deviations as one's: Chan, Golub and LeVeque 1983.
        docs, mean = self._docs + len(mu), mu.mean(axis=0)
        apart = mean - self._mean
        self._squares += ((mu - mean) ** 2).sum(axis=0) + apart**2 * (self._docs * len(mu) / docs)
        self._mean += apart * (len(mu) / docs)
        self._kl += 0.5 * ((np.exp(logvar) + mu**2) / self._s - 1 - logvar + np.log(self._s)).sum(axis=0)
        self._docs = docs

    @property
    def activity(self) -> np.ndarray:
        """How far the posterior means go from document to document: Var_d(mu) / s, [K], without unit.

        0 for a single document and for none.
        """
        return self._squares / max(self._docs, 1) / self._s

    @property
    def kl_per_topic(self) -> np.ndarray:
        """KL(q(δ_k|x) ‖ N(0, s)), its mean over documents: [K], nats; 0 without documents.

        ½ ((exp(logvar) + mu²)/s − 1 − logvar + log s); its sum over topics is the bound's KL.
        """
        return self._kl / max(self._docs, 1)


def active_units(activity: np.ndarray) -> int:
    """How many dimensions say something of the document, their activity above 0.01. activity: [K].

    Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), section 5, where the prior's variance is 1.
    """
    return int((activity > LEAST_VARIANCE).sum())
