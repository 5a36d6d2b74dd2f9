"""The dynamic embedded topic model as published: Dieng, Ruiz, Blei 2019, arXiv 1907.05545, and adjidieng/DETM.

Shapes: B documents of a batch, D documents to train on, T periods, V words, K topics, L embedding size, E units of the
LSTM, H units of the encoder.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.config.settings import ModelConfig
from etm_jax.models.base import Output, Reading, Start, TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Linear, Params, Variables, declare, init_variables, needs_no_parameters, torch_range
from etm_jax.models.noise import Noise, Posterior, reparameterize
from etm_jax.models.objective import log_px_nonzero
from etm_jax.models.structured import Walk, eta_walk, gaussian_kl, lstm, sample_of, walk_kl
from etm_jax.models.time_periods import NO_PERIOD, Periods, periods_of
from etm_jax.ops import sparse
from etm_jax.ops.mesh import NEVER, VocabAxis
from etm_jax.util.errors import UserError


class DatedPass(NamedTuple):
    """One pass. period: [B], T for a document without a date; theta: [B, K]; alpha, eta: their walks."""

    period: jax.Array
    posterior: Posterior
    prior_mean: jax.Array
    theta: jax.Array
    alpha: Walk
    eta: Walk


class StructuredDETM(TopicModel):
    """Topics whose embeddings walk from period to period, as do the mean topics of a period's documents.

    α^(t) ~ N(α^(t−1), s), η_t ~ N(η_{t−1}, s), the first of both N(0, 1), s = `walk_variance`; δ ~ N(η_t, I),
    θ = softmax(δ), β^(t) = softmax(ρα^(t)). q(α) is Gaussian by itself in each number; q(η) is given by an LSTM over
    the mean counts of the periods' documents; q(δ | x, η_t) by an encoder that reads η_t beside the document. The loss
    is D times the mean of the documents' terms, plus the KL terms of both walks.

    A document without a date has as its period one in the middle: η and α are the means over the periods, by the share
    of the documents to train on. `beta` has the topics of that period, `beta_of` those of a real one.
    """

    has_embeddings: ClassVar[bool] = True
    exports: ClassVar[tuple[str, ...]] = ("rho", "alpha_mean", "background")

    # Parameters

    def setup(self) -> None:
        super().setup()
        own, v, k, dim = self.config.own, self.vocab_size, self.config.num_topics, self.embed_dim
        units, num_periods = own.eta_hidden_size, len(self.periods())
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
        self.period_share = self.constant("period_share", None, (num_periods,))
        self.num_docs = self.constant("num_docs", None, ())

    @classmethod
    def fields_read(cls, config: ModelConfig) -> tuple[str, ...]:
        if not config.own.time_field:
            raise UserError("--model=detm takes a date of each document; name its field, as --time_field=date")
        return (config.own.time_field,)

    @needs_no_parameters
    def more_inputs(self) -> int:
        return self.config.num_topics

    @needs_no_parameters
    def periods(self) -> Periods:
        """The T periods."""
        column = next(c for c in self.metadata.columns if c.name == self.config.own.time_field)
        return periods_of(column, self.config.own.time_bin)

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
        counts, period = corpus.train.counts, np.asarray(self.periods().of(values))
        return Variables(params, self.constants_of(counts, period, corpus.num_train))

    @needs_no_parameters
    def constants_of(self, counts: sp.csr_matrix, period: np.ndarray, num_docs: int) -> Params:
        """What the model knows of the documents to train on. counts: [n, V]; period: [n], as of `Periods.of`.

        period_words: [T, V] dense, as published: 4·T·V bytes; zeros for a period without documents, where the
        published code would have NaN.
        """
        num_periods = len(self.periods())
        dated = np.flatnonzero(period != NO_PERIOD)
        shape = (num_periods, counts.shape[0])
        members = sp.csr_matrix((np.ones(len(dated)), (period[dated], dated)), shape=shape)
        docs = np.asarray(members.sum(axis=1))
        words = (members @ counts).toarray() / np.maximum(docs, 1)
        share = docs[:, 0] / max(len(dated), 1)
        found = {
            "period_words": words,
            "period_share": share,
            "num_docs": num_docs,
            "background": np.zeros(words.shape[1]),
        }
        return {name: jnp.asarray(value, jnp.result_type(float)) for name, value in found.items()}

    # Inference

    def period_of(self, batch: Batch) -> jax.Array:
        """The period of each document: [B] int32, T for one without a date."""
        found = self.periods().of(batch.extras[self.config.own.time_field])
        return jnp.where(found == NO_PERIOD, len(self.periods()), found)

    def alpha_walk(self, noise: Noise) -> Walk:
        """A sample of q(α): [T, K, L], and its KL term. Without noise the mean."""
        mean, logvar = (jnp.swapaxes(x, 0, 1) for x in (self.alpha_mean, self.alpha_logvar))
        sample = sample_of(mean, logvar, noise.own.get("alpha"))
        return Walk(sample, walk_kl(mean, logvar, sample, self.config.own.walk_variance))

    def eta_walk(self, noise: Noise | None = None) -> Walk:
        """A sample of q(η): [T, K], and its KL term. Without noise each mean, given the mean before."""
        read = lstm(self.eta_map(self.period_words), self.lstm_input, self.lstm_state)
        eps = None if noise is None else noise.own.get("eta")
        return eta_walk(read, self.eta_mu, self.eta_logvar, eps, self.config.own.walk_variance)

    def with_middle(self, walked: jax.Array) -> jax.Array:
        """[T, …] → [T + 1, …]: behind the periods their mean, by the share of documents."""
        return jnp.concatenate([walked, jnp.tensordot(self.period_share, walked, 1)[None]])

    def read(self, batch: Batch, noise: Noise | None = None) -> Reading:
        reading = super().read(batch, noise)
        return reading._replace(vectors=self.with_middle(self.eta_walk().sample)[self.period_of(batch)])

    def encode(self, reading: Reading, noise: Noise | None = None) -> Posterior:
        """q(δ | x, η_t). reading.vectors: [B, K], η of each document's period."""
        assert reading.product is not None
        return super().encode(reading._replace(product=reading.product + reading.vectors @ self.eta_kernel), noise)

    def infer(self, batch: Batch, beta: jax.Array | None = None) -> jax.Array:
        """θ at the mean of q(δ | x, η_t) and of q(η): [B, K]. Of a document without words softmax(η_t)."""
        reading = self.read(batch)
        has_words = sparse.sum_rows(jnp.asarray(batch.counts)[:, None], batch.pattern) > 0
        return self.theta(jnp.where(has_words, self.encode(reading).mu, reading.vectors))

    def prior_theta(self) -> jax.Array:
        return self.theta(self.with_middle(self.eta_walk().sample)[-1:])[0]

    # Generation

    def topics(self, alpha: jax.Array) -> jax.Array:
        """softmax_v(ρ_v·α): [n, L] → [V, n], words first."""
        return jax.nn.softmax(self.rho @ alpha.T + self.background[:, None], axis=0)

    def beta(self) -> jax.Array:
        """The topics of no period, at the mean of α over the periods: [K, V]."""
        return self.topics(jnp.tensordot(self.alpha_mean, self.period_share, ((1,), (0,)))).T

    def beta_of(self, period: jax.Array | int) -> jax.Array:
        """The topics of one period, at the mean of q(α): [K, V]."""
        return self.topics(self.alpha_mean[:, period]).T

    # Training

    @needs_no_parameters
    def draw_noise(self, key: jax.Array, batch: Batch) -> Noise:
        num_periods, k = len(self.periods()), self.config.num_topics
        alpha_key, eta_key = jax.random.split(jax.random.fold_in(key, 2))
        alpha = jax.random.normal(alpha_key, (num_periods, k, self.embed_dim))
        own = {"alpha": alpha, "eta": jax.random.normal(eta_key, (num_periods, k))}
        return super().draw_noise(key, batch)._replace(own=own)

    def dated_pass(self, reading: Reading, batch: Batch, noise: Noise) -> DatedPass:
        """One pass, by one sample of α, of η, and of δ a document."""
        alpha, eta, period = self.alpha_walk(noise), self.eta_walk(noise), self.period_of(batch)
        prior_mean = self.with_middle(eta.sample)[period]
        posterior = self.encode(reading._replace(vectors=prior_mean), noise)
        theta = self.theta(reparameterize(posterior, noise.eps))
        return DatedPass(period, posterior, prior_mean, theta, alpha, eta)

    def forward(self, reading: Reading, batch: Batch, noise: Noise) -> Output:
        """As of any model, with the topics of no period."""
        out = self.dated_pass(reading, batch, noise)
        return Output(out.posterior, out.theta, self.beta())

    def log_px_at(self, out: DatedPass, pattern: sparse.Pattern) -> jax.Array:
        """log(Σ_k θ_k β^(t)_kw + eps) at the nonzeros, t the document's period: [N], nats."""
        # β of all periods at once, [V, (T + 1)K]: no row of it is held a second time for a document.
        num_groups, k = len(self.periods()) + 1, self.config.num_topics
        topics = self.topics(self.with_middle(out.alpha.sample).reshape(num_groups * k, -1))
        split = sparse.split_columns(pattern, out.period, num_groups)
        return log_px_nonzero(out.theta, topics.reshape(-1, k).T, split, self.objective.likelihood_eps)

    def loss_terms(self, reading: Reading, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        """`recon` and `kl` of each document, [B], and the scalars `kl_alpha` and `kl_eta`, in nats."""
        out = self.dated_pass(reading, batch, noise)
        log_px = self.log_px_at(out, batch.pattern)
        return {
            "recon": -sparse.sum_rows((batch.counts * log_px)[:, None], batch.pattern)[:, 0],
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
