"""What the parts of `ETM` share: its fitted state, and how its mistakes reach a person who writes Python."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from etm_jax.api.parameters import in_python
from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus, Vocabulary
from etm_jax.inference.predictor import Predictor
from etm_jax.ops.devices import no_devices
from etm_jax.training.run_record import RunRecord
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.console import silenced, worded
from etm_jax.util.errors import UserError


class FittedState(ABC, BaseEstimator):
    """The attributes of a fitted `ETM` that more than one of its parts reads, and what those parts call of `ETM`."""

    verbose: int
    n_features_in_: int
    components_: np.ndarray
    vocab_: list[str]
    history_: list[dict[str, Any]]
    new_words_: Counter[str]
    _trained: SavedModel
    _vocabulary: Vocabulary
    _applied: Predictor
    _theta: np.ndarray
    _fitted_counts: sp.csr_matrix
    _share: np.ndarray
    _npmi: np.ndarray
    _documents: list[Any] | None
    _corpus: Corpus
    _record: RunRecord

    @abstractmethod
    def _config(self) -> Config:
        """The settings that the parameters stand for. Raises UserError where one is not usable."""

    @abstractmethod
    def _counted(
        self, documents: Any, vocab: Any = None, unknown: Counter[str] | None = None
    ) -> tuple[list[Any], sp.csr_matrix]:
        """The documents in any form, as a list, and as [D, V] CSR over the model's words: `given_over_words`."""

    def _take(self, trained: SavedModel) -> None:
        """Become this model, without documents."""
        assert trained.vocabulary is not None
        self._trained, self._vocabulary = trained, trained.vocabulary
        self._applied = Predictor(trained, trained.vocabulary)
        self.components_ = self._applied.beta
        self.vocab_ = list(trained.vocabulary.words)
        self.new_words_ = Counter[str]()

    def _own_arrays(self) -> dict[str, np.ndarray]:
        """What this kind of model has besides β, such as α [K, L], of the topics as they are now."""
        values, edit = self._trained.variables.params | self._trained.variables.constants, self._trained.edit
        own = self._applied.spec.module().exported(values)
        return edit.embeddings(own) if edit else own

    def _fitted(self) -> Self:
        """The model itself. Raises scikit-learn's NotFittedError before `fit`."""
        check_is_fitted(self, "components_")
        return self

    def _with_documents(self) -> None:
        """Raise UserError for a model that was loaded."""
        self._fitted()
        if not hasattr(self, "_corpus"):
            raise UserError(
                "a model that was loaded has no documents; transform some, fit again, or call "
                "python -m etm_jax.report --workdir=FOLDER, which reads those that a run has or that were saved with it"
            )

    @contextmanager
    def _own_words(self) -> Iterator[None]:
        """Silence output for `verbose=0`, and raise a UserError as the ValueError that callers of a library expect."""
        with silenced(self.verbose == 0), worded(in_python):
            try:
                yield
            except UserError as error:
                raise ValueError(in_python(str(error))) from error
            except (RuntimeError, AssertionError) as error:
                if fault := no_devices():
                    raise ValueError(fault) from error
                raise
