"""The dynamic embedded topic model: topics whose words move from period to period, and shares that rise and fall.

After Dieng, Ruiz, Blei 2019, The Dynamic Embedded Topic Model, arXiv 1907.05545: α_k^(t) and the mean η_t of δ are
random walks. Theirs are inferred by a network that reads all periods; here they are parameters under the walks' prior,
as ρ is one, which costs what a static model costs: a batch holds documents of few periods, and β is made of those.

Shapes: B documents of a batch, V words, K topics, L embedding size, N nonzeros, T periods, P periods of a batch.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.settings import ModelConfig, OptimizerConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.models.base import Output
from etm_jax.models.batch import Batch
from etm_jax.models.by_period import ByPeriod
from etm_jax.models.etm import ETM
from etm_jax.models.kind import Start
from etm_jax.models.layers import Variables, declare, needs_no_parameters
from etm_jax.models.noise import Noise
from etm_jax.models.objective import log_px_nonzero
from etm_jax.models.walk import walk_loss, with_mean
from etm_jax.ops import sparse


class DETM(ByPeriod, ETM):
    """p(w | θ, t) = Σ_k θ_k β_kw^(t), β_k^(t) = softmax(ρ(α_k + d_k^(t)) + b), δ ~ N(η_t, s²I)."""

    exports: ClassVar[tuple[str, ...]] = (*ETM.exports, "alpha_time", "eta")

    def setup(self) -> None:
        super().setup()
        k, periods = self.config.num_topics, len(self.axis)
        self.drift = self.param("drift", declare(0.0), (periods, k, self.embed_dim))
        self.eta = self.param("eta", declare(0.0), (periods, k))
        self.num_docs = self.constant("num_docs", None, ())

    @classmethod
    def group_of(cls, config: ModelConfig, metadata: Metadata, extras: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return np.asarray(cls.axis_of(config, metadata).period_of(extras[config.own.time_field]))

    @classmethod
    def exported(cls, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """alpha_time: [T, K, L], of which alpha is the mean over time; eta: [T, K]."""
        alpha_time = np.asarray(values["alpha"]) + np.asarray(values["drift"])
        own = super().exported({**values, "alpha_time": alpha_time})
        return own | {"alpha": alpha_time.mean(axis=0)}

    # Parameters

    @needs_no_parameters
    def step_scales(self, config: OptimizerConfig) -> dict[str, float]:
        own = self.config.own
        return super().step_scales(config) | {"drift": own.drift_lr, "eta": own.eta_lr}

    @needs_no_parameters
    def initial(self, key: jax.Array, start: Start) -> Variables:
        variables = super().initial(key, start)
        num_docs = np.asarray(start.corpus.num_train, np.result_type(variables.params["alpha"].dtype))
        return variables._replace(constants=variables.constants | {"num_docs": num_docs})

    # From δ to words

    def prior_mean(self, batch: Batch) -> jax.Array | float:
        return with_mean(self.eta)[self.period_of(batch)]

    def prior_theta(self) -> jax.Array:
        return self.theta(self.eta.mean(axis=0, keepdims=True))[0]

    def beta(self) -> jax.Array:
        """The topics of all time, at the mean of their embeddings: [K, V]."""
        return self._beta_at(self.alpha + self.drift.mean(axis=0))

    def beta_at(self, periods: jax.Array) -> jax.Array:
        """The topics in some periods: [P] places → [P, K, V]; T is that of all time."""
        alpha = self.alpha[None] + with_mean(self.drift)[periods]
        return self._beta_at(alpha.reshape(-1, self.embed_dim)).reshape(len(periods), self.config.num_topics, -1)

    def _beta_at(self, alpha: jax.Array) -> jax.Array:
        return jax.nn.softmax(self.rho @ alpha.T + self.background[:, None], axis=0).T

    def beta_of(self, batch: Batch) -> jax.Array:
        """Those of the periods that a batch has documents of: [P, K, V]."""
        return self.beta_at(jnp.asarray(batch.present))

    def one_beta(self, beta: jax.Array) -> jax.Array:
        """Those of the first period that a batch has; batches come to all periods in turn."""
        return beta[0]

    def _is_of(self, batch: Batch, i: int) -> jax.Array:
        """Whether each nonzero's document is of the i-th period that the batch has: [N]."""
        present, period = jnp.asarray(batch.present), self.period_of(batch)
        # A period that stands there again, to fill up, has no documents.
        first = ~(present[:i] == present[i]).any()
        return sparse.gather_documents((period == present[i]) & first, batch.pattern)

    def word_rows(self, beta: jax.Array, batch: Batch) -> jax.Array:
        rows = sparse.word_rows(beta[0].T, batch.pattern)
        for i in range(1, len(beta)):
            rows = jnp.where(self._is_of(batch, i)[..., None], sparse.word_rows(beta[i].T, batch.pattern), rows)
        return rows

    def infer(self, batch: Batch, beta: jax.Array | None = None) -> jax.Array:
        """As of `TopicModel.infer`, by the topics of each document's period; `beta`, those of all time, is not read."""
        return super().infer(batch, self.beta_of(batch))

    # Training

    def log_px_nonzero(self, theta: jax.Array, beta: jax.Array, batch: Batch) -> jax.Array:
        eps = self.objective.likelihood_eps
        log_px = log_px_nonzero(theta, beta[0], batch.pattern, eps)
        for i in range(1, len(beta)):
            log_px = jnp.where(self._is_of(batch, i), log_px_nonzero(theta, beta[i], batch.pattern, eps), log_px)
        return log_px

    def reconstruction(self, out: Output, batch: Batch, noise: Noise) -> jax.Array:
        log_px = self.log_px_nonzero(out.theta, out.beta, batch)
        return -sparse.sum_rows(jnp.asarray(batch.counts) * log_px, batch.pattern)

    def terms_of(self, out: Output, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        own, steps = self.config.own, self.axis.steps
        terms = super().terms_of(out, batch, noise)
        of_walks = walk_loss(self.drift, steps, own.drift_variance) + walk_loss(self.eta, steps, own.eta_variance)
        # Where the walks begin: the embeddings' mean is α's own, and the shares' is as wide as the prior of δ.
        begins = (self.drift.mean(axis=0) ** 2).sum() / own.drift_variance
        begins = begins + (self.eta.mean(axis=0) ** 2).sum() / self.config.prior_variance
        a_doc = (of_walks + 0.5 * begins) / self.num_docs
        terms["walks"] = a_doc * (batch.real.sum() if self.objective.reduction == "sum" else 1)
        return terms
