"""NVDM-GSM: topics from a decoder network. Miao, Grefenstette, Blunsom 2017, arXiv 1706.00359.

Shapes: B documents of a batch, V words, K topics.
"""

from collections.abc import Iterator
from typing import ClassVar

import jax
import jax.numpy as jnp

from etm_jax.config.build import Config
from etm_jax.models.base import Output, TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Masks, Params, decoded, linears, needs_no_parameters
from etm_jax.models.noise import DropoutLayer, Noise
from etm_jax.models.objective import reconstruction_from_logits


class GSM(TopicModel):
    """Topics from a decoder of linear layers with ReLU between them; p(w | θ) = softmax_w(decoder(θ)), no mixture.

    As zll17/Neural_Topic_Models has it; in Miao et al. 2017 θβ is a mixture there too.
    """

    is_mixture: ClassVar[bool] = False

    def setup(self) -> None:
        super().setup()
        self.decoder = linears((self.config.num_topics, *self.config.decoder_hidden, self.vocab_size), gives_words=True)

    @staticmethod
    def sizes(params: Params) -> tuple[int, int]:
        # The first layer of an encoder that reads --context alone is of another width.
        last = max((name for name in params if name.startswith("decoder_")), key=lambda name: int(name.split("_")[1]))
        return params[last]["kernel"].shape[1], 0

    def beta(self) -> jax.Array:
        """softmax_v(decoder(e_k)), what each topic alone is decoded to: [K, V]."""
        one_topic = jnp.eye(self.config.num_topics, dtype=self.mu.bias.dtype)
        return jax.nn.softmax(self.logits(one_topic), axis=1)

    def logits(self, theta: jax.Array, masks: Masks = ()) -> jax.Array:
        """decoder(θ), whose softmax over the words is p(w | θ): [B, K] → [B, V]. masks: the decoder's dropout."""
        return decoded(theta, self.decoder, masks)

    def log_px(self, theta: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(self.logits(theta), axis=-1)

    def reconstruction(self, out: Output, batch: Batch, noise: Noise) -> jax.Array:
        logits = self.logits(out.theta, noise.dropout[len(self.hidden) :])
        return reconstruction_from_logits(logits, batch.counts, batch.pattern, self.objective)

    @needs_no_parameters
    def dropout_layers(self) -> list[DropoutLayer]:
        c = self.config
        # The published GSM drops units of its decoder too.
        of_decoder = c.decoder_hidden if c.dropout_layers == "all" else ()
        return [*super().dropout_layers(), *(DropoutLayer(width, c.dropout) for width in of_decoder)]

    @classmethod
    def collapse_advice(cls, config: Config, num_docs: int) -> Iterator[str]:
        yield from cls.fewer_common_words(config, num_docs)
        if config.model.prior_variance > 1:
            yield "--prior_variance=1"
        yield cls.more_epochs(config)
        if config.train.batch_size > 64:
            yield "--batch_size=64"
        yield from cls.last_resorts(config)
