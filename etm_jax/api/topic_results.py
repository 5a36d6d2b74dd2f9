"""Reading the topics of a fitted `ETM`: words, shares, neighbours, documents."""

import difflib
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from etm_jax.api.parameters import whole_number
from etm_jax.api.state import FittedState
from etm_jax.metrics.neighbours import nearest
from etm_jax.metrics.topics import representative_documents, top_words
from etm_jax.util.errors import UserError


class TopicInfo(NamedTuple):
    """One topic. share: of the words that the model was fitted to; npmi: coherence of the ten `words`, in [−1, 1].

    name: what `name_topics` or an edit called it; "" without one.
    """

    topic: int
    share: float
    npmi: float
    words: list[str]
    name: str = ""


class TopicResults(FittedState):
    """What a fitted model shows."""

    def topics(self, n: int = 10) -> list[list[str]]:
        """The n most probable words of each topic, best first."""
        check_is_fitted(self, "components_")
        with self._own_words():
            return [[self.vocab_[j] for j in row] for row in top_words(self.components_, whole_number(n, "n"))]

    @property
    def topic_names_(self) -> list[str]:
        """What the topics are called; "" for those without a name."""
        edit = self._fitted()._trained.edit
        return list(edit.names) if edit else [""] * len(self.components_)

    def topic_info(self) -> list[TopicInfo]:
        """Share, coherence and ten words of every topic, largest share first. `pandas.DataFrame` accepts the list."""
        both = enumerate(zip(self.topics(10), self.topic_names_, strict=True))
        rows = [TopicInfo(k, float(self._share[k]), float(self._npmi[k]), words, name) for k, (words, name) in both]
        return sorted(rows, key=lambda row: -row.share)

    def nearest(self, word: str, n: int = 10) -> list[tuple[str, float]]:
        """The n words nearest to a word in the embedding space, and their cosines. ValueError for an unknown word."""
        check_is_fitted(self, "components_")
        with self._own_words():
            n = whole_number(n, "n")
            if not isinstance(word, str):
                raise UserError(f"word={word!r} is not text; give one of the model's words")
            if word not in self.vocab_:
                close = difflib.get_close_matches(word, self.vocab_, n=3)
                meant = f"; did you mean {' or '.join(close)}?" if close else ""
                raise UserError(f"{word!r} is not one of the model's {len(self.vocab_):,} words{meant}")
            if "rho" not in self._trained.variables.params:
                raise UserError("this kind of model has no word embeddings to be near in")
            rho = np.asarray(self._trained.variables.params["rho"], np.float64)
            own = self.vocab_.index(word)
            found, cosines = nearest(rho[own : own + 1], rho, n + 1)
            return [(self.vocab_[j], float(c)) for j, c in zip(found[0], cosines[0], strict=True) if j != own][:n]

    def representative_docs(self, n: int = 3, documents: Any = None) -> list[list[Any]]:
        """The n documents that represent each topic best, of `documents` or of those that the model was fitted to.

        For counts, their row numbers. Raises ValueError for a loaded model without `documents`, as it keeps none.
        """
        check_is_fitted(self, "components_")
        with self._own_words():
            n = whole_number(n, "n")
            if documents is None and self._documents is None:
                raise UserError("a model that was loaded has no documents; give some")
            if documents is None:
                chosen, counts, theta = self._documents or [], self._fitted_counts, self._theta
            else:
                chosen, counts = self._counted(documents)
                theta = self._applied.theta(counts)
            return [[chosen[i] for i in rows] for rows in representative_documents(theta, counts, n)]
