"""Applying a trained model to new documents, a batch at a time, for their topic proportions."""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh

from etm_jax.config.build import Config
from etm_jax.config.vector_sources import is_given
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.new_documents import DOCUMENTS_AT_ONCE
from etm_jax.corpus.recounted import CountedDocuments
from etm_jax.corpus.store.cache import vocabulary_to_json
from etm_jax.corpus.types import Vocabulary
from etm_jax.inference.contexts import NewContexts
from etm_jax.inference.theta import infer_theta
from etm_jax.interop import read_saved_model
from etm_jax.interop.native_files import read_vocabulary
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.ops.mesh import MeshLayout
from etm_jax.ops.sparse import PIECE
from etm_jax.training.batches import Batcher
from etm_jax.training.edited_folder import read_edit
from etm_jax.training.layout import ModelLayout
from etm_jax.training.run_folder import RunFolder, exported
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import beta_step, prior_step, topics_by_word
from etm_jax.util.errors import UserError

SIZES = tuple(n * 2**i for i in range(11, 30) for n in (2, 3))
"""Numbers of nonzeros that a batch is padded to: fixed, so that few programs are compiled for any amount of text."""

AHEAD = 2
"""Groups of documents that are computed, or wait for it, while one before them is written.

Two are computed at once, so that the cores that have done with one need not wait for the rest of it.
"""


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
    """Inference with a model that has an encoder. beta: [K, V], the topics, as they were edited if they were.

    mesh: the devices that documents are sharded over; None for one.
    """

    def __init__(self, trained: SavedModel, vocabulary: Vocabulary, mesh: Mesh | None = None) -> None:
        spec = trained.spec()
        self.vocabulary, self.config = vocabulary, trained.config
        self.metadata, self.origin, self.edit = trained.metadata, trained.origin, trained.edit
        self.context_digest = trained.context_digest
        self.prior = np.asarray(prior_step(trained.variables, spec))
        beta = np.asarray(beta_step(trained.variables, spec))
        self.beta = self.edit.means(beta) if self.edit else beta
        # Each device computes as many documents at once as one alone would: a product's rounding depends on how many.
        self._batch_size = DOCUMENTS_AT_ONCE * (mesh.shape["data"] if mesh else 1)
        layout = ModelLayout(spec, MeshLayout(mesh, self._batch_size, spec.vocab_size) if mesh else None)
        self.spec, self._mesh_layout = layout.program_spec, layout.mesh_layout
        # Transferred to the devices once, for all calls.
        self.variables = layout.shard(trained.variables) if mesh else jax.device_put(trained.variables)
        self._by_word = topics_by_word(self.variables, self.spec)

    def fitted_beta(self) -> np.ndarray:
        """The topics as they were fitted, before they were edited: [K, V]."""
        return np.asarray(beta_step(self.variables, self.spec))[:, : len(self.vocabulary)]

    def theta(
        self,
        counts: sp.csr_matrix,
        meta: Mapping[str, Sequence[str]] | None = None,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """Topic proportions: [D, V] CSR → [D, K] float32; the prior's for a row without words.

        meta: D values of each field of the model's metadata that the documents have. context: [D, C], the documents'
        vectors, of a model that is given them; by these a row without words has its own. Raises UserError where they
        are missing, or of another shape.
        """
        fitted = self.fitted_theta(counts, meta, context=context)
        return self.edit.theta(fitted) if self.edit else fitted

    @property
    def has_mesh(self) -> bool:
        """Whether documents are sharded over devices."""
        return self._mesh_layout is not None

    @property
    def is_given_context(self) -> bool:
        """Whether documents have to bring vectors."""
        return is_given(self.spec.model.context)

    def mean_context(self, num_docs: int) -> np.ndarray | None:
        """Vectors that say nothing of a document, those of the mean one to train on: [D, C]; None without --context."""
        if not self.is_given_context:
            return None
        mean = np.asarray(self.variables.constants["context_mean"])
        return np.broadcast_to(mean, (num_docs, len(mean)))

    def fitted_theta(
        self,
        counts: sp.csr_matrix,
        meta: Mapping[str, Sequence[str]] | None = None,
        order: np.ndarray | None = None,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """The same of the topics as they were fitted, before they were edited. order: as of `infer_theta`."""
        batcher = self._batcher(counts, meta, self._checked_context(context, counts.shape[0]))
        theta = infer_theta(self.variables, batcher, self.spec, order, self._by_word)
        return self._with_prior(theta, counts)

    def theta_in_order(
        self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]], context: np.ndarray | None = None
    ) -> np.ndarray:
        """The same in batches of documents that stand together, as they come."""
        fitted = self.fitted_theta(counts, meta, np.arange(counts.shape[0]), context)
        return self.edit.theta(fitted) if self.edit else fitted

    def _checked_context(self, context: np.ndarray | None, num_docs: int) -> np.ndarray | None:
        """The documents' vectors as the model takes them. Raises UserError as `theta` does."""
        given = self.spec.model.context
        if not self.is_given_context:
            if context is not None:
                raise UserError("the model reads no vectors of documents, as it was trained without; leave out context")
            return None
        if context is None:
            raise UserError(
                f"the model reads a vector of each document (--context={given}), and none are given; give them, in "
                "Python as context=…"
            )
        if context.shape != (expected := (num_docs, self.spec.context_dim)):
            raise UserError(
                f"context has the shape {list(context.shape)}, and the model reads {list(expected)}; give a vector of "
                f"{self.spec.context_dim} numbers for each document, made as those of training were"
            )
        return context

    def _batcher(
        self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]] | None, context: np.ndarray | None
    ) -> Batcher:
        model = self.spec.model
        kind = "tfidf" if model.use_tfidf else model.encoder_input
        inputs = encoder_input(counts, kind, self.vocabulary)
        extras = self.metadata.encode(meta or {}, counts.shape[0])
        groups = model_kind(model.kind).group_of(model, self.spec.metadata, extras)
        return Batcher(
            counts,
            inputs,
            self._batch_size,
            SIZES,
            layout=self._mesh_layout,
            extras=extras,
            groups=groups,
            context=context,
            multiple=PIECE,
        )

    def _with_prior(self, theta: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
        # Where the prior is each document's own, the model has seen to it; and a vector says something without words.
        if self.spec.metadata.columns or self.is_given_context:
            return theta
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

    is_given_context = False

    def theta(
        self,
        counts: sp.csr_matrix,
        meta: Mapping[str, Sequence[str]] | None = None,
        context: np.ndarray | None = None,
    ) -> np.ndarray:
        """Topic proportions: [D, V] CSR → [D, K] float32; the prior's mean for a row without words.

        meta and context are unused.
        """
        fitted = self.fitted_theta(counts)
        return self.edit.theta(fitted) if self.edit else fitted

    def theta_in_order(
        self, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]], context: np.ndarray | None = None
    ) -> np.ndarray:
        """The same."""
        return self.theta(counts, meta)

    def fitted_theta(self, counts: sp.csr_matrix) -> np.ndarray:
        """The same of the topics as they were fitted, before they were edited."""
        return model_kind(self.config.model.kind).infer_theta(self.arrays, counts).astype(np.float32)


def read_predictor(path: str, unfinished: bool = False, mesh: Mesh | None = None) -> Predictor | ExportPredictor:
    """Read the model in a run's folder, of any --model, or in a file that `etm_jax.interop.read_saved_model` reads.

    unfinished: whether to take a run that has not ended as it is. mesh: as of `Predictor`. Raises UserError where there
    is no model, it is damaged, has not ended, or has no vocabulary.
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
    return Predictor(trained, trained.vocabulary, mesh)


def model_digest(model: Predictor | ExportPredictor) -> str:
    """SHA-256 of all that decides what a model makes of documents."""
    edit = model.edit.to_json() if model.edit else None
    told: list[Any] = [vocabulary_to_json(model.vocabulary), model.config.to_json(), edit]
    if isinstance(model, Predictor):
        told.append(model.metadata.to_json())
        if model.context_digest:
            told.append(model.context_digest)
        arrays = jax.device_get(model.variables)
    else:
        arrays = dict(model.arrays)
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for place, array in jax.tree.leaves_with_path(arrays):
        found.update(f"{jax.tree_util.keystr(place)} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def names_of_topics(model: Predictor | ExportPredictor) -> tuple[str, ...]:
    """What its K topics are called; "" for those without a name."""
    return model.edit.names if model.edit else ("",) * len(model.beta)


def mixtures(
    model: Predictor | ExportPredictor, documents: Iterable[CountedDocuments], context: NewContexts | None = None
) -> Iterator[Mixtures]:
    """Yield the topic proportions of documents, some at a time as they come.

    context: what gives the documents their vectors, in a model that reads them.
    """
    begun: deque[tuple[CountedDocuments, Future[np.ndarray]]] = deque()

    def oldest() -> Mixtures:
        some, theta = begun.popleft()
        return Mixtures(some.ids, theta.result(), some.tokens, some.unknown, some.meta)

    # Several devices need their programs in one order, from one thread.
    at_once = 1 if isinstance(model, Predictor) and model.has_mesh else AHEAD
    with ThreadPoolExecutor(at_once, "infer") as pool:
        for some in documents:
            vectors = context.of(some) if context else None
            begun.append((some, pool.submit(model.theta_in_order, some.counts, some.meta, vectors)))
            if len(begun) > AHEAD:
                yield oldest()
        if context:
            context.check_all_used()
        while begun:
            yield oldest()
