"""The encoder's posterior, dimension by dimension: which ones vary with the document, and their KL divergence."""

import numpy as np

from etm_jax.metrics.evaluator import FittedRun, Measured, Row

LEAST_VARIANCE = 0.01
"""Activity above which a unit is active: the threshold of Burda et al. 2016."""


def evaluate(run: FittedRun) -> Measured:
    """Count the active units, and measure the KL divergence of each topic's dimension.

    Parameters
    ----------
    run : FittedRun

    Returns
    -------
    Measured
        `active`: an int, and `kl`: ndarray of shape (K,), in nats. Both are None for a model without an encoder.
    """
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
    """Running moments of the posteriors q(δ | x) of documents that arrive a batch at a time.

    Parameters
    ----------
    num_topics : int
        K.
    prior_variance : float
        s of the prior N(0, s) of each topic's dimension.

    Attributes
    ----------
    activity, kl_per_topic : ndarray of shape (K,)
    """

    def __init__(self, num_topics: int, prior_variance: float = 1.0) -> None:
        self._s, self._docs = prior_variance, 0
        self._mean, self._squares, self._kl = (np.zeros(num_topics) for _ in range(3))

    def add(self, mu: np.ndarray, logvar: np.ndarray) -> None:
        """Add the posteriors of some documents.

        Parameters
        ----------
        mu, logvar : ndarray of shape (B, K), B ≥ 1
            Means and log-variances.
        """
        mu, logvar = mu.astype(np.float64), logvar.astype(np.float64)
        # Merge means and squared deviations of two parts: Chan, Golub and LeVeque 1983.
        docs, mean = self._docs + len(mu), mu.mean(axis=0)
        apart = mean - self._mean
        self._squares += ((mu - mean) ** 2).sum(axis=0) + apart**2 * (self._docs * len(mu) / docs)
        self._mean += apart * (len(mu) / docs)
        self._kl += 0.5 * ((np.exp(logvar) + mu**2) / self._s - 1 - logvar + np.log(self._s)).sum(axis=0)
        self._docs = docs

    @property
    def activity(self) -> np.ndarray:
        """Variance of the posterior means over documents, relative to the prior: Var_d(mu) / s, [K], without unit.

        0 for a single document and for none.
        """
        return self._squares / max(self._docs, 1) / self._s

    @property
    def kl_per_topic(self) -> np.ndarray:
        """Mean over documents of KL(q(δ_k | x) ‖ N(0, s)): [K], nats; 0 without documents.

        It is ½ ((exp(logvar) + mu²)/s − 1 − logvar + log s); its sum over topics is the KL term of the ELBO.
        """
        return self._kl / max(self._docs, 1)


def active_units(activity: np.ndarray) -> int:
    """Count the active units: dimensions whose posterior mean varies with the document, with activity above 0.01.

    Parameters
    ----------
    activity : ndarray of shape (K,)
        As `Moments.activity`.

    Returns
    -------
    int

    References
    ----------
    Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519, section 5, where the prior's variance is 1.
    """
    return int((activity > LEAST_VARIANCE).sum())
