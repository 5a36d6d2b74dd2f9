"""A trained model without its run: settings, weights and words, sufficient to apply it."""

from typing import NamedTuple

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Vocabulary
from etm_jax.models.layers import Variables
from etm_jax.models.registry import gradient_model
from etm_jax.training.steps import Spec


class SavedModel(NamedTuple):
    """A trained model without its run. Arrays are numpy's, of the dtype they had.

    origin: where the weights come from, for people. vocabulary: None where they came from torch, which does not keep
    the words. metadata: what the documents that it was trained on carry.
    """

    config: Config
    variables: Variables
    vocabulary: Vocabulary | None
    origin: str
    metadata: Metadata = Metadata()

    @property
    def vocab_size(self) -> int:
        """V."""
        return gradient_model(self.config.model.kind).sizes(self.variables.params)[0]

    @property
    def embed_dim(self) -> int:
        """Length of the word embeddings; 0 of a model without them."""
        return gradient_model(self.config.model.kind).sizes(self.variables.params)[1]

    def spec(self) -> Spec:
        """What the compiled programs of the model depend on. Those of training are not meant: it has no steps."""
        c = self.config
        rho_moves = c.vectors.train_rho
        return Spec(
            c.model, c.objective, c.optimizer, self.vocab_size, self.embed_dim, num_steps=1, train_rho=rho_moves
        )
