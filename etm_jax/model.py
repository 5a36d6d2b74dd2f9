"""The Embedded Topic Model as pure functions of its variables. This file alone uses flax.

Shapes: B documents, V words, K topics, L embedding size, N nonzeros of the batch. Dieng, Ruiz, Blei 2020,
arXiv 1907.04907.
"""

import itertools
from functools import partial
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from etm_jax import sparse
from etm_jax.config import ModelConfig

Params = dict[str, Any]


class Variables(NamedTuple):
    """What the model is made of. params: what training moves; constants: `background`, [V], without gradient."""

    params: Params
    constants: Params


class Noise(NamedTuple):
    """All that is random in one pass. eps: [B, K]; dropout: for each hidden layer a scaled mask [B, H], or None."""

    eps: jax.Array
    dropout: tuple[jax.Array | None, ...] = ()


class Posterior(NamedTuple):
    """q(δ | x) = N(mu, diag(exp(logvar))). mu, logvar: [B, K]."""

    mu: jax.Array
    logvar: jax.Array


class Output(NamedTuple):
    """One pass. log_theta: [B, K], of a sample from the posterior; log_beta: [K, V]."""

    posterior: Posterior
    log_theta: jax.Array
    log_beta: jax.Array


class ETM(nn.Module):
    """Encoder, topic proportions and topics. Use it through the functions below."""

    config: ModelConfig
    vocab_size: int
    embed_dim: int

    def setup(self) -> None:
        c, v, k, dim = self.config, self.vocab_size, self.config.num_topics, self.embed_dim
        self.hidden = [_Linear(i, o) for i, o in itertools.pairwise((v, *c.hidden))]
        self.mu = _Linear(c.hidden[-1], k)
        self.logvar = _Linear(c.hidden[-1], k)
        if c.skip:
            self.skip_words = self.param("skip_words", _torch_uniform(dim), (v, dim))
            self.skip_topics = self.param("skip_topics", _torch_uniform(dim), (dim, k))
        if c.theta_layer:
            self.theta_layer = _Linear(k, k)
        self.rho = self.param("rho", _torch_uniform(dim), (v, dim))
        self.alpha = self.param("alpha", _torch_uniform(dim), (k, dim))
        if c.torch_bias:
            # Carried along for exchange with torch: ρ's bias is not used there, and α's cancels in the softmax.
            self.rho_bias = self.param("rho_bias", _torch_uniform(dim), (v,))
            self.alpha_bias = self.param("alpha_bias", _torch_uniform(dim), (k,))
        self.background = self.variable("constants", "background", jnp.zeros, (v,))

    def encode(
        self, inputs: sparse.Array, pattern: sparse.Pattern, dropout: tuple[jax.Array | None, ...] = ()
    ) -> Posterior:
        """q(δ | x). inputs: [N], the encoder's input at the nonzeros of `pattern`."""
        x = sparse.matmul(inputs, pattern, self.hidden[0].kernel) + self.hidden[0].bias[None, :]
        for i, mask in enumerate(dropout or (None,) * len(self.hidden)):
            x = jax.nn.relu(self.hidden[i](x) if i else x)
            x = x if mask is None else x * mask
        mu = self.mu(x)
        if self.config.skip:
            mu = mu + sparse.matmul(inputs, pattern, self.skip_words) @ self.skip_topics
        return Posterior(mu, self.logvar(x))

    def log_theta(self, delta: jax.Array) -> jax.Array:
        """log softmax(δ), behind a linear layer where the variant has one. delta: [B, K] → [B, K]."""
        return jax.nn.log_softmax(self.theta_layer(delta) if self.config.theta_layer else delta, axis=-1)

    def log_beta(self) -> jax.Array:
        """log softmax_v(ρ_v·α_k + b_v): [K, V]."""
        return jax.nn.log_softmax(self.rho @ self.alpha.T + self.background.value[:, None], axis=0).T

    def __call__(self, inputs: sparse.Array, pattern: sparse.Pattern, noise: Noise) -> Output:
        posterior = self.encode(inputs, pattern, noise.dropout)
        return Output(posterior, self.log_theta(reparameterize(posterior, noise.eps)), self.log_beta())


class _Linear(nn.Module):
    """torch's Linear, its initialisation included. kernel: [in, out], bias: [out]."""

    width_in: int
    width_out: int

    def setup(self) -> None:
        init = _torch_uniform(self.width_in)
        self.kernel = self.param("kernel", init, (self.width_in, self.width_out))
        self.bias = self.param("bias", init, (self.width_out,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel + self.bias[None, :]


def _torch_uniform(fan_in: int) -> Any:
    """U(−1/√fan_in, 1/√fan_in), with which torch's Linear starts both weight and bias."""

    def init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.uniform(key, shape, minval=-1, maxval=1) / jnp.sqrt(fan_in)

    return init


@partial(jax.jit, static_argnames="module")
def init_variables(key: jax.Array, module: ETM) -> Variables:
    """Fresh variables in torch's initialisation, without a background."""
    zeros = jnp.zeros(1, jnp.int32)
    empty = sparse.Pattern(zeros, zeros, jnp.zeros(2, jnp.int32), zeros, jnp.zeros(module.vocab_size + 1, jnp.int32))
    noise = Noise(jnp.zeros((1, module.config.num_topics)))
    return Variables(**module.init(key, jnp.zeros(1), empty, noise))


def forward(module: ETM, variables: Variables, inputs: sparse.Array, pattern: sparse.Pattern, noise: Noise) -> Output:
    """One pass from the encoder's input [N] at the nonzeros of `pattern`."""
    return cast(Output, module.apply(variables._asdict(), inputs, pattern, noise))


def mean_log_theta(module: ETM, variables: Variables, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
    """Logarithm of the topic proportions at the posterior mean: [B, K]."""
    posterior = cast(Posterior, module.apply(variables._asdict(), inputs, pattern, method="encode"))
    return cast(jax.Array, module.apply(variables._asdict(), posterior.mu, method="log_theta"))


def log_beta(module: ETM, variables: Variables) -> jax.Array:
    """Logarithm of the topics: [K, V]."""
    return cast(jax.Array, module.apply(variables._asdict(), method="log_beta"))


def reparameterize(posterior: Posterior, eps: jax.Array) -> jax.Array:
    """δ = μ + exp(logvar / 2)·ε. eps: [B, K] → [B, K]."""
    return posterior.mu + jnp.exp(posterior.logvar / 2) * eps


def draw_noise(key: jax.Array, config: ModelConfig, batch_size: int) -> Noise:
    """Fresh ε and, where the model has dropout, fresh masks."""
    eps_key, *mask_keys = jax.random.split(key, 1 + len(config.hidden))
    eps = jax.random.normal(eps_key, (batch_size, config.num_topics))
    keep = 1 - config.dropout
    masks: list[jax.Array | None] = []
    for i, (mask_key, width) in enumerate(zip(mask_keys, config.hidden, strict=True)):
        has_mask = config.dropout > 0 and (config.dropout_layers == "all" or i == len(config.hidden) - 1)
        masks.append(jax.random.bernoulli(mask_key, keep, (batch_size, width)) / keep if has_mask else None)
    return Noise(eps, tuple(masks))
