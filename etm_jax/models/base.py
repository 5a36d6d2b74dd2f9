"""What a topic model is: the way from a document's words to its topics, and the terms of its loss.

A model is one file beside this one: a subclass of `TopicModel`, or of `TopicModelKind` where it is not trained by
gradient steps. `etm_jax.models.registry` finds it by the name of `--model`.

Shapes: B documents of a batch, V words, K topics, L embedding size, H units, N nonzeros of the batch.
"""

from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from etm_jax.config.settings import ModelConfig, ObjectiveConfig, OptimizerConfig
from etm_jax.config.vector_sources import is_given
from etm_jax.corpus.metadata import Metadata
from etm_jax.models import context as contexts
from etm_jax.models import noise as noises
from etm_jax.models.batch import Batch
from etm_jax.models.kind import Start, TopicModelKind
from etm_jax.models.layers import (
    Linear,
    Module,
    Params,
    Variables,
    declare,
    hidden,
    init_variables,
    linears,
    needs_no_parameters,
    side_by_side,
    torch_range,
)
from etm_jax.models.noise import DropoutLayer, Noise, Posterior, reparameterize
from etm_jax.models.objective import kl_divergence, log_px_nonzero, reconstruction, seed_loss, topic_overlap
from etm_jax.models.refine import amortization_gap, refine
from etm_jax.models.seed_words import Columns
from etm_jax.ops import sparse
from etm_jax.ops.mesh import VocabAxis


class Reading(NamedTuple):
    """What the encoder takes from a batch's words: all that is of the size of the vocabulary lies before it.

    product: [B, H], the input times the first layer's kernel; None for an encoder that reads ρ, which has no weights of
    its own for each word. vectors: [B, L], the documents in the space of the word embeddings; of width 0 where the
    encoder does not read them. context: [B, R], the documents' vectors of --context on their principal axes, of mean 0
    and variance 1 over the documents to train on; None where there is none.
    """

    product: jax.Array | None
    vectors: jax.Array
    context: jax.Array | None = None


class Output(NamedTuple):
    """One pass. theta: [B, K], of a sample from the posterior; beta: of `TopicModel.beta_of`.

    gap: [B], the amortization gap in nats, where the posterior was refined; None where it was not.
    """

    posterior: Posterior
    theta: jax.Array
    beta: jax.Array
    gap: jax.Array | None = None


class TopicModel(TopicModelKind, Module):
    """A topic model that is trained by gradient steps on −ELBO; a subclass adds `beta`, its own parameters and terms.

    It is a pure function of its variables: `model.bind(variables._asdict())` gives the methods below their parameters.
    embed_dim: L, 0 for a model without embeddings. metadata: what the fields are that `fields_read` names. context_dim:
    C, 0 without --context.
    """

    config: ModelConfig
    vocab_size: int
    embed_dim: int = 0
    objective: ObjectiveConfig = ObjectiveConfig()
    seed_words: Columns = ()
    metadata: Metadata = Metadata()
    context_dim: int = 0

    # Parameters

    def setup(self) -> None:
        """The encoder: hidden layers, then a mean and a log-variance for each topic."""
        c, k, dim = self.config, self.config.num_topics, self.embed_dim
        by_context = c.encoder == "context"
        size, axes = self.context_dim, min(c.context_axes, self.context_dim)
        first = axes if by_context else dim if c.read_rho else self.vocab_size
        reads_words = not (by_context or c.read_rho)
        self.hidden = linears((first, *c.hidden), reads_words=reads_words, more_inputs=self.more_inputs())
        self.mu = Linear(c.hidden[-1], k)
        self.logvar = Linear(c.hidden[-1], k)
        if c.theta_layer:
            self.theta_layer = Linear(k, k)
        if c.context:
            if not by_context:
                self.context_kernel = self.param("context_kernel", declare(torch_range(axes)), (axes, c.hidden[0]))
            self.context_topics = self.param("context_topics", declare(0.0), (axes, k))
            self.context_mean = self.constant("context_mean", None, (size,))
            self.context_axes = self.constant("context_axes", None, (size, axes))
            if not is_given(c.context):
                self.context_words = self.constant("context_words", VocabAxis(-2), (self.vocab_size, size))

    @needs_no_parameters
    def more_inputs(self) -> int:
        """What the encoder's first layer reads besides words, of which a subclass makes the parameters."""
        return 0

    @needs_no_parameters
    def initial(self, key: jax.Array, start: Start) -> Variables:
        """The variables to train from."""
        return init_variables(key, self)

    @needs_no_parameters
    def first_kernel(self) -> tuple[str, ...] | None:
        """The path of the encoder's kernel [V, H] in the parameters; None where it has no weights for each word."""
        return None if self.config.read_rho else ("hidden_0", "kernel")

    @needs_no_parameters
    def fixed(self, train_rho: bool) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        return frozenset()

    @needs_no_parameters
    def step_scales(self, config: OptimizerConfig) -> dict[str, float]:
        """By name of a parameter the multiple of the step size that it moves by; 1 for those not named."""
        return {}

    @staticmethod
    def sizes(params: Params) -> tuple[int, int]:
        """V and L, from the shapes of a model's parameters."""
        return params["hidden_0"]["kernel"].shape[0], 0

    @staticmethod
    def tempered(variables: Variables, temperature: float) -> Variables:
        """The model that is used once training has ended, its topics divided by `temperature` in their logits."""
        return variables

    # Inference: from words to θ

    def read(self, batch: Batch, noise: Noise | None = None) -> Reading:
        """The first half of the encoder. noise: None to hide no words."""
        inputs = batch.inputs
        if noise is not None and noise.visible is not None:
            inputs = inputs * noise.visible
        context = self.scaled_context(batch, noise) if self.config.context else None
        if self.config.encoder == "context":
            return Reading(None, jnp.zeros((batch.real.shape[0], 0)), context)
        product = None if self.config.read_rho else sparse.spmm(inputs, batch.pattern, self.hidden[0].kernel)
        if self.config.read_rho or self.config.skip:
            return Reading(product, self.document_vectors(inputs, batch.pattern), context)
        return Reading(product, jnp.zeros((batch.real.shape[0], 0)), context)

    def scaled_context(self, batch: Batch, noise: Noise | None = None) -> jax.Array:
        """The vectors of --context on their principal axes, of variance 1 over the documents to train on: [B, R]."""
        if batch.context is not None:
            found = jnp.asarray(batch.context)
        else:
            counts = jnp.asarray(batch.counts)
            if noise is not None and noise.visible is not None:
                counts = counts * noise.visible
            found = contexts.of_words(sparse.spmm(counts, batch.pattern, self.context_words), self.context_mean)
        return (found - self.context_mean[None]) @ self.context_axes

    def document_vectors(self, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
        """Documents in the space of the word embeddings: [N] → [B, L], in a model that has them."""
        raise NotImplementedError

    def encode(self, reading: Reading, noise: Noise | None = None) -> Posterior:
        """q(δ | x), the second half of the encoder. noise: None for no dropout."""
        first, context, by_context = self.hidden[0], reading.context, self.config.encoder == "context"
        if context is not None and by_context:
            x = first(context)
        else:
            x = first.after_product(reading.product) if reading.product is not None else first(reading.vectors)
        if context is not None and not by_context:
            x = x + context @ self.context_kernel
        x = hidden(x, self.hidden[1:], () if noise is None else noise.dropout[: len(self.hidden)])
        mu, logvar = side_by_side(x, self.mu, self.logvar)
        if context is not None:
            mu = mu + context @ self.context_topics
        return Posterior(mu, logvar)

    def theta(self, delta: jax.Array) -> jax.Array:
        """softmax(δ), behind a linear layer where the variant has one. delta: [B, K] → [B, K]."""
        return jax.nn.softmax(self.theta_layer(delta) if self.config.theta_layer else delta, axis=-1)

    def infer(self, batch: Batch, beta: jax.Array | None = None) -> jax.Array:
        """Topic proportions of new documents, at the mean of the posterior: [B, K].

        beta: the topics, where they are known already: [K, V].

        With `infer_steps`, at the mode of the document's own posterior where the prior is N(μ, `infer_variance`·I),
        about the encoder's mean μ. Under the model's prior, the mode takes a short document's few words for more than
        they are; the encoder has seen which topics go with them. With `infer_sif`, a word counts the less, the more of
        the text it is: common words come in bursts, which say more of a document's style than of its topics.
        """
        c, mu = self.config, self.encode(self.read(batch)).mu + self.prior_mean(batch)
        if c.infer_steps == 0:
            return self.theta(mu)
        counts = jnp.asarray(batch.counts) * self.informativeness(batch.pattern) if c.infer_sif else batch.counts
        beta = self.beta_of(batch) if beta is None else beta
        rows, weights = self.word_rows(beta, batch), self.topic_weights(batch, beta)
        mode, _ = refine(mu, rows, counts, batch.pattern, mu, c.infer_variance, c.infer_steps, weights)
        return jax.nn.softmax(mode, axis=-1)

    def informativeness(self, pattern: sparse.Pattern) -> sparse.Array:
        """What a word counts in `infer`, at each nonzero: [N], in (0, 1]; scalar 1 where words' shares are unknown."""
        return jnp.ones(())

    def word_weights(self) -> jax.Array:
        """What each word of the vocabulary counts in `infer`: [V], in (0, 1]."""
        return jnp.ones(self.vocab_size)

    def prior_mean(self, batch: Batch) -> jax.Array | float:
        """The mean of the prior of δ, which the encoder's mean counts from: [B, K], or 0 for all documents alike."""
        return 0.0

    def topic_weights(self, batch: Batch, beta: jax.Array) -> jax.Array | float:
        """What `refine` weighs the topics' words by in each document: [B, K], or 1 where all have the same words."""
        return 1.0

    def prior_theta(self) -> jax.Array:
        """Topic proportions at the mean of the prior, δ = 0: [K]. What is known of a document without a known word."""
        return self.theta(jnp.zeros((1, self.config.num_topics)))[0]

    # Generation: from θ to words

    def beta(self) -> jax.Array:
        """The topics: [K, V], rows sum to 1."""
        raise NotImplementedError

    def beta_of(self, batch: Batch) -> jax.Array:
        """The topics as the documents of a batch have them: [K, V], or an array of such where they differ."""
        return self.beta()

    def one_beta(self, beta: jax.Array) -> jax.Array:
        """Of `beta_of` one set of topics, for what is said of topics without documents: [K, V]."""
        return beta

    def word_rows(self, beta: jax.Array, batch: Batch) -> jax.Array:
        """The probability of each nonzero's word in the topics of its document, as of `etm_jax.ops.sparse.word_rows`.

        beta: of `beta_of`.
        """
        return sparse.word_rows(beta.T, batch.pattern)

    def log_px(self, theta: jax.Array) -> jax.Array:
        """Logarithm of p(w | θ) of every word: [B, K] → [B, V], nats."""
        return jnp.log(theta @ self.beta())

    def word_shifts(self) -> jax.Array | None:
        """s of `etm_jax.models.content`: [V, G]; None in a model whose topics have the same words in all documents."""
        return None

    # Training

    @property
    def topics_vary(self) -> bool:
        """Whether documents differ in the words of their topics, by their metadata, so that θβ is not p(w | θ)."""
        return False

    def log_px_nonzero(self, theta: jax.Array, beta: jax.Array, batch: Batch) -> jax.Array:
        """log p(w | θ) at the nonzeros: [B, K] → [N], nats. beta: of `beta_of`."""
        return log_px_nonzero(theta, beta, batch.pattern, self.objective.likelihood_eps)

    @needs_no_parameters
    def dropout_layers(self) -> list[DropoutLayer]:
        """The layers that `Noise.dropout` has masks for."""
        c, last = self.config, len(self.config.hidden) - 1
        everywhere = c.dropout_layers == "all"
        return [DropoutLayer(width, c.dropout if everywhere or i == last else 0.0) for i, width in enumerate(c.hidden)]

    @needs_no_parameters
    def draw_noise(self, key: jax.Array, batch: Batch) -> Noise:
        """All that is random in one step of training on this batch."""
        batch_size = batch.real.shape[0]
        noise = noises.draw(key, batch_size, self.config.num_topics, self.dropout_layers())
        if self.config.thinning == 0:
            return noise
        visible = noises.draw_visible(jax.random.fold_in(key, 1), batch_size, batch.pattern, self.config.thinning)
        return noise._replace(visible=visible.astype(noise.eps.dtype))

    def forward(self, reading: Reading, batch: Batch, noise: Noise) -> Output:
        """One pass, by one sample of δ a document: Dieng et al. 2020, Algorithm 1.

        With `refine_steps`, the posterior's mean is refined before it is sampled from, straight through.
        """
        # What is encoded is δ less the mean of its prior, as q(δ − m | x): the KL term has no part in m.
        posterior, beta, gap = self.encode(reading, noise), None, None
        mean = self.prior_mean(batch)
        if (steps := self.objective.refine_steps) > 0:
            fixed_mean = jax.lax.stop_gradient(mean)
            mu, beta, prior_variance = posterior.mu + fixed_mean, self.beta_of(batch), self.config.prior_variance
            rows, weights = self.word_rows(jax.lax.stop_gradient(beta), batch), self.topic_weights(batch, beta)
            refined, curvature = refine(mu, rows, batch.counts, batch.pattern, mean, prior_variance, steps, weights)
            gap = amortization_gap(mu, refined, curvature)
            # The refined value, with the encoder's gradient.
            posterior = posterior._replace(mu=refined - fixed_mean + (mu - jax.lax.stop_gradient(mu)))
        theta = self.theta(mean + reparameterize(posterior, noise.eps))
        return Output(posterior, theta, self.beta_of(batch) if beta is None else beta, gap)

    def reconstruction(self, out: Output, batch: Batch, noise: Noise) -> jax.Array:
        """−log p(x | θ) by the chosen criterion: [B], nats."""
        return reconstruction(out.theta, out.beta, batch.counts, batch.pattern, self.objective)

    def loss_terms(self, reading: Reading, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        """The terms of the loss by name, unweighted, in nats: [B] of each document, or scalars.

        `recon` and `kl`, the two of −ELBO, and what the settings ask for besides. A model that adds terms of its own
        calls this and adds to it; `etm_jax.models.objective.total_loss` sums them.
        """
        return self.terms_of(self.forward(reading, batch, noise), batch, noise)

    def terms_of(self, out: Output, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        """What `loss_terms` has of a pass."""
        terms = {
            "recon": self.reconstruction(out, batch, noise),
            "kl": kl_divergence(*out.posterior, self.config.prior_variance),
        }
        if out.gap is not None:
            terms["amortization_gap"] = out.gap
        if self.objective.overlap_weight:
            terms["overlap"] = topic_overlap(self.one_beta(out.beta))
        if self.seed_words:
            terms["seed"] = seed_loss(self.one_beta(out.beta), self.seed_words)
        return terms

    def documents_scale(self) -> jax.Array | None:
        """What the loss multiplies the documents' mean or sum by, and not the scalar terms: scalar; None for 1."""
        return None

    # For flax

    def __call__(self, batch: Batch, noise: Noise) -> Any:
        return self.loss_terms(self.read(batch, noise), batch, noise)

    @needs_no_parameters
    def example(self) -> tuple[Batch, Noise]:
        zeros = jnp.zeros(1, jnp.int32)
        pattern = sparse.Pattern(
            zeros, zeros, jnp.zeros(2, jnp.int32), zeros, jnp.zeros(self.vocab_size + 1, jnp.int32)
        )
        extras: dict[str, sparse.Array] = _AnyField()
        vectors = jnp.zeros((1, self.context_dim)) if is_given(self.config.context) else None
        batch = Batch(jnp.zeros(1), jnp.zeros(1), pattern, jnp.zeros(1), extras, present=zeros, context=vectors)
        return batch, Noise(jnp.zeros((1, self.config.num_topics)))

    def with_variables(self, variables: Variables) -> Self:
        """The model with its parameters, whose methods can be called."""
        return self.bind(variables._asdict())


class _AnyField(dict[str, sparse.Array]):
    """Metadata of one document, which has every field that a model's loss may ask for."""

    def __missing__(self, name: str) -> jax.Array:
        return jnp.zeros(1)
