"""Applying a trained model to new documents, a batch at a time, for their topic proportions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.new_documents import DOCUMENTS_AT_ONCE, CountedDocuments
from etm_jax.corpus.types import Vocabulary
from etm_jax.inference.theta import infer_theta
from etm_jax.interop import read_saved_model
from etm_jax.interop.native_files import read_vocabulary
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.training.batches import Batcher
from etm_jax.training.edited_folder import read_edit
from etm_jax.training.run_folder import RunFolder, exported
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import beta_step
from etm_jax.util.errors import UserError

SIZES = tuple(2**i for i in range(12, 31))
"""Numbers of nonzeros that a batch is padded to: fixed, so that few programs are compiled for any amount of text."""


class Mixtures(NamedTuple):
    """Topic proportions of D documents. ids: D; theta: [D, K] float32, rows sum to 1.

    tokens: [D] int64, numbers of words; unknown: [D] float64, the share of words that the model does not know. Where it
    is 1, theta is that of the prior. meta: the requested fields, D values of each.
    """

    ids: list[str]
    theta: np.ndarray
    tokens: np.ndarray
    unknown: np.ndarray
    meta: dict[str, list[str]]


class Predictor:
    """Inference with a model that has an encoder. beta: [K, V], the topics, as they were edited if they were."""

    def __init__(self, trained: SavedModel, vocabulary: Vocabulary) -> None:
        self.spec, self.vocabulary, self.config = trained.spec(), vocabulary, trained.config
        self.metadata, self.origin, self.edit = trained.metadata, trained.origin, trained.edit
        # Transferred to the device once, for all calls.
        self.variables = jax.device_put(trained.variables)
        self.prior = np.asarray(self.spec.with_variables(self.variables).prior_theta())
        beta = np.asarray(beta_step(self.variables, self.spec))
        self.beta = self.edit.means(beta) if self.edit else beta

    def theta(self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]] | None = None) -> np.ndarray:
        """Topic proportions: [D, V] CSR → [D, K] float32; the prior's for a row without words.

        meta: D values of each field of the model's metadata that the documents have.
        """
        fitted = self.fitted_theta(counts, meta)
        return self.edit.theta(fitted) if self.edit else fitted

    def fitted_theta(self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]] | None = None) -> np.ndarray:
        """The same of the topics as they were fitted, before they were edited."""
        model = self.spec.model
        kind = "tfidf" if model.use_tfidf else model.encoder_input
        inputs = encoder_input(counts, kind, self.vocabulary)
        extras = self.metadata.encode(meta or {}, counts.shape[0])
        batcher = Batcher(counts, inputs, DOCUMENTS_AT_ONCE, SIZES, extras=extras)
        theta = infer_theta(self.variables, batcher, self.spec)
        return np.where(np.diff(counts.indptr)[:, None] == 0, self.prior, theta)


class ExportPredictor:
    """Inference with a model that has no encoder, from the arrays in its export folder, those of it as it was fitted.

    beta: [K, V], the topics, as they were edited if they were.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        vocabulary: Vocabulary,
        config: Config,
        origin: str,
        edit: TopicEdit | None = None,
    ) -> None:
        self.arrays, self.vocabulary, self.config, self.origin = arrays, vocabulary, config, origin
        self.edit, self.beta = edit, edit.means(arrays["beta"]) if edit else arrays["beta"]

    def theta(self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]] | None = None) -> np.ndarray:
        """Topic proportions: [D, V] CSR → [D, K] float32; the prior's mean for a row without words. meta is unused."""
        fitted = self.fitted_theta(counts)
        return self.edit.theta(fitted) if self.edit else fitted

    def fitted_theta(self, counts: sp.csr_matrix) -> np.ndarray:
        """The same of the topics as they were fitted, before they were edited."""
        return model_kind(self.config.model.kind).infer_theta(self.arrays, counts).astype(np.float32)


def read_predictor(path: str, unfinished: bool = False) -> Predictor | ExportPredictor:
    """Read the model in a run's folder, of any --model, or in a file that `etm_jax.interop.read_saved_model` reads.

    unfinished: whether to take a run that has not ended as it is. Raises UserError where there is no model, it is
    damaged, has not ended, or has no vocabulary.
    """
    folder = RunFolder(Path(path).expanduser())
    record = folder.record()
    if record and (kind := model_kind(record.config.model.kind)).fits_itself:
        edit = read_edit(folder)
        arrays = {name: exported(folder, f"unedited_{name}" if edit else name) for name in ("beta", *kind.exports)}
        origin = f"{path} after all {record.num_epochs} iterations, of corpus {record.corpus}"
        return ExportPredictor(arrays, read_vocabulary(folder), record.config, origin, edit)
    trained = read_saved_model(path, unfinished=unfinished)
    if trained.vocabulary is None:
        raise UserError(f"--workdir={path} does not hold the words of its columns; give the folder of a run")
    return Predictor(trained, trained.vocabulary)


def names_of_topics(model: Predictor | ExportPredictor) -> tuple[str, ...]:
    """What its K topics are called; "" for those without a name."""
    return model.edit.names if model.edit else ("",) * len(model.beta)


def mixtures(model: Predictor | ExportPredictor, documents: Iterable[CountedDocuments]) -> Iterator[Mixtures]:
    """Yield the topic proportions of documents, a batch at a time."""
    for some in documents:
        yield Mixtures(some.ids, model.theta(some.counts, some.meta), some.tokens, some.unknown, some.meta)
