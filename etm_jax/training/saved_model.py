"""A trained model without its run: settings, weights and words, which is all that applying it needs."""

from typing import NamedTuple

import numpy as np

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Vocabulary
from etm_jax.models.layers import Variables
from etm_jax.models.registry import gradient_model
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.training.steps import Spec


class SavedModel(NamedTuple):
    """A trained model without its run.

    Attributes
    ----------
    config : Config
        Settings of the run.
    variables : Variables
        Parameters and constants: numpy arrays of the dtype that they had.
    vocabulary : Vocabulary or None
        The V words; None where the weights come from torch, whose files do not hold them.
    origin : str
        Where the weights come from, for messages.
    metadata : Metadata
        Fields of the documents that the model was trained on.
    edit : TopicEdit or None
        What became of its topics since, which the weights do not show.
    context_digest : str
        Of what made the vectors of --context, as of `etm_jax.corpus.types.Contexts`; empty without.
    """

    config: Config
    variables: Variables
    vocabulary: Vocabulary | None
    origin: str
    metadata: Metadata = Metadata()
    edit: TopicEdit | None = None
    context_digest: str = ""

    @property
    def vocab_size(self) -> int:
        """V, the number of words."""
        return gradient_model(self.config.model.kind).sizes(self.variables.params)[0]

    @property
    def embed_dim(self) -> int:
        """L, the length of the word embeddings; 0 for a model without them."""
        return gradient_model(self.config.model.kind).sizes(self.variables.params)[1]

    @property
    def context_dim(self) -> int:
        """C, of the vectors of --context; 0 without them."""
        # A file of weights that is damaged may lack it.
        found = self.variables.constants.get("context_mean") if self.config.model.context else None
        return 0 if found is None or np.ndim(found) != 1 else int(np.shape(found)[0])

    @property
    def num_topics(self) -> int:
        """The number of topics, as they were edited if they were."""
        return len(self.edit.groups) if self.edit else self.config.model.num_topics

    def spec(self) -> Spec:
        """What the compiled programs that apply the model depend on. It has no training steps: num_steps is 1."""
        c = self.config
        return Spec(
            c.model,
            c.objective,
            c.optimizer,
            self.vocab_size,
            self.embed_dim,
            num_steps=1,
            train_rho=c.vectors.train_rho,
            metadata=self.metadata.only(gradient_model(c.model.kind).fields_read(c.model)),
            context_dim=self.context_dim,
        )
