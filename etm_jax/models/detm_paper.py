"""The dynamic embedded topic model as published: Dieng, Ruiz, Blei 2019, arXiv 1907.05545, and adjidieng/DETM.

Shapes: B documents of a batch, D documents to train on, T periods, V words, K topics, L embedding size, E units of the
LSTM, H units of the encoder.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.models.base import Output, Reading
from etm_jax.models.batch import Batch
from etm_jax.models.by_period import ByPeriod
from etm_jax.models.kind import Start
from etm_jax.models.layers import Linear, Params, Variables, declare, init_variables, needs_no_parameters, torch_range
from etm_jax.models.noise import Noise, Posterior, reparameterize
from etm_jax.models.objective import log_px_nonzero
from etm_jax.models.structured import Affine, EtaNetwork, Walk, gaussian_kl, sample_of, walk_kl
from etm_jax.models.walk import with_mean
from etm_jax.ops import sparse
from etm_jax.ops.mesh import NEVER, VocabAxis
from etm_jax.util.errors import UserError


class DatedPass(NamedTuple):
    """One pass. prior_mean, theta: [B, K]; beta: of `StructuredDETM.all_topics`; alpha, eta: their walks."""

    posterior: Posterior
    prior_mean: jax.Array
    theta: jax.Array
    beta: jax.Array
    alpha: Walk
    eta: Walk


class StructuredDETM(ByPeriod):
    """Topics whose embeddings walk from period to period, as do the mean topics of a period's documents.

    α^(t) ~ N(α^(t−1), s), η_t ~ N(η_{t−1}, s), the first of both N(0, 1), s = `walk_variance`; δ ~ N(η_t, I),
    θ = softmax(δ), β^(t) = softmax(ρα^(t)). q(α) is Gaussian by itself in each number; q(η) is given by an LSTM over
    the mean counts of the periods' documents; q(δ | x, η_t) by an encoder that reads η_t beside the document. The loss
    is D times the mean of the documents' terms, plus the KL terms of both walks.

    A document without a date is of a period of its own, whose η and α are the means over all periods. `beta` has the
    topics of that one, `beta_at` those of any.
    """

    has_embeddings: ClassVar[bool] = True
    exports: ClassVar[tuple[str, ...]] = ("rho", "alpha", "background", "alpha_time", "eta")

    @classmethod
    def exported(cls, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """alpha_time: [T, K, L], the means of q(α), of which alpha is the mean over time; eta: [T, K], that of q(η)."""
        alpha_time = np.swapaxes(np.asarray(values["alpha_mean"]), 0, 1)
        eta = EtaNetwork.of(values).walk(jnp.asarray(values["period_words"]), None, 1.0).sample
        own = {name: np.asarray(values[name]) for name in ("rho", "background")}
        return own | {"alpha": alpha_time.mean(axis=0), "alpha_time": alpha_time, "eta": np.asarray(eta)}

    # Parameters

    def setup(self) -> None:
        super().setup()
        own, v, k, dim = self.config.own, self.vocab_size, self.config.num_topics, self.embed_dim
        units, num_periods = own.eta_hidden_size, len(self.axis)
        self.eta_kernel = self.param("eta_kernel", declare(torch_range(v + k)), (k, self.config.hidden[0]))
        self.rho = self.param("rho", declare(torch_range(dim), VocabAxis(-2)), (v, dim))
        self.alpha_mean = self.param("alpha_mean", declare(1.0), (k, num_periods, dim))
        self.alpha_logvar = self.param("alpha_logvar", declare(1.0), (k, num_periods, dim))
        self.eta_map = Linear(v, units, reads_words=True)
        layers = range(own.eta_layers)
        self.lstm_input = [Linear(units, 4 * units, fan_in=units) for _ in layers]
        self.lstm_state = [Linear(units, 4 * units, fan_in=units) for _ in layers]
        self.eta_mu = Linear(units + k, k)
        self.eta_logvar = Linear(units + k, k)
        self.background = self.constant("background", VocabAxis(-1, NEVER), (v,))
        self.period_words = self.constant("period_words", VocabAxis(-1), (num_periods, v))
        self.num_docs = self.constant("num_docs", None, ())

    @needs_no_parameters
    def more_inputs(self) -> int:
        return self.config.num_topics

    @needs_no_parameters
    def fixed(self, train_rho: bool) -> frozenset[str]:
        return frozenset() if train_rho else frozenset({"rho"})

    @staticmethod
    def sizes(params: Params) -> tuple[int, int]:
        vocab_size, embed_dim = params["rho"].shape
        return vocab_size, embed_dim

    @needs_no_parameters
    def initial(self, key: jax.Array, start: Start) -> Variables:
        """torch's initialisation with ρ from the word vectors and q(α) standard normal; what is known of the periods.

        Raises UserError where topics are to have seed words, which the published model has no place for.
        """
        if start.seed_words:
            raise UserError("--seed_words are not for --model=detm as published; leave them out")
        assert start.vectors is not None
        params, _ = init_variables(key, self)
        names = ("alpha_mean", "alpha_logvar")
        normal = jax.random.normal(jax.random.fold_in(key, 1), (len(names), *params["alpha_mean"].shape))
        params = params | {"rho": jnp.asarray(start.vectors)} | dict(zip(names, normal, strict=True))
        name, corpus = self.config.own.time_field, start.corpus
        values = corpus.metadata.only([name]).encode(corpus.train.meta, len(corpus.train))[name]
        period = np.asarray(self.axis.period_of(values))
        return Variables(params, self.constants_of(corpus.train.counts, period, corpus.num_train))

    @needs_no_parameters
    def constants_of(self, counts: sp.csr_matrix, period: np.ndarray, num_docs: int) -> Params:
        """What the model knows of the documents to train on. counts: [n, V]; period: [n], T for none.

        period_words: [T, V] dense, as published: 4·T·V bytes; zeros for a period without documents, where the
        published code would have NaN.
        """
        num_periods = len(self.axis)
        dated = np.flatnonzero(period < num_periods)
        shape = (num_periods, counts.shape[0])
        members = sp.csr_matrix((np.ones(len(dated)), (period[dated], dated)), shape=shape)
        docs = np.asarray(members.sum(axis=1))
        words = (members @ counts).toarray() / np.maximum(docs, 1)
        found = {"period_words": words, "num_docs": num_docs, "background": np.zeros(words.shape[1])}
        return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in found.items()}

    # Inference

    def alpha_walk(self, noise: Noise) -> Walk:
        """A sample of q(α): [T, K, L], and its KL term. Without noise the mean."""
        mean, logvar = (jnp.swapaxes(x, 0, 1) for x in (self.alpha_mean, self.alpha_logvar))
        sample = sample_of(mean, logvar, noise.own.get("alpha"))
        return Walk(sample, walk_kl(mean, logvar, sample, self.config.own.walk_variance))

    def eta_walk(self, noise: Noise | None = None) -> Walk:
        """A sample of q(η): [T, K], and its KL term. Without noise each mean, given the mean before."""
        eps = None if noise is None else noise.own.get("eta")
        groups = [self.eta_map], self.lstm_input, self.lstm_state, [self.eta_mu, self.eta_logvar]
        (words,), inputs, states, heads = ([Affine(layer.kernel, layer.bias) for layer in group] for group in groups)
        network = EtaNetwork(words, inputs, states, *heads)
        return network.walk(self.period_words, eps, self.config.own.walk_variance)

    def read(self, batch: Batch, noise: Noise | None = None) -> Reading:
        reading = super().read(batch, noise)
        return reading._replace(vectors=with_mean(self.eta_walk().sample)[self.period_of(batch)])

    def encode(self, reading: Reading, noise: Noise | None = None) -> Posterior:
        """q(δ | x, η_t). reading.vectors: [B, K], η of each document's period."""
        assert reading.product is not None
        return super().encode(reading._replace(product=reading.product + reading.vectors @ self.eta_kernel), noise)

    def infer(self, batch: Batch, beta: jax.Array | None = None) -> jax.Array:
        """θ at the mean of q(δ | x, η_t) and of q(η): [B, K]. Of a document without words softmax(η_t)."""
        reading = self.read(batch)
        has_words = sparse.sum_rows(jnp.asarray(batch.counts), batch.pattern)[:, None] > 0
        return self.theta(jnp.where(has_words, self.encode(reading).mu, reading.vectors))

    def prior_theta(self) -> jax.Array:
        return self.theta(self.eta_walk().sample.mean(axis=0, keepdims=True))[0]

    # Generation

    def beta(self) -> jax.Array:
        """The topics of no period, at the mean of α over all: [K, V]."""
        return self._topics(self.alpha_mean.mean(axis=1)).T

    def beta_at(self, periods: jax.Array) -> jax.Array:
        """The topics in some periods, at the mean of q(α): [P] places → [P, K, V]; T is no period."""
        alpha = with_mean(jnp.swapaxes(self.alpha_mean, 0, 1))[periods]
        topics = self._topics(alpha.reshape(-1, self.embed_dim))
        return topics.T.reshape(len(periods), self.config.num_topics, -1)

    def _topics(self, alpha: jax.Array) -> jax.Array:
        """softmax_v(ρ_v·α): [n, L] → [V, n]."""
        return jax.nn.softmax(self.rho @ alpha.T + self.background[:, None], axis=0)

    def all_topics(self, alpha: jax.Array) -> jax.Array:
        """The topics of all periods and of none: [T, K, L] → [V, (T + 1) K], words first."""
        return self._topics(with_mean(alpha).reshape(-1, self.embed_dim))

    def beta_of(self, batch: Batch) -> jax.Array:
        """As of `all_topics`, at the mean of q(α): documents of all periods stand in one batch."""
        return self.all_topics(jnp.swapaxes(self.alpha_mean, 0, 1))

    def one_beta(self, beta: jax.Array) -> jax.Array:
        return beta[:, -self.config.num_topics :].T

    def log_px_nonzero(self, theta: jax.Array, beta: jax.Array, batch: Batch) -> jax.Array:
        """log(Σ_k θ_k β^(t)_kw + eps) at the nonzeros, t the document's period: [N], nats.

        beta: [V, (T + 1) K], of which no row is held a second time for a document, as the published code does.
        """
        split = sparse.split_columns(batch.pattern, self.period_of(batch), len(self.axis) + 1)
        of_periods = beta.reshape(-1, self.config.num_topics)
        return log_px_nonzero(theta, of_periods.T, split, self.objective.likelihood_eps)

    # Training

    @needs_no_parameters
    def draw_noise(self, key: jax.Array, batch: Batch) -> Noise:
        num_periods, k = len(self.axis), self.config.num_topics
        alpha_key, eta_key = jax.random.split(jax.random.fold_in(key, 2))
        alpha = jax.random.normal(alpha_key, (num_periods, k, self.embed_dim))
        own = {"alpha": alpha, "eta": jax.random.normal(eta_key, (num_periods, k))}
        return super().draw_noise(key, batch)._replace(own=own)

    def dated_pass(self, reading: Reading, batch: Batch, noise: Noise) -> DatedPass:
        """One pass, by one sample of α, of η, and of δ a document."""
        alpha, eta = self.alpha_walk(noise), self.eta_walk(noise)
        prior_mean = with_mean(eta.sample)[self.period_of(batch)]
        posterior = self.encode(reading._replace(vectors=prior_mean), noise)
        theta = self.theta(reparameterize(posterior, noise.eps))
        return DatedPass(posterior, prior_mean, theta, self.all_topics(alpha.sample), alpha, eta)

    def forward(self, reading: Reading, batch: Batch, noise: Noise) -> Output:
        out = self.dated_pass(reading, batch, noise)
        return Output(out.posterior, out.theta, out.beta)

    def loss_terms(self, reading: Reading, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        """`recon` and `kl` of each document, [B], and the scalars `kl_alpha` and `kl_eta`, in nats."""
        out = self.dated_pass(reading, batch, noise)
        log_px = self.log_px_nonzero(out.theta, out.beta, batch)
        return {
            "recon": -sparse.sum_rows(jnp.asarray(batch.counts) * log_px, batch.pattern),
            "kl": gaussian_kl(*out.posterior, out.prior_mean, jnp.ones((1, 1), out.theta.dtype)),
            "kl_alpha": out.alpha.kl,
            "kl_eta": out.eta.kl,
        }

    def documents_scale(self) -> jax.Array:
        """D: the published loss is of the whole corpus."""
        return self.num_docs

    @classmethod
    def collapse_advice(cls, config: Config, num_docs: int) -> Iterator[str]:
        if config.vectors.vectors in ("random", "cbow"):
            yield "--vectors=ppmi"
        yield from super().collapse_advice(config, num_docs)
