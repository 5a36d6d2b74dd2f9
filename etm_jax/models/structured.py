"""Parts of the dynamic ETM's structured inference: Gaussian random walks, and an LSTM that reads the periods' words.

Dieng, Ruiz, Blei 2019, arXiv 1907.05545, section 4, with the constants of its published code. Shapes: T periods, K
topics, E units of the LSTM.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

VARIANCE_EPS = 1e-6
"""Added to the variance that a KL term divides by, as in the published code, and not to the one it takes the log of."""


class Affine(NamedTuple):
    """What a layer is by its arrays. kernel: [in, out]; bias: [out]."""

    kernel: jax.Array
    bias: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        """[T, in] → [T, out]."""
        return x @ self.kernel + self.bias[None]


class Walk(NamedTuple):
    """A sample of q over all periods, [T, …], and its KL term: scalar, nats."""

    sample: jax.Array
    kl: jax.Array


def gaussian_kl(mean: jax.Array, logvar: jax.Array, prior_mean: jax.Array, prior_variance: jax.Array) -> jax.Array:
    """KL(N(mean, exp(logvar)) ‖ N(prior_mean, prior_variance)) summed over the last axis: […, n] → […], nats.

    All arguments have as many axes. It is the closed form but for `VARIANCE_EPS`.
    """
    apart = (jnp.exp(logvar) + (mean - prior_mean) ** 2) / (prior_variance + VARIANCE_EPS)
    return 0.5 * (apart - 1 + jnp.log(prior_variance) - logvar).sum(-1)


def walk_kl(mean: jax.Array, logvar: jax.Array, sample: jax.Array, variance: float) -> jax.Array:
    """Σ_t KL(q_t ‖ N(x_{t−1}, variance)), x the sample; the first period's prior is N(0, 1): [T, …, n] → scalar, nats.

    By one sample of the period before, as the published code has it: the walk's own expectation would have a term of
    that period's variance too.
    """
    before = jnp.concatenate([jnp.zeros_like(sample[:1]), sample[:-1]])
    first = (jnp.arange(len(mean)) == 0).reshape(-1, *[1] * (mean.ndim - 1))
    return gaussian_kl(mean, logvar, before, jnp.where(first, 1, jnp.asarray(variance, mean.dtype))).sum()


def sample_of(mean: jax.Array, logvar: jax.Array, eps: jax.Array | None) -> jax.Array:
    """mean + exp(logvar / 2)·ε; the mean where there is no ε. All of one shape."""
    return mean if eps is None else mean + jnp.exp(logvar / 2) * eps


def lstm(x: jax.Array, inputs: Sequence[Affine], states: Sequence[Affine]) -> jax.Array:
    """torch's LSTM of several layers from a state of zeros: [T, in] → [T, E].

    inputs, states: of each layer the linear maps of what it reads and of its own last output, to the four gates
    [4E] in the order input, forget, cell, output. Hochreiter and Schmidhuber 1997.
    """
    for of_input, of_state in zip(inputs, states, strict=True):
        x = _lstm_layer(of_input(x) + of_state.bias[None], of_state.kernel)
    return x


def _lstm_layer(given: jax.Array, kernel: jax.Array) -> jax.Array:
    """given: [T, 4E], what the gates have of the input and of both biases; kernel: [E, 4E] → [T, E]."""

    def step(state: tuple[jax.Array, jax.Array], now: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        output, cell = state
        i, f, g, o = jnp.split(now + output @ kernel, 4)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        output = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (output, cell), output

    nothing = jnp.zeros(kernel.shape[0], given.dtype)
    return jax.lax.scan(step, (nothing, nothing), given)[1]


def eta_walk(read: jax.Array, mu: Affine, logvar: Affine, eps: jax.Array | None, variance: float) -> Walk:
    """η of all periods, each period's q given the sample of the one before: read [T, E] → [T, K].

    mu, logvar: maps [E + K, K] of what the LSTM gives and of that sample, zeros before the first. eps: [T, K].
    """
    width, num_topics = read.shape[1], mu.bias.shape[0]
    kernel = jnp.concatenate([mu.kernel, logvar.kernel], axis=1)
    given = read @ kernel[:width] + jnp.concatenate([mu.bias, logvar.bias])[None]

    def step(before: jax.Array, now: tuple[jax.Array, jax.Array | None]) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        of_read, noise = now
        mean, log_variance = jnp.split(of_read + before @ kernel[width:], 2)
        sample = sample_of(mean, log_variance, noise)
        return sample, (mean, log_variance, sample)

    _, (mean, log_variance, sample) = jax.lax.scan(step, jnp.zeros(num_topics, read.dtype), (given, eps))
    return Walk(sample, walk_kl(mean, log_variance, sample, variance))


class EtaNetwork(NamedTuple):
    """What q(η) is given by: a map of a period's words [V, E], an LSTM's layers, and the two maps of `eta_walk`."""

    words: Affine
    inputs: Sequence[Affine]
    states: Sequence[Affine]
    mu: Affine
    logvar: Affine

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "EtaNetwork":
        """From a model's parameters, by their names there."""
        depth = sum(name.startswith("lstm_input_") for name in params)
        inputs, states = ([Affine(**params[f"lstm_{part}_{i}"]) for i in range(depth)] for part in ("input", "state"))
        words, mu, logvar = (Affine(**params[name]) for name in ("eta_map", "eta_mu", "eta_logvar"))
        return cls(words, inputs, states, mu, logvar)

    def walk(self, words: jax.Array, eps: jax.Array | None, variance: float) -> Walk:
        """η of all periods: [T, V] → [T, K]. eps: [T, K]."""
        return eta_walk(lstm(self.words(words), self.inputs, self.states), self.mu, self.logvar, eps, variance)
