"""ETM with a loss term of the user's, from a column of metadata: topic 0 is to be as large as the column says."""

import jax

from etm_jax.config.models import ModelCard, register_model
from etm_jax.models.base import Output
from etm_jax.models.batch import Batch
from etm_jax.models.etm import ETM
from etm_jax.models.noise import Noise


class DatedETM(ETM):
    """(θ_0 − share)² of each document, weighted by 50 nats, besides ETM's own terms. share: a number in [0, 1]."""

    def terms_of(self, out: Output, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        distance = out.theta[:, 0] - batch.extras["share"]
        return super().terms_of(out, batch, noise) | {"share": 50 * distance**2}


register_model(ModelCard(name="dated", about="ETM whose topic 0 follows a column", implementation=DatedETM))
