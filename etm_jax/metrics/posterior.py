"""What the encoder makes of its topics' dimensions: which vary from document to document, and what they cost."""

import numpy as np

LEAST_VARIANCE = 0.01
"""Of the posterior means over documents, in units of the prior's variance: the threshold of Burda et al."""


def active_units(mu: np.ndarray, prior_variance: float = 1.0) -> int:
    """Dimensions whose posterior mean says something of the document: Var_d(mu) > 0.01 of the prior's variance.

    mu: [D, K]. Burda, Grosse and Salakhutdinov 2016 (arXiv 1509.00519), section 5, whose prior has variance 1. 0 for
    a single document and for none.
    """
    if not len(mu):
        return 0
    return int((mu.var(axis=0, dtype=np.float64) > LEAST_VARIANCE * prior_variance).sum())


def kl_per_topic(mu: np.ndarray, logvar: np.ndarray, prior_variance: float = 1.0) -> np.ndarray:
    """KL(q(δ_k|x) ‖ N(0, s)), its mean over documents. mu, logvar: [D, K] → [K], nats; 0 without documents.

    ½ ((exp(logvar) + mu²)/s − 1 − logvar + log s), s the prior's variance; its sum over topics is the bound's KL.
    """
    if not len(mu):
        return np.zeros(mu.shape[1])
    mu, logvar = mu.astype(np.float64), logvar.astype(np.float64)
    return 0.5 * ((np.exp(logvar) + mu**2) / prior_variance - 1 - logvar + np.log(prior_variance)).mean(axis=0)
