"""What the encoder makes of its topics' dimensions: which vary from document to document, and what they cost."""

import numpy as np

LEAST_VARIANCE = 0.01
"""The threshold of Burda et al."""


def activity(mu: np.ndarray, prior_variance: float = 1.0) -> np.ndarray:
    """How far the posterior means go from document to document: Var_d(mu) / s, s the prior's variance.

    mu: [D, K] → [K], without unit; 0 for a single document and for none.
    """
    return mu.var(axis=0, dtype=np.float64) / prior_variance if len(mu) else np.zeros(mu.shape[1])


def active_units(activity: np.ndarray) -> int:
    """How many dimensions say something of the document, their activity above 0.01. activity: [K].

    Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), section 5, where the prior's variance is 1.
    """
    return int((activity > LEAST_VARIANCE).sum())


def kl_per_topic(mu: np.ndarray, logvar: np.ndarray, prior_variance: float = 1.0) -> np.ndarray:
    """KL(q(δ_k|x) ‖ N(0, s)), its mean over documents. mu, logvar: [D, K] → [K], nats; 0 without documents.

    ½ ((exp(logvar) + mu²)/s − 1 − logvar + log s), s the prior's variance; its sum over topics is the bound's KL.
    """
    if not len(mu):
        return np.zeros(mu.shape[1])
    mu, logvar = mu.astype(np.float64), logvar.astype(np.float64)
    return 0.5 * ((np.exp(logvar) + mu**2) / prior_variance - 1 - logvar + np.log(prior_variance)).mean(axis=0)
