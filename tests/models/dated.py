"""ETM with a loss term of the user's, from a column of metadata: topic 0 is to be as large as the column says."""

import jax
import jax.numpy as jnp

from etm_jax.config.models import ModelCard, register_model
from etm_jax.models.base import Output
from etm_jax.models.batch import Batch
from etm_jax.models.etm import ETM
from etm_jax.models.noise import Noise


class DatedETM(ETM):
    """ETM's own terms and 200 (θ_0 − share)² nats for each document that has a share, a number in [0, 1]."""

    def terms_of(self, out: Output, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        share = batch.extras["share"]
        # Chosen before anything is computed: the gradient of what is left out would be NaN too.
        wanted = jnp.where(jnp.isnan(share), out.theta[:, 0], share)
        return super().terms_of(out, batch, noise) | {"share": 200 * (out.theta[:, 0] - wanted) ** 2}


register_model(ModelCard(name="dated", about="ETM whose topic 0 follows a column", implementation=DatedETM))
