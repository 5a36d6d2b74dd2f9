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

from etm_jax.models.layers import (
    Linear,
    Masks,
    Module,
    Params,
    decoded,
    hidden,
    init_variables,
    linears,
    needs_no_parameters,
)
from etm_jax.models.noise import DropoutLayer, Noise, Posterior, draw, reparameterize
from etm_jax.models.objective import bce_from_logits, kl_divergence


@dataclass(frozen=True)
class VAEConfig:
    """The shape of a VAE; hashable. The defaults are those of the report's class `VAE`.

    encode_dims: widths of the data, the hidden layers and the latent vector. decode_dims: widths of the latent vector,
    the hidden layers and the data. dropout: share of the hidden units dropped in training. slope: of the encoder's
    LeakyReLU below 0; 0 is ReLU. sample_layer: whether a square linear layer follows the sample. sigmoid: whether the
    output f(z) ends with a sigmoid.

    Raises ValueError for widths that do not match, and for settings outside their range.
    """

    encode_dims: tuple[int, ...] = (2000, 1024, 512, 20)
    decode_dims: tuple[int, ...] = (20, 1024, 2000)
    dropout: float = 0.0
    slope: float = 0.0
    sample_layer: bool = True
    sigmoid: bool = False

    def __post_init__(self) -> None:
        encode, decode = self.encode_dims, self.decode_dims
        if len(encode) < 3 or len(decode) < 2 or min(encode + decode) < 1:
            raise ValueError(f"encode_dims={encode} must be 3 widths or more, and decode_dims={decode} 2 or more")
        if (encode[0], encode[-1]) != (decode[-1], decode[0]):
            raise ValueError(f"decode_dims={decode} must begin with {encode[-1]} and end with {encode[0]}: {encode=}")
        if not 0 <= self.dropout < 1 or not 0 <= self.slope < 1:
            raise ValueError(f"dropout={self.dropout} and slope={self.slope} must be at least 0 and below 1")


def figure_2(image_size: int = 784, h_dim: int = 400, z_dim: int = 20) -> VAEConfig:
    """The VAE of the report's Figure 2: the basic VAE of images."""
    return VAEConfig(
        encode_dims=(image_size, h_dim, z_dim),
        decode_dims=(z_dim, h_dim, image_size),
        slope=0.2,
        sample_layer=False,
        sigmoid=True,
    )


class VAE(Module):
    """A variational auto-encoder of vectors, as a Flax module. Use it through the functions below."""

    config: VAEConfig

    def setup(self) -> None:
        *widths, latent = self.config.encode_dims
        self.hidden = linears(widths)
        self.mu = Linear(widths[-1], latent)
        self.logvar = Linear(widths[-1], latent)
        if self.config.sample_layer:
            self.sample_layer = Linear(latent, latent)
        self.decoder = linears(self.config.decode_dims)

    @needs_no_parameters
    def example(self) -> tuple[jax.Array, Noise]:
        """Inputs of `__call__` of batch size 1: x [1, data] and ε [1, latent]."""
        dims = self.config.encode_dims
        return jnp.zeros((1, dims[0])), Noise(jnp.zeros((1, dims[-1])))

    def encode(self, x: jax.Array, dropout: Masks = ()) -> Posterior:
        """q(z | x): mean and log variance [B, latent]. x: [B, data]; dropout: masks [B, width] of the hidden layers."""
        slope = self.config.slope
        activation = partial(jax.nn.leaky_relu, negative_slope=slope) if slope else jax.nn.relu
        x = hidden(self.hidden[0](x), self.hidden[1:], dropout[: len(self.hidden)], activation)
        return Posterior(self.mu(x), self.logvar(x))

    def decode(self, z: jax.Array, dropout: Masks = ()) -> jax.Array:
        """f(z) before its sigmoid, if it has one: [B, latent] → [B, data].

        dropout: masks [B, width] of the decoder's hidden layers.
        """
        return decoded(self.sample_layer(z) if self.config.sample_layer else z, self.decoder, dropout)

    def __call__(self, x: jax.Array, noise: Noise) -> tuple[Posterior, jax.Array]:
        """q(z | x), [B, latent], and f(z) before its sigmoid at a sample, [B, data]. x: [B, data]."""
        posterior = self.encode(x, noise.dropout)
        return posterior, self.decode(reparameterize(posterior, noise.eps), noise.dropout[len(self.hidden) :])


def draw_vae_noise(key: jax.Array, config: VAEConfig, batch_size: int) -> Noise:
    """Fresh ε [B, latent] and, if the VAE has dropout, fresh masks [B, width] for all hidden layers."""
    widths = config.encode_dims[1:-1] + config.decode_dims[1:-1]
    return draw(key, batch_size, config.encode_dims[-1], [DropoutLayer(width, config.dropout) for width in widths])


@dataclass(frozen=True)
class VAEObjective:
    """The loss; hashable.

    recon: `bce`, the binary cross entropy of the sigmoid, for data in [0, 1]; or `gaussian`, ‖x − f(z)‖² / (2c), which
    is −log N(x; f(z), cI) up to a constant. c: the variance of that Gaussian; a small one trusts the data, a large one
    the prior. kl_weight: weight of the KL term; 1 gives the negative evidence lower bound.

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
    """All that shapes the compiled programs; hashable, as their static argument."""

    config: VAEConfig
    objective: VAEObjective = VAEObjective()
    learning_rate: float = 1e-3

    def transformation(self) -> optax.GradientTransformation:
        """The optimizer: Adam with torch's constants."""
        return optax.adam(self.learning_rate)


class VAEState(NamedTuple):
    """Parameters and optimizer state, which training carries from step to step."""

    params: Params
    opt_state: Any


class Terms(NamedTuple):
    """The two terms of the bound: scalars in nats, summed over the batch; the KL without its weight."""

    recon: jax.Array
    kl: jax.Array


def init_vae(key: jax.Array, config: VAEConfig) -> Params:
    """Fresh parameters with torch's initialisation: kernels [in, out] and biases [out] by layer."""
    return init_variables(key, VAE(config)).params


def vae_forward(params: Params, x: jax.Array, noise: Noise, config: VAEConfig) -> tuple[Posterior, jax.Array]:
    """q(z | x), [B, latent], and f(z) before its sigmoid at a sample, [B, data]. x: [B, data]."""
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
    """The state before the first step. The steps donate the memory of `params`."""
    return VAEState(params, spec.transformation().init(params))


@partial(jax.jit, static_argnames="spec", donate_argnames="state")
def vae_step(state: VAEState, x: jax.Array, noise: Noise, spec: VAESpec) -> tuple[VAEState, Terms]:
    """One update with the given noise. x: [B, data]."""
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
    """f(z) of samples z ~ N(0, I): [num_images, data]."""
    return decode(params, jax.random.normal(key, (num_images, config.decode_dims[0])), config)


def _mean(output: jax.Array, config: VAEConfig) -> jax.Array:
    """The output after its sigmoid, if it has one: [B, data] → [B, data]."""
    return jax.nn.sigmoid(output) if config.sigmoid else output
