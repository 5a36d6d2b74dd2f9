"""Training and use of the report's variational auto-encoder, as pure functions of its parameters.

The report derives −ELBO = reconstruction + KL(q(z | x)‖N(0, I)), and its Figure 2 trains it on images. Sums run over
pixels and batch, as there. B: images or other vectors of a batch.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax

from etm_jax.models.base import VAE, Noise, Params, Posterior, VAEConfig, drawn
from etm_jax.models.objective import bce_from_logits, kl_divergence


@dataclass(frozen=True)
class VAEObjective:
    """What is minimised. Hashable.

    recon: `bce`, the binary cross entropy of the sigmoid, for data in [0, 1]; or `gaussian`, ‖x − f(z)‖² / (2c), which
    is −log N(x; f(z), cI) but for a constant. c: the variance of that Gaussian; a small one trusts the data, a large
    one the prior. kl_weight: weight of the KL term; 1 gives the negative evidence lower bound.

    Raises ValueError for another `recon`, for c not above 0 and for kl_weight below 0.
    """

    recon: str = "bce"
    c: float = 1.0
    kl_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.recon not in ("bce", "gaussian"):
            raise ValueError(f"recon={self.recon!r} is neither bce nor gaussian")
        if self.c <= 0 or self.kl_weight < 0:
            raise ValueError(f"c={self.c} must be above 0 and kl_weight={self.kl_weight} at least 0")


class VAESpec(NamedTuple):
    """All that shapes the compiled programs, hashable: their static argument."""

    config: VAEConfig
    objective: VAEObjective = VAEObjective()
    learning_rate: float = 1e-3

    def transformation(self) -> optax.GradientTransformation:
        """Adam with torch's constants."""
        return optax.adam(self.learning_rate)


class VAEState(NamedTuple):
    """All that training carries from step to step."""

    params: Params
    opt_state: Any


class Terms(NamedTuple):
    """The two terms of the bound, in nats, summed over the batch; the KL unweighted."""

    recon: jax.Array
    kl: jax.Array


@partial(jax.jit, static_argnames="config")
def init_vae(key: jax.Array, config: VAEConfig) -> Params:
    """Fresh parameters in torch's initialisation."""
    noise = Noise(jnp.zeros((1, config.encode_dims[-1])))
    return drawn(key, VAE(config).init(key, jnp.zeros((1, config.encode_dims[0])), noise)["params"])


def vae_forward(params: Params, x: jax.Array, noise: Noise, config: VAEConfig) -> tuple[Posterior, jax.Array]:
    """q(z | x), [B, latent] each, and f(z) before its sigmoid at a sample: [B, data]. x: [B, data]."""
    return cast(tuple[Posterior, jax.Array], VAE(config).apply({"params": params}, x, noise))


def vae_loss(params: Params, x: jax.Array, noise: Noise, spec: VAESpec) -> tuple[jax.Array, Terms]:
    """recon + kl_weight · KL, summed over batch and data, and both terms. x: [B, data].

    Raises ValueError for bce where the output does not end with a sigmoid.
    """
    objective = spec.objective
    posterior, output = vae_forward(params, x, noise, spec.config)
    if objective.recon == "gaussian":
        recon = ((x - _mean(output, spec.config)) ** 2).sum() / (2 * objective.c)
    elif spec.config.sigmoid:
        recon = bce_from_logits(output, x).sum()
    else:
        raise ValueError("recon='bce' needs an output between 0 and 1: set sigmoid=True in the VAEConfig")
    kl = kl_divergence(*posterior).sum()
    return recon + objective.kl_weight * kl, Terms(recon, kl)


def new_vae_state(params: Params, spec: VAESpec) -> VAEState:
    """The state before the first step. The steps take over the memory of `params`."""
    return VAEState(params, spec.transformation().init(params))


@partial(jax.jit, static_argnames="spec", donate_argnames="state")
def vae_step(state: VAEState, x: jax.Array, noise: Noise, spec: VAESpec) -> tuple[VAEState, Terms]:
    """One update under given noise. x: [B, data]."""
    grads, terms = jax.grad(vae_loss, has_aux=True)(state.params, x, noise, spec)
    updates, opt_state = spec.transformation().update(grads, state.opt_state, state.params)
    return VAEState(cast(Params, optax.apply_updates(state.params, updates)), opt_state), terms


@partial(jax.jit, static_argnames="config")
def reconstruct(params: Params, x: jax.Array, config: VAEConfig) -> jax.Array:
    """f(z) at the posterior mean: [B, data] → [B, data]."""
    posterior = cast(Posterior, VAE(config).apply({"params": params}, x, method="encode"))
    return decode(params, posterior.mu, config)


@partial(jax.jit, static_argnames="config")
def decode(params: Params, z: jax.Array, config: VAEConfig) -> jax.Array:
    """f(z): [B, latent] → [B, data]."""
    return _mean(cast(jax.Array, VAE(config).apply({"params": params}, z, method="decode")), config)


def sample_images(params: Params, key: jax.Array, num_images: int, config: VAEConfig) -> jax.Array:
    """f(z) of z ~ N(0, I): [num_images, data]."""
    return decode(params, jax.random.normal(key, (num_images, config.decode_dims[0])), config)


def _mean(output: jax.Array, config: VAEConfig) -> jax.Array:
    return jax.nn.sigmoid(output) if config.sigmoid else output
