"""The cases of the comparison: which settings are compared, on which documents, with which torch code."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch

from etm_jax.config.build import Config, make_config
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus, Documents
from etm_jax.models.batch import Batch
from etm_jax.models.detm_paper import StructuredDETM
from etm_jax.models.noise import Noise
from etm_jax.models.registry import model_kind
from etm_jax.parity import judges
from etm_jax.parity.judges import Dated, Judge, Shape, TorchBatch
from etm_jax.parity.ours import OfCorpus
from etm_jax.parity.torch_models import WalkSizes
from etm_jax.training.batches import Batcher

DROPOUT = 0.5


class Case(NamedTuple):
    """Settings to compare. name: as in the table. given: settings by field name, over those of the variant."""

    name: str
    variant: str
    given: dict[str, Any]

    def config(self, **more: Any) -> Config:
        """The complete configuration. Unless the case says otherwise ρ is trained, as in both published codes."""
        return make_config(self.variant, {"train_rho": True, "vectors": "random"} | self.given | more)

    @property
    def is_dated(self) -> bool:
        """Whether it is of the dynamic model."""
        return self.given.get("kind") == KIND

    @property
    def layout(self) -> str:
        """The names of its parameters in torch, a key of `LAYOUTS`."""
        return "ntm" if self.variant == "ntm" else "detm" if self.is_dated else "etm"


KIND, TIME = "detm_paper", "period"
"""The dynamic model as published, and the field of a document's period."""

DATED: dict[str, Any] = {"kind": KIND, "time_field": TIME}
TOPMOST: dict[str, Any] = {"likelihood_eps": judges.TOPMOST_EPS}

CASES = (
    Case("report", "ntm", {}),
    Case("report, bce_softmax", "ntm", {"criterion": "bce_softmax"}),
    Case("report, bce_sigmoid", "ntm", {"criterion": "bce_sigmoid"}),
    Case("report, tf-idf input", "ntm", {"use_tfidf": True}),
    Case("report, fixed ρ", "ntm", {"train_rho": False}),
    Case("report, dropout", "ntm", {"dropout": DROPOUT}),
    Case("gsm", "ntm", {"kind": "gsm"}),
    Case("gsm, bce_softmax", "ntm", {"kind": "gsm", "criterion": "bce_softmax"}),
    Case("gsm, bce_sigmoid", "ntm", {"kind": "gsm", "criterion": "bce_sigmoid"}),
    Case("gsm, tf-idf input", "ntm", {"kind": "gsm", "use_tfidf": True}),
    Case("paper", "paper", {}),
    Case("paper, fixed ρ", "paper", {"train_rho": False}),
    Case("paper, dropout", "paper", {"dropout": DROPOUT}),
    Case("paper, ε 1e-12", "paper", {"likelihood_eps": judges.TOPMOST_EPS}),
    Case("paper, ε 1e-12, fixed ρ", "paper", {"likelihood_eps": judges.TOPMOST_EPS, "train_rho": False}),
    Case("detm", "paper", DATED),
    Case("detm, fixed ρ", "paper", DATED | {"train_rho": False}),
    Case("detm, dropout", "paper", DATED | {"dropout": DROPOUT}),
    Case("detm, ε 1e-12", "paper", DATED | TOPMOST),
    Case("detm, ε 1e-12, dropout", "paper", DATED | TOPMOST | {"dropout": DROPOUT}),
)

NUM_PERIODS = 7
"""Into which the documents fall by their order, but for the third period, which has none."""

TRAINED = tuple(case for case in CASES if case.name in ("report", "gsm", "paper", "detm, ε 1e-12"))
"""Cases that are compared over many training steps."""

DRAWN = tuple(case for case in CASES if case.name in ("report", "paper"))
"""Cases whose curves are plotted. GSM is left out: the perplexity here assumes a mixture of topics."""

Make = Callable[[Config, Shape, torch.dtype], Judge]


def judges_of(case: Case, clone: Path | None) -> Iterator[Make]:
    """The torch models that a case is compared with: our rendering, and the published code of this variant if it is
    there.
    """
    yield judges.rendering
    if case.is_dated:
        if case.config().objective.likelihood_eps == judges.TOPMOST_EPS and judges.installed("topmost"):
            yield judges.topmost_detm
        return
    if case.variant == "ntm" and clone:
        yield lambda config, shape, dtype: judges.report_clone(clone, config, shape, dtype)
    if case.variant == "paper":
        if case.config().objective.likelihood_eps == judges.TOPMOST_EPS:
            if judges.installed("topmost"):
                yield judges.topmost
        elif judges.installed("embedded-topic-model"):
            yield judges.embedded_topic_model


def shape_of(config: Config, vocab_size: int) -> Shape:
    """The published sizes, for this vocabulary."""
    model = config.model
    embed_dim = (config.vectors.embed_dim or 0) if model_kind(model.kind).has_embeddings else 0
    walk = None
    if model.kind == KIND:
        walk = WalkSizes(NUM_PERIODS, model.own.eta_hidden_size, model.own.eta_layers, model.own.walk_variance)
    return Shape(vocab_size, model.hidden, model.num_topics, embed_dim, model.decoder_hidden, walk)


def periods_of_documents(num_docs: int) -> np.ndarray:
    """The period of each document: [D] int, in order, from 0 to NUM_PERIODS − 1; none in the third period."""
    kept = np.delete(np.arange(NUM_PERIODS), 2)
    found: np.ndarray = kept[np.arange(num_docs) * len(kept) // num_docs]
    return found


class Material(NamedTuple):
    """A real corpus, and its documents as both sides read them."""

    corpus: Corpus

    def batches(self, config: Config, dtype: str, batch_size: int) -> "Batches":
        """Batches of the training documents in this configuration."""
        counts = self.corpus.train.counts
        kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
        inputs = encoder_input(counts, kind, self.corpus.vocabulary, np.dtype(dtype).type)
        return Batches.of(counts, inputs, batch_size, np.dtype(dtype).type, config)


class Batches:
    """The same documents and the same noise for torch and for JAX. counts, inputs: [D, V] CSR."""

    def __init__(self, counts: sp.csr_matrix, inputs: sp.csr_matrix, batcher: Batcher, config: Config) -> None:
        self.counts, self.inputs, self.batcher, self.config = counts, inputs, batcher, config
        self.of_corpus = _of_corpus(counts, batcher, config) if config.model.kind == KIND else None

    @classmethod
    def of(
        cls, counts: sp.csr_matrix, inputs: sp.csr_matrix, batch_size: int, dtype: type, config: Config
    ) -> "Batches":
        """Batches of the rows of these matrices: [D, V] CSR each."""
        extras = {TIME: periods_of_documents(counts.shape[0]).astype(np.float32)}
        extras = extras if config.model.kind == KIND else {}
        return cls(counts, inputs, Batcher(counts, inputs, batch_size, dtype=dtype, extras=extras), config)

    def __len__(self) -> int:
        return len(self.batcher)

    def epoch(self, epoch: int) -> Iterator[np.ndarray]:
        """The rows [≤ B] of each batch, in a random order that depends on the epoch. The last batch may be short."""
        order = np.random.default_rng([0, epoch]).permutation(self.counts.shape[0])
        for start in range(0, len(order), self.batcher.batch_size):
            yield order[start : start + self.batcher.batch_size]

    def pair(self, rows: np.ndarray, step: int) -> tuple[TorchBatch, Batch, Noise]:
        """The documents `rows` [≤ B] with the noise of `step`, for torch and for JAX."""
        model, size, dtype = self.config.model, self.batcher.batch_size, self.batcher.dtype
        rng = np.random.default_rng([1, step])
        eps: np.ndarray = rng.normal(size=(size, model.num_topics)).astype(dtype)
        masks: list[np.ndarray | None] = [None] * len(model.hidden)
        for i, width in enumerate(model.hidden):
            if model.dropout and (model.dropout_layers == "all" or i == len(model.hidden) - 1):
                keep = rng.random((size, width)) >= model.dropout
                masks[i] = (keep / (1 - model.dropout)).astype(dtype)
        own: dict[str, np.ndarray] = {}
        dated = None
        if self.of_corpus:
            words, periods = self.of_corpus.constants["period_words"], self.batcher.extras[TIME][rows]
            shape = (len(words), model.num_topics, self.config.vectors.embed_dim or 0)
            own = {"alpha": rng.normal(size=shape).astype(dtype), "eta": rng.normal(size=shape[:2]).astype(dtype)}
            walks = (torch.from_numpy(own[name]) for name in ("alpha", "eta"))
            of_rows = torch.from_numpy(periods.astype(np.int64))
            dated = Dated(of_rows, torch.from_numpy(words), self.counts.shape[0], *walks)
        ours = Noise(eps, tuple(masks), own=own)  # type: ignore[arg-type]
        theirs = TorchBatch(
            counts=torch.from_numpy(self.counts[rows].toarray().astype(dtype)),
            inputs=torch.from_numpy(self.inputs[rows].toarray()),
            eps=torch.from_numpy(eps[: len(rows)]),
            masks=[None if mask is None else torch.from_numpy(mask[: len(rows)]) for mask in masks],
            dated=dated,
        )
        return theirs, self.batcher.take(rows), ours


def _of_corpus(counts: sp.csr_matrix, batcher: Batcher, config: Config) -> OfCorpus:
    """What the dynamic model knows of the documents of a batcher."""
    quantiles = np.linspace(0, NUM_PERIODS - 1, QUANTILES)
    metadata = Metadata((MetaColumn(TIME, "number", quantiles=tuple(quantiles.tolist())),))
    model = StructuredDETM(config.model, counts.shape[1], metadata=metadata)
    found = model.constants_of(counts, batcher.extras[TIME].astype(int), counts.shape[0])
    return OfCorpus(metadata, {name: np.array(value, batcher.dtype) for name, value in found.items()})


def material(corpus: str, unit: str, keep_n: int, num_docs: int, cache: Path) -> Material:
    """The corpus by name or file: its `keep_n` most frequent words, and `num_docs` documents evenly spaced in it."""
    config = CorpusConfig(corpus=corpus, keep_n=keep_n, unit=unit)
    prepared = prepare(find_source(config), config, cache)
    picked = np.linspace(0, len(prepared.train) - 1, min(num_docs, len(prepared.train))).astype(int)
    train = Documents(
        counts=prepared.train.counts[picked],
        ids=[prepared.train.ids[i] for i in picked],
        first_words=[prepared.train.first_words[i] for i in picked],
    )
    vocabulary = prepared.vocabulary
    doc_freq, term_freq = (np.asarray(m.sum(0)).ravel() for m in (train.counts > 0, train.counts))
    vocabulary = dataclasses.replace(vocabulary, doc_freq=doc_freq, term_freq=term_freq, num_docs=len(picked))
    return Material(dataclasses.replace(prepared, train=train, vocabulary=vocabulary))
