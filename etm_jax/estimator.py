"""ETM as a scikit-learn estimator: fit, transform, save and load."""

import dataclasses
import inspect
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from etm_jax.api.contexts import ContextVectors
from etm_jax.api.effects import EffectMethods
from etm_jax.api.given_meta import meta_as_text
from etm_jax.api.parameters import segmented_by, settings_by_name, stop_words_setting
from etm_jax.api.reporting import Reports
from etm_jax.api.saving import SavedAsFolder
from etm_jax.api.topic_methods import TopicMethods
from etm_jax.api.topic_results import TopicInfo
from etm_jax.config.build import Config, make_config
from etm_jax.config.declaration import by_name, settings_of
from etm_jax.config.settings import SECTIONS, RunOptions
from etm_jax.corpus.given import (
    as_documents,
    given_over_words,
    is_missing,
    read_given,
    valid_counts,
    vocabulary_of,
    with_empty_for_missing,
)
from etm_jax.corpus.in_memory import FEWEST_TO_VALIDATE, corpus_of_counts, counts_in_order
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.types import Corpus, Source
from etm_jax.corpus.words.split import halves
from etm_jax.corpus.words.tokens import GIVEN
from etm_jax.interop.native_files import check_unedited
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.topics import npmi_coherence, top_words, topic_shares
from etm_jax.models.registry import model_kind
from etm_jax.models.seed_words import write_seed_words
from etm_jax.training.make_trainer import make_trainer
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

__all__ = ["ETM", "TopicInfo"]

UNNAMED = (
    "the counts came without the words of their columns, and topics show the columns' numbers; model.name_words(words) "
    "names them, in a Pipeline pipeline[-1].name_words(pipeline[:-1])"
)


class ETM(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    TopicMethods,
    EffectMethods,
    ContextVectors,
    Reports,
    SavedAsFolder,
):
    """A topic model in the embedding space (Dieng, Ruiz, Blei 2020), trained as by `python -m etm_jax.train`.

    Documents are strings, lists of words, which stay as they are (`clean_tokens`), or a matrix of counts [D, V].
    Invalid documents or parameters raise ValueError with a message of one line.

    Parameters
    ----------
    num_topics : int
        K, the number of topics.
    lang : str
        Language, zh or en ("" is zh).
    segmenter : str or callable
        How strings are split into words ("" is pkuseg for zh, words for en), or a function from one to its words.
    user_dict : str
        File of words not to cut, such as names.
    stopwords : str or collection of str
        Words to drop: zh or en (lists of ours), a file, words with commas between; or a list or set of words.
    no_below, no_above : int, float
        Drop words that are in fewer documents than this number, or in more than this share of them.
    vectors : str
        Initial word vectors: ppmi, skipgram, cbow, use, random, file:PATH or bert:FOLDER, or several joined by +.
    num_epochs : int
        Passes over the documents; 0 chooses the number automatically.
    variant : str
        default, ntm or paper.
    seed : int
        The same seed gives the same bytes on the same machine.
    seed_words : list of lists of str
        Seed words of topics 0, 1, …; [] for a topic without any.
    context : str or ndarray of shape (D, C)
        Vectors of whole documents, which the encoder reads beside their words: use, bert:FOLDER or ppmi, which make
        them, or an array with a row for each document of `fit`; new documents then need one too. With
        `settings={"encoder": "context"}` it reads these alone, and new documents may be in another language.
    settings : mapping
        Any other settings of `python -m etm_jax.train`, by the name of their flag.
    missing : str
        What to do with None, NaN and the like among texts: error, or empty, which takes them for documents without
        words, so that every document keeps its row.
    callbacks : list of callables
        Called after every epoch with its metrics, a dict.
    verbose : int
        0 is silent.

    Attributes
    ----------
    components_, vocab_ : ndarray of shape (K, V), list of V str
        The topics β, whose rows sum to 1, and the words of their columns.
    theta_ : ndarray of shape (D, K)
        Topic proportions of the documents that the model was fitted to.
    history_, new_words_ : list of dict, Counter
        The metrics of every epoch, and the unknown words in the documents given to `partial_fit`, with their counts.
    """

    def __init__(
        self,
        num_topics: int = 50,
        *,
        lang: str = "",
        segmenter: str | Callable[[str], Iterable[str]] = "",
        user_dict: str = "",
        stopwords: str | Iterable[str] = "",
        no_below: int = 5,
        no_above: float = 0.1,
        vectors: str = "ppmi",
        num_epochs: int = 0,
        variant: str = "default",
        seed: int = 1,
        seed_words: Sequence[Sequence[str]] | None = None,
        context: Any = "",
        settings: Mapping[str, Any] | None = None,
        missing: str = "error",
        callbacks: Sequence[Callable[[dict[str, Any]], None]] = (),
        verbose: int = 1,
    ) -> None:
        self.num_topics = num_topics
        self.lang = lang
        self.segmenter = segmenter
        self.user_dict = user_dict
        self.stopwords = stopwords
        self.no_below = no_below
        self.no_above = no_above
        self.vectors = vectors
        self.num_epochs = num_epochs
        self.variant = variant
        self.seed = seed
        self.seed_words = seed_words
        self.context = context
        self.settings = settings
        self.missing = missing
        self.callbacks = callbacks
        self.verbose = verbose

    # Fitting

    def fit(
        self, X: Any, y: None = None, *, vocab: Sequence[str] | None = None, meta: Any = None, context: Any = None
    ) -> Self:
        """Learn topics. X: documents in any form that `ETM` takes.

        meta: what is known of them, a mapping of fields to a value for each document, or a DataFrame with a row for
        each; for the setting `prevalence`, and for `effects`.

        vocab: the V words of the columns of counts, in their order, a dictionary as `CountVectorizer.vocabulary_`, or
        the fitted vectorizer itself; without it those of a DataFrame are its columns' names, and of other counts the
        columns' numbers, until `name_words` names them.

        context: the documents' vectors, [D, C], in place of an array in the parameter.
        """
        with self._own_words():
            if renaming := by_name(RunOptions)["variant"].renaming(self.variant):
                note(renaming)
            self._given_context = context
            corpus, counts, documents = self._prepared(X, vocab, meta)
            vectors = self._fit_vectors(documents)
            self._learn(self._with_contexts(corpus, vectors), None, counts, meta, vectors)
            self._documents: list[Any] | None = documents
        return self

    def fit_transform(
        self, X: Any, y: None = None, *, vocab: Sequence[str] | None = None, meta: Any = None, context: Any = None
    ) -> np.ndarray:
        """`fit`, then `transform` of the same documents, which are not split into words again: [D, K] float32."""
        self.fit(X, vocab=vocab, meta=meta, context=context)
        return self._theta.copy()

    def partial_fit(
        self, X: Any, y: None = None, *, vocab: Sequence[str] | None = None, meta: Any = None, context: Any = None
    ) -> Self:
        """Continue training on other documents with the same vocabulary; the first call is `fit`.

        Words outside the vocabulary are left out, and counted in `new_words_`. vocab: the words of the columns of
        counts, which may be others than those of the first call, and in another order. meta, context: as in `fit`;
        fields and categories are those of the first call.
        """
        if not hasattr(self, "_trained"):
            return self.fit(X, vocab=vocab, meta=meta, context=context)
        with self._own_words():
            check_unedited(self._trained)
            unknown = Counter[str]()
            given, counts = self._counted(X, vocab, unknown)
            texts, known = meta_as_text(meta, counts.shape[0]), self._trained.metadata
            corpus = corpus_of_counts(counts, self._vocabulary, self._config(), texts, known)
            vectors = self._vectors(given, counts.shape[0], context)
            self._learn(self._with_contexts(corpus, vectors), self._trained, counts, meta, vectors)
            self._documents = given
            self.new_words_ = unknown
            if unknown:
                common = ", ".join(word for word, _ in unknown.most_common(5))
                note(f"{len(unknown):,} words are not the model's and were left out, such as {common}")
        return self

    def _prepared(self, X: Any, vocab: Any, meta: Any = None) -> tuple[Corpus, sp.csr_matrix, list[Any]]:
        """The corpus to learn from, the counts [D, V] of all given documents in their order, and the documents."""
        given, names = read_given(X, vocab, self._cut)
        config = self._config()
        if given is None:
            counts = valid_counts(self, X, reset=True)
            fields = meta_as_text(meta, counts.shape[0])
            corpus = corpus_of_counts(counts, vocabulary_of(counts, names), config, fields)
            if names is None:
                note(UNNAMED)
            return corpus, counts, list(range(counts.shape[0]))
        documents = list(as_documents(given))
        if not documents:
            raise UserError("there are no documents; give a list of at least a few")
        fields = meta_as_text(meta, len(documents))
        documents = [
            dataclasses.replace(one, meta={name: values[i] for name, values in fields.items()})
            for i, one in enumerate(documents)
        ]
        settings = dataclasses.replace(
            config.corpus,
            valid_share=config.corpus.valid_share if len(documents) >= FEWEST_TO_VALIDATE else 0.0,
            test_share=0.0,
            segmenter=config.corpus.segmenter if documents[0].tokens is None else GIVEN,
            # Before a segmenter that is a function, text has been cleaned.
            clean="" if callable(self.segmenter) else config.corpus.clean,
            meta_fields=",".join(fields),
        )
        corpus = prepare(Source("ETM.fit", [], documents=lambda: iter(documents)), settings)
        return corpus, counts_in_order(corpus, len(documents)), given

    def _learn(
        self,
        corpus: Corpus,
        other: SavedModel | None,
        counts: sp.csr_matrix,
        meta: Any = None,
        vectors: np.ndarray | None = None,
    ) -> None:
        """Train on the corpus. counts: [D, V], of all given documents, in their order; meta: as of `fit`.

        vectors: [D, C], where the model is given them.
        """
        history: list[dict[str, Any]] = []

        def on_epoch(row: dict[str, Any]) -> None:
            history.append(row)
            for callback in self.callbacks:
                callback(row)

        config = self._config().continuing(other.config) if other else self._config()
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(seed_words=write_seed_words(self.seed_words or (), Path(folder)))
            run = RunFolder(Path(folder) / "run")
            trained = make_trainer(
                config, corpus, run, options, weights=other, on_epoch=on_epoch, in_memory=True
            ).train()
            record = run.record()
        variables = jax.device_get(trained.variables)
        assert record is not None
        metadata = corpus.metadata.with_quantiles(record.metadata)
        origin = f"ETM.fit, {len(history)} epochs"
        digest = record.context_digest
        self._take(SavedModel(config, variables, corpus.vocabulary, origin, metadata, context_digest=digest))
        self.history_ = history
        self._corpus, self._record = corpus, record
        self._theta = self._applied.theta(counts, meta_as_text(meta, counts.shape[0]), vectors)
        self._fitted_counts = counts
        self._share = topic_shares(self._theta, counts)
        self._npmi = npmi_coherence(top_words(self.components_, 10), counts)

    # Applying

    def transform(
        self, X: Any, *, vocab: Sequence[str] | None = None, meta: Any = None, context: Any = None
    ) -> np.ndarray:
        """Infer topic proportions. vocab: the words of the columns of counts, where those are not the model's in order.

        meta: as in `fit`, of which the setting `prevalence` reads; a document without has the mean of those fitted.
        context: the documents' vectors, [D, C], where the model was fitted with such an array.

        Returns
        -------
        ndarray of shape (D, K), float32
            Rows sum to 1. A document without a known word gets the proportions of the prior.
        """
        check_is_fitted(self, "components_")
        with self._own_words():
            given, counts = self._counted(X, vocab)
            vectors = self._vectors(given, counts.shape[0], context)
            return self._applied.theta(counts, meta_as_text(meta, counts.shape[0]), vectors)

    def perplexity(self, X: Any, *, vocab: Sequence[str] | None = None) -> float:
        """Completion perplexity by token, of the second halves of documents given the first. Lower is better.

        A model that is given vectors of documents is given none here, as those know the second halves. Raises
        ValueError where no document has a word to predict.
        """
        check_is_fitted(self, "components_")
        with self._own_words():
            _, counts = self._counted(X, vocab)
            if counts.dtype.kind == "f":
                raise UserError("perplexity is of words: it needs whole counts")
            first, second = halves(counts, self.seed)
            if not second.nnz:
                raise UserError("no document has a word that the model knows: they have no perplexity")
            theta = self._applied.theta(first, context=self._applied.mean_context(first.shape[0]))
            return completion_perplexity(theta, self.components_, second).by_token

    def score(self, X: Any, y: None = None, *, vocab: Sequence[str] | None = None) -> float:
        """Negative `perplexity`: scikit-learn's searches maximise the score."""
        return -self.perplexity(X, vocab=vocab)

    # Documents to counts

    def _counted(
        self, documents: Any, vocab: Any = None, unknown: Counter[str] | None = None
    ) -> tuple[list[Any], sp.csr_matrix]:
        config, vocabulary = self._trained.config.corpus, self._vocabulary
        return given_over_words(self, documents, vocab, config, vocabulary, unknown, self._cut)

    def _cut(self, texts: list[Any]) -> list[Any]:
        """Texts as they are read: with documents for missing ones, and words by a segmenter that is a function."""
        if self.missing not in ("error", "empty"):
            raise UserError(f"missing={self.missing!r} is not one of error, empty")
        if self.missing == "empty":
            filled = with_empty_for_missing(texts)
            if number := sum(map(is_missing, texts)):
                note(f"{number:,} of {len(texts):,} documents are missing, and count as documents without words")
            texts = filled
        return segmented_by(self.segmenter, texts, self._config().corpus) if callable(self.segmenter) else texts

    def _config(self) -> Config:
        given = {name: getattr(self, name) for name in _setting_parameters()}
        given["stopwords"] = stop_words_setting(self.stopwords)
        given["context"] = self._context_setting()
        if callable(self.segmenter):
            given["segmenter"] = "whitespace"  # For what reads the model without the function.
        if not self.num_epochs:
            # A published variant sets its own number.
            del given["num_epochs"]
        settings = settings_by_name(self.settings or {})
        if "context" in settings:
            raise UserError("settings has context, which is a parameter of its own; give it as context=…")
        config = make_config(self.variant, given | settings)
        if model_kind(config.model.kind).fits_itself:
            raise UserError("ETM is no LDA: python -m etm_jax.train --model=lda fits one")
        return config

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _setting_parameters() -> list[str]:
    """The parameters of `ETM` that are also settings of a run, with the same names."""
    settings = {s.name for kind in SECTIONS.values() for s in settings_of(kind)}
    return [name for name in inspect.signature(ETM.__init__).parameters if name in settings]
