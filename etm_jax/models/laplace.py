"""How uncertain the topic proportions of one document are: the curvature of its posterior, as a normal distribution."""

import numpy as np

from etm_jax.models.refine import LEAST_CURVATURE


def theta_covariance(theta: np.ndarray, beta: np.ndarray, counts: np.ndarray, variance: float) -> np.ndarray:
    """Covariance of θ = softmax(δ) by Laplace's approximation at a mode of δ's posterior.

    Parameters
    ----------
    theta : ndarray of shape (K,)
        Topic proportions at the mode.
    beta : ndarray of shape (K, n)
        Probabilities of the document's n different words in each topic.
    counts : ndarray of shape (n,)
        How often each of them occurs, as inference weights it.
    variance : float
        s² of the prior N(m, s²I) of δ.

    Returns
    -------
    ndarray of shape (K, K)
        Rows sum to 0, as proportions sum to 1.

    Notes
    -----
    With z_w = p(topic | w, θ) and N = Σ_w x_w, minus the Hessian of log p(x | δ) + log N(δ; m, s²I) is
    H = N (diag θ − θθᵀ) − Σ_w x_w (diag z_w − z_w z_wᵀ) + I/s², of which `etm_jax.models.refine` takes steps by the
    diagonal. δ is then N(mode, H⁻¹) about, and θ has the covariance J H⁻¹ J with J = diag θ − θθᵀ. Away from a mode H
    can have small or negative eigenvalues, which count as the least curvature that a Newton step allows for. Where a
    topic is hardly in the document, its proportion has a skewed distribution, whose deviation comes out up to a third
    too large.
    """
    theta, beta = theta.astype(np.float64), beta.astype(np.float64)
    joint = theta[:, None] * beta
    z = joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)
    slope = np.diag(theta) - np.outer(theta, theta)
    hessian = counts.sum() * slope - np.diag(z @ counts) + (z * counts) @ z.T + np.eye(len(theta)) / variance
    values, vectors = np.linalg.eigh(hessian)
    spread = slope @ vectors / np.sqrt(np.maximum(values, LEAST_CURVATURE / variance))
    return spread @ spread.T
