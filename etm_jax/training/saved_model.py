"""A trained model without its run: settings, weights and words, sufficient to apply it."""

from typing import NamedTuple

from etm_jax.config.settings import Config
from etm_jax.corpus.types import Vocabulary
from etm_jax.models.base import Variables
from etm_jax.training.steps import Spec


class SavedModel(NamedTuple):
    """A trained model without its run. Arrays are numpy's, of the dtype they had.

    origin: where the weights come from, for people. vocabulary: None where they came from torch, which does not keep
    the words.
    """

    config: Config
    variables: Variables
    vocabulary: Vocabulary | None
    origin: str

    @property
    def vocab_size(self) -> int:
        params = self.variables.params
        return (params["rho"] if "rho" in params else params["hidden_0"]["kernel"]).shape[0]

    @property
    def embed_dim(self) -> int:
        """Length of the word embeddings; 0 of a model without them."""
        rho = self.variables.params.get("rho")
        return 0 if rho is None else rho.shape[1]

    def spec(self) -> Spec:
        """What the compiled programs of the model depend on. Those of training are not meant: it has no steps."""
        c = self.config
        rho_moves = c.vectors.train_rho
        return Spec(
            c.model, c.objective, c.optimizer, self.vocab_size, self.embed_dim, num_steps=1, train_rho=rho_moves
        )
