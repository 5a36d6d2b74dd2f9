"""ProdLDA (Srivastava, Sutton 2017, arXiv 1703.01488): a topic model in one file, as a user would add one.

    ETM_JAX_MODELS=prodlda python -m etm_jax.train --model=prodlda …

A document's words come from a product of experts: p(w | θ) = softmax_w(Σ_k θ_k b_kw), where LDA and ETM mix topics.
"""

import jax

from etm_jax.config.models import WITHOUT_EMBEDDINGS, ModelCard, register_model
from etm_jax.models.base import Output, TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Linear
from etm_jax.models.noise import Noise
from etm_jax.models.objective import reconstruction_from_logits


class ProdLDA(TopicModel):
    """Topics as experts whose logits b_k [V] are added up, weighted by θ."""

    is_mixture = False
    exports = ()

    def setup(self) -> None:
        super().setup()
        self.experts = Linear(self.config.num_topics, self.vocab_size, gives_words=True)

    def beta(self) -> jax.Array:
        """softmax_v(b_k): [K, V]."""
        return jax.nn.softmax(self.experts.kernel, axis=1)

    def log_px(self, theta: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(self.experts(theta), axis=-1)

    def reconstruction(self, out: Output, batch: Batch, noise: Noise) -> jax.Array:
        return reconstruction_from_logits(self.experts(out.theta), batch.counts, batch.pattern, self.objective)


register_model(
    ModelCard(
        name="prodlda",
        about="ProdLDA, a product of experts",
        implementation=ProdLDA,
        defaults={"prior_variance": 1.0, "thinning": 0.0, "num_epochs": 40, "learning_rate": 0.02},
        forced=WITHOUT_EMBEDDINGS,
    )
)
