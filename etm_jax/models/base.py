"""The topic models, and the auto-encoder that they come from, as pure functions of their variables.

ETM (Dieng, Ruiz, Blei 2020, arXiv 1907.04907) and GSM (Miao, Grefenstette, Blunsom 2017, arXiv 1706.00359) share
`TopicModel`, the way from words to topic proportions. This file alone uses flax.

Shapes: B documents, V words, K topics, L embedding size, N nonzeros of the batch.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from etm_jax.config.settings import ModelConfig
from etm_jax.ops import sparse
from etm_jax.ops.mesh import NEVER, VocabAxis

READS = 30.0
"""How much input an encoder that reads ρ takes from a document at most, in the units of `encoder_input`, log(1 + x).

The direction of a long document is known; a δ that grows with its length is one that no step of inference leaves.
"""

DRAWN_AT_ONCE = 2**26
"""Initial values."""

Params = dict[str, Any]
Masks = tuple[jax.Array | None, ...]


class Variables(NamedTuple):
    """What a model is made of. params: what training moves; constants: ETM's `background`, [V], without gradient."""

    params: Params
    constants: Params


class Noise(NamedTuple):
    """All that is random in one pass. eps: [B, K]; dropout: for each hidden layer a scaled mask [B, H], or None.

    The encoder's layers come first, then the decoder's where it has some. Masks left out at the end are None.
    visible: [N], 1 for the entries that the encoder reads and 0 for those hidden from it; None where it reads all.
    """

    eps: jax.Array
    dropout: Masks = ()
    visible: jax.Array | None = None


class Posterior(NamedTuple):
    """q(δ | x) = N(mu, diag(exp(logvar))). mu, logvar: [B, K]. Dieng et al. 2020, Algorithm 1."""

    mu: jax.Array
    logvar: jax.Array


class Output(NamedTuple):
    """One pass. theta: [B, K], of a sample from the posterior; beta: [K, V], the topics.

    logits: [B, V], where p(w | θ) is their softmax over V; None where it is the mixture θβ.
    """

    posterior: Posterior
    theta: jax.Array
    beta: jax.Array
    logits: jax.Array | None = None


class TopicModel(nn.Module):
    """From the words of a document to its topic proportions; subclasses decode them. Use the functions below.

    embed_dim is 0 for a model without embeddings.
    """

    config: ModelConfig
    vocab_size: int
    embed_dim: int

    def setup(self) -> None:
        c, v, k, dim = self.config, self.vocab_size, self.config.num_topics, self.embed_dim
        self.hidden = _linears((dim if c.read_rho else v, *c.hidden))
        self.mu = _Linear(c.hidden[-1], k)
        self.logvar = _Linear(c.hidden[-1], k)
        if c.skip:
            self.skip_topics = self.param("skip_topics", _torch_range(dim), (dim, k))
        if c.theta_layer:
            self.theta_layer = _Linear(k, k)

    def encode(
        self,
        inputs: sparse.Array,
        pattern: sparse.Pattern,
        noise: Noise | None = None,
        shift: jax.Array | float = 0.0,
    ) -> Posterior:
        """q(δ | x). inputs: [N], the encoder's input at the nonzeros of `pattern`. noise: None for neither mask.

        shift: [B, H], added to what the first layer gives; 0, it is there for the gradient.
        """
        dropout: Masks = ()
        if noise is not None:
            dropout = noise.dropout[: len(self.hidden)]
            inputs = inputs if noise.visible is None else inputs * noise.visible
        if self.config.read_rho:
            first = self.hidden[0](self.embedded(inputs, pattern))
        else:
            first = sparse.matmul(inputs, pattern, self.hidden[0].kernel) + self.hidden[0].bias[None, :]
        x = _hidden(first + shift, self.hidden[1:], dropout, jax.nn.relu)
        mu = self.mu(x)
        if self.config.skip:
            # The same array as above: XLA computes it once.
            mu = mu + self.embedded(inputs, pattern) @ self.skip_topics
        return Posterior(mu, self.logvar(x))

    def embedded(self, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
        """Documents in the space of the word embeddings: [N] → [B, L], in a model that has them."""
        raise NotImplementedError

    def theta(self, delta: jax.Array) -> jax.Array:
        """softmax(δ), behind a linear layer where the variant has one. delta: [B, K] → [B, K]."""
        return jax.nn.softmax(self.theta_layer(delta) if self.config.theta_layer else delta, axis=-1)

    def beta(self) -> jax.Array:
        """The topics: [K, V]."""
        raise NotImplementedError

    def logits(self, theta: jax.Array, dropout: Masks = ()) -> jax.Array | None:
        """[B, V], whose softmax over V is p(w | θ); None where it is the mixture θβ. dropout: the decoder's masks."""
        return None

    def decode(self, posterior: Posterior, noise: Noise) -> Output:
        """What a sample of the posterior stands for."""
        theta = self.theta(reparameterize(posterior, noise.eps))
        return Output(posterior, theta, self.beta(), self.logits(theta, noise.dropout[len(self.hidden) :]))

    def __call__(self, inputs: sparse.Array, pattern: sparse.Pattern, noise: Noise) -> Output:
        return self.decode(self.encode(inputs, pattern, noise), noise)


class ETM(TopicModel):
    """Topics from word and topic embeddings; p(w | θ) = Σ_k θ_k β_kw. Dieng et al. 2020, Algorithm 1."""

    def setup(self) -> None:
        super().setup()
        c, v, k, dim = self.config, self.vocab_size, self.config.num_topics, self.embed_dim
        self.rho = self.param("rho", _torch_range(dim), (v, dim))
        self.alpha = self.param("alpha", _torch_range(dim), (k, dim))
        if c.torch_bias:
            # Carried along for exchange with torch: ρ's bias is not used there, and α's cancels in the softmax.
            self.rho_bias = self.param("rho_bias", _torch_range(dim), (v,))
            self.alpha_bias = self.param("alpha_bias", _torch_range(dim), (k,))
        self.background = self.variable("constants", "background", jnp.zeros, (v,))

    def embedded(self, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
        """Σ_v x_v ρ_v / |ρ_v|, over 1 + Σ_v x_v / READS: [B, L]. ρ is the decoder's, and gets no gradient from here."""
        rho = jax.lax.stop_gradient(self.rho)
        # Of a vector of zeros no less, or a large input over its length would be infinite.
        length = jnp.maximum(jnp.linalg.norm(rho, axis=1), 1e-12)
        documents = sparse.matmul(inputs / sparse.of_words(length, pattern), pattern, rho)
        return documents / (1 + sparse.sum_rows(inputs[..., None], pattern) / READS)

    def beta(self) -> jax.Array:
        """softmax_v(ρ_v·α_k + b_v): [K, V]. The background b, 0 in the published variants, is ours."""
        return jax.nn.softmax(self.rho @ self.alpha.T + self.background.value[:, None], axis=0).T


class GSM(TopicModel):
    """Topics from a decoder of linear layers with ReLU between them; p(w | θ) = softmax_w(decoder(θ)), no mixture.

    As zll17/Neural_Topic_Models has it; in Miao et al. 2017 θβ is a mixture there too.
    """

    def setup(self) -> None:
        super().setup()
        self.decoder = _linears((self.config.num_topics, *self.config.decoder_hidden, self.vocab_size))

    def beta(self) -> jax.Array:
        """softmax_v(decoder(e_k)), what each topic alone is decoded to: [K, V]."""
        one_topic = jnp.eye(self.config.num_topics, dtype=self.mu.bias.dtype)
        return jax.nn.softmax(_decoded(one_topic, self.decoder), axis=1)

    def logits(self, theta: jax.Array, dropout: Masks = ()) -> jax.Array:
        """decoder(θ): [B, V]."""
        return _decoded(theta, self.decoder, dropout)


TOPIC_MODELS: dict[str, type[TopicModel]] = {"etm": ETM, "gsm": GSM}
"""By `ModelConfig.kind`."""


@dataclass(frozen=True)
class VAEConfig:
    """The shape of a VAE. Hashable. The defaults are those of the report's class `VAE`.

    encode_dims: data, hidden layers, latent. decode_dims: latent, hidden layers, data. dropout: share of the hidden
    units dropped in training. slope: of the encoder's LeakyReLU below 0; 0 is ReLU. sample_layer: whether a square
    linear layer follows the sample. sigmoid: whether the output f(z) ends with one.

    Raises ValueError for dimensions that do not meet, and for settings out of their range.
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
            raise ValueError(f"decode_dims={decode} must lead from {encode[-1]} back to {encode[0]}: {encode=}")
        if not 0 <= self.dropout < 1 or not 0 <= self.slope < 1:
            raise ValueError(f"dropout={self.dropout} and slope={self.slope} must be at least 0 and below 1")


def figure_2(image_size: int = 784, h_dim: int = 400, z_dim: int = 20) -> VAEConfig:
    """The report's Figure 2: the basic VAE of images."""
    return VAEConfig(
        encode_dims=(image_size, h_dim, z_dim),
        decode_dims=(z_dim, h_dim, image_size),
        slope=0.2,
        sample_layer=False,
        sigmoid=True,
    )


class VAE(nn.Module):
    """A variational auto-encoder of vectors. Use it through `etm_jax.foundations.vae`."""

    config: VAEConfig

    def setup(self) -> None:
        *widths, latent = self.config.encode_dims
        self.hidden = _linears(widths)
        self.mu = _Linear(widths[-1], latent)
        self.logvar = _Linear(widths[-1], latent)
        if self.config.sample_layer:
            self.sample_layer = _Linear(latent, latent)
        self.decoder = _linears(self.config.decode_dims)

    def encode(self, x: jax.Array, dropout: Masks = ()) -> Posterior:
        """q(z | x). x: [B, data]."""
        slope = self.config.slope
        activation = partial(jax.nn.leaky_relu, negative_slope=slope) if slope else jax.nn.relu
        x = _hidden(self.hidden[0](x), self.hidden[1:], dropout[: len(self.hidden)], activation)
        return Posterior(self.mu(x), self.logvar(x))

    def decode(self, z: jax.Array, dropout: Masks = ()) -> jax.Array:
        """f(z) before the sigmoid, where there is one: [B, latent] → [B, data]. dropout: the decoder's masks."""
        return _decoded(self.sample_layer(z) if self.config.sample_layer else z, self.decoder, dropout)

    def __call__(self, x: jax.Array, noise: Noise) -> tuple[Posterior, jax.Array]:
        posterior = self.encode(x, noise.dropout)
        return posterior, self.decode(reparameterize(posterior, noise.eps), noise.dropout[len(self.hidden) :])


class _Linear(nn.Module):
    """torch's Linear, its initialisation included. kernel: [in, out], bias: [out]."""

    width_in: int
    width_out: int

    def setup(self) -> None:
        init = _torch_range(self.width_in)
        self.kernel = self.param("kernel", init, (self.width_in, self.width_out))
        self.bias = self.param("bias", init, (self.width_out,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel + self.bias[None, :]


def _linears(widths: Sequence[int]) -> list[_Linear]:
    return [_Linear(i, o) for i, o in itertools.pairwise(widths)]


def _hidden(
    first: jax.Array, rest: Sequence[_Linear], masks: Masks, activation: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Hidden layers, each masked behind its activation. first: [B, H], what the first one's linear map gave."""
    first_mask, *rest_masks = masks or (None,) * (1 + len(rest))
    x = _masked(activation(first), first_mask)
    for layer, mask in zip(rest, rest_masks, strict=True):
        x = _masked(activation(layer(x)), mask)
    return x


def _masked(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    return x if mask is None else x * mask


def _decoded(z: jax.Array, layers: Sequence[_Linear], masks: Masks = ()) -> jax.Array:
    """Linear layers with ReLU between them."""
    *inner, last = layers
    if inner:
        z = _hidden(inner[0](z), inner[1:], masks, jax.nn.relu)
    return last(z)


def _torch_range(fan_in: int) -> Any:
    """1/√fan_in, within ± which torch's Linear starts both weight and bias; `drawn` draws the values.

    1 where there is nothing in: a model without embeddings has no use for such a parameter.
    """

    def init(_: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jnp.full(shape, max(fan_in, 1) ** -0.5)

    return init


def drawn(key: jax.Array, ranges: Params) -> Params:
    """Parameters, uniform within ± `ranges`, which are what a module's `init` gives: a tree of the same shapes.

    All are parts of one draw: XLA takes a tenth of a second and more to compile each.
    """
    leaves, structure = jax.tree.flatten(ranges)
    ends = list(itertools.accumulate(leaf.size for leaf in leaves))
    parts = jnp.split(_uniform(key, ends[-1]), ends[:-1])
    values = [leaf * part.reshape(leaf.shape) for leaf, part in zip(leaves, parts, strict=True)]
    return cast(Params, jax.tree.unflatten(structure, values))


def _uniform(key: jax.Array, size: int) -> jax.Array:
    """Numbers between −1 and 1: [size]. Many are drawn a part at a time: a draw takes four times its own memory."""
    draw = partial(jax.random.uniform, minval=-1, maxval=1)
    if size <= DRAWN_AT_ONCE:
        return draw(key, (size,))
    part = DRAWN_AT_ONCE // 16
    keys = jax.random.split(key, -(-size // part))
    return jax.lax.map(lambda of_part: draw(of_part, (part,)), keys).ravel()[:size]


@partial(jax.jit, static_argnames="module")
def init_variables(key: jax.Array, module: TopicModel) -> Variables:
    """Fresh variables in torch's initialisation, without a background."""
    zeros = jnp.zeros(1, jnp.int32)
    empty = sparse.Pattern(zeros, zeros, jnp.zeros(2, jnp.int32), zeros, jnp.zeros(module.vocab_size + 1, jnp.int32))
    noise = Noise(jnp.zeros((1, module.config.num_topics)))
    variables = module.init(key, jnp.zeros(1), empty, noise)
    return Variables(drawn(key, variables["params"]), variables.get("constants", {}))


def vocab_axis(path: Any, config: ModelConfig) -> VocabAxis | None:
    """Which axis of the array at a path in variables, or in an optimiser's state, is that of the words; None for none.

    Of words that only fill up a grid of devices: no document holds them, and no topic makes them.
    """
    layer, name = ("", *(str(getattr(key, "key", "")) for key in path))[-2:]
    last = f"decoder_{len(config.decoder_hidden)}"
    if name == "rho" or ((layer, name) == ("hidden_0", "kernel") and not config.read_rho):
        return VocabAxis(-2)
    if name == "rho_bias" or (layer, name) == (last, "kernel"):
        return VocabAxis(-1)
    if name == "background" or (layer, name) == (last, "bias"):
        is_moment = any(getattr(key, "name", "") == "opt_state" for key in path)
        return VocabAxis(-1, 0.0 if is_moment else NEVER)
    return None


def forward(
    module: TopicModel, variables: Variables, inputs: sparse.Array, pattern: sparse.Pattern, noise: Noise
) -> Output:
    """One pass from the encoder's input [N] at the nonzeros of `pattern`: Dieng et al. 2020, Algorithm 1."""
    return cast(Output, module.apply(variables._asdict(), inputs, pattern, noise))


def posterior(
    module: TopicModel,
    variables: Variables,
    inputs: sparse.Array,
    pattern: sparse.Pattern,
    noise: Noise | None = None,
    shift: jax.Array | float = 0.0,
) -> Posterior:
    """q(δ | x) as the encoder gives it, the first half of `forward`; without masks where there is no noise.

    shift: [B, H], added to what the first layer gives.
    """
    return cast(Posterior, module.apply(variables._asdict(), inputs, pattern, noise, shift, method="encode"))


def decode(module: TopicModel, variables: Variables, posterior: Posterior, noise: Noise) -> Output:
    """What a sample of the posterior stands for, the second half of `forward`."""
    return cast(Output, module.apply(variables._asdict(), posterior, noise, method="decode"))


def mean_theta(module: TopicModel, variables: Variables, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
    """Topic proportions at the posterior mean: [B, K]."""
    mu = posterior(module, variables, inputs, pattern).mu
    return cast(jax.Array, module.apply(variables._asdict(), mu, method="theta"))


def prior_theta(module: TopicModel, variables: Variables) -> jax.Array:
    """Topic proportions at the mean of the prior, δ = 0: [K]. What is known of a document without a known word."""
    mean = jnp.zeros((1, module.config.num_topics))
    return cast(jax.Array, module.apply(variables._asdict(), mean, method="theta"))[0]


def beta(module: TopicModel, variables: Variables) -> jax.Array:
    """The topics: [K, V], rows sum to 1."""
    return cast(jax.Array, module.apply(variables._asdict(), method="beta"))


def tempered(variables: Variables, temperature: float) -> Variables:
    """ETM with α and the background divided by `temperature`: β_k ∝ β_k^(1/temperature), of the same words in order.

    What maximises the likelihood of some documents is too sure of them for others. Guo et al. 2017, arXiv 1706.04599,
    section 4.2, do so to classifiers. The encoder, which reads ρ, stays as it is.
    """
    if temperature == 1:
        return variables
    alpha, background = variables.params["alpha"] / temperature, variables.constants["background"] / temperature
    return Variables(variables.params | {"alpha": alpha}, variables.constants | {"background": background})


def log_px(module: TopicModel, variables: Variables, theta: jax.Array) -> jax.Array:
    """Logarithm of p(w | θ) for every word, of a model where it is no mixture: [B, K] → [B, V]."""
    return jax.nn.log_softmax(cast(jax.Array, module.apply(variables._asdict(), theta, method="logits")), axis=-1)


def reparameterize(posterior: Posterior, eps: jax.Array) -> jax.Array:
    """δ = μ + exp(logvar / 2)·ε, a sample of q(δ | x) where ε is one of N(0, I). eps: [B, K] → [B, K].

    Kingma, Welling 2014, arXiv 1312.6114, section 2.4; the sampling step of Dieng et al. 2020, Algorithm 1.
    """
    return posterior.mu + jnp.exp(posterior.logvar / 2) * eps


def draw_noise(key: jax.Array, config: ModelConfig, batch_size: int, pattern: sparse.Pattern | None = None) -> Noise:
    """Fresh ε [B, K] and, where the model has dropout, fresh masks [B, H] of 0 and 1 / (1 − dropout), as torch's.

    pattern: of the entries that are thinned; None for none. A document keeps a share of its entries that is uniform
    between 1 − thinning and 1. A document and an entry get the same numbers on any grid of devices.
    """
    everywhere, last = config.dropout_layers == "all", len(config.hidden) - 1
    rates = [config.dropout if everywhere or i == last else 0.0 for i in range(len(config.hidden))]
    widths = config.hidden
    if config.kind == "gsm" and everywhere:
        # So has the published GSM's.
        widths, rates = widths + config.decoder_hidden, rates + [config.dropout] * len(config.decoder_hidden)
    noise = _draw(key, batch_size, config.num_topics, widths, rates)
    if pattern is None or config.thinning == 0:
        return noise
    thinning_key, grid = jax.random.fold_in(key, 1), pattern.grid
    # What the documents of a batch are given comes first, without those that only fill up a grid.
    docs = batch_size if grid is None else grid.batch_size
    uniform = jax.random.uniform(thinning_key, (batch_size + pattern.cols.size,))
    share = sparse.of_documents(1 - config.thinning * uniform[:batch_size], pattern)
    ranks = uniform[docs:] if pattern.places is None else uniform[docs + jnp.asarray(pattern.places)]
    return noise._replace(visible=(ranks < share).astype(noise.eps.dtype))


def draw_vae_noise(key: jax.Array, config: VAEConfig, batch_size: int) -> Noise:
    """Fresh ε and, where the VAE has dropout, fresh masks for all hidden layers."""
    widths = config.encode_dims[1:-1] + config.decode_dims[1:-1]
    return _draw(key, batch_size, config.encode_dims[-1], widths, [config.dropout] * len(widths))


def _draw(key: jax.Array, batch_size: int, latent: int, widths: Sequence[int], rates: Sequence[float]) -> Noise:
    eps_key, *mask_keys = jax.random.split(key, 1 + len(widths))
    eps = jax.random.normal(eps_key, (batch_size, latent))
    masks = (
        jax.random.bernoulli(mask_key, 1 - rate, (batch_size, width)) / (1 - rate) if rate else None
        for mask_key, width, rate in zip(mask_keys, widths, rates, strict=True)
    )
    return Noise(eps, tuple(masks))
