"""Every figure of merit of a run that has ended, from what its folder holds."""

import math
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.types import Corpus, Documents
from etm_jax.inference.theta import infer_posterior, log_px_at
from etm_jax.metrics.coherence import Coherence, coherences
from etm_jax.metrics.labels import Labelled, label_figures
from etm_jax.metrics.perplexity import Perplexity, completion_perplexity, perplexity_of
from etm_jax.metrics.posterior import active_units
from etm_jax.metrics.topics import diversity, duplicate_topics, inverted_rbo, npmi_coherence, top_words, topics_used
from etm_jax.models.layers import Variables
from etm_jax.models.registry import model_kind
from etm_jax.results.run import Run
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.corpus_batches import corpus_batchers
from etm_jax.training.ensemble import abstract_states, as_models
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord
from etm_jax.training.steps import beta_step
from etm_jax.util.console import table
from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_pairs

TOP_WORDS = 10
"""Words of a topic that coherences, inverted RBO and duplicates look at."""

DIVERSITY_WORDS = (10, 15, 25)


class Evaluation(NamedTuple):
    """The figures of one model of K topics.

    coherences: document NPMI on the training and on the test documents, then gensim's five. used: topics that are the
    largest one of the first half of some test document. active, kl [K]: of the encoder over the training documents, kl
    in nats; None for LDA, which has no encoder. labelled: None where no labels were given. Perplexities are nan without
    test documents.
    """

    num_topics: int
    coherences: list[Coherence]
    diversity: dict[int, float]
    inverted_rbo: float
    duplicates: int
    used: int
    perplexity: Perplexity
    active: int | None
    kl: np.ndarray | None
    labelled: Labelled | None

    def to_json(self) -> dict[str, Any]:
        """Plain values; null for nan, which JSON lacks. of_top_words: of inverted RBO and duplicates."""
        return self._asdict() | {
            "coherences": [c._asdict() | {"per_topic": c.per_topic.tolist()} for c in self.coherences],
            "perplexity": {name: None if math.isnan(p) else p for name, p in self.perplexity._asdict().items()},
            "kl": None if self.kl is None else self.kl.tolist(),
            "labelled": None if self.labelled is None else self.labelled._asdict(),
            "of_top_words": TOP_WORDS,
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """Each figure's name, its value, and what it was measured on."""
        top = f"top {TOP_WORDS} words"
        rows = [
            (c.measure, f"{c.value:.3f}", f"{c.reference}; {_window(c.window)}; top {c.top_n} words")
            for c in self.coherences
        ]
        rows += [
            ("diversity", f"{share:.3f}", f"unique among the top {n} words") for n, share in self.diversity.items()
        ]
        rows += [
            ("inverted RBO", f"{self.inverted_rbo:.3f}", f"{top}, weight 0.9; 1 where no two topics share any"),
            ("duplicate topics", f"{self.duplicates} of {self.num_topics}", f"{top}, most of them another topic's"),
            ("topics used", f"{self.used} of {self.num_topics}", "largest of some test document's first half"),
        ]
        if self.active is not None and self.kl is not None:
            of_topics = f"of a topic's dimension {self.kl.min():.3f} to {self.kl.max():.3f}"
            rows += [
                ("active units", f"{self.active} of {self.num_topics}", "posterior means that vary with the document"),
                ("KL", f"{self.kl.sum():.2f}", f"nats a training document, {of_topics}"),
            ]
        if not math.isnan(self.perplexity.by_document):
            how = "second halves of test documents, given the first"
            rows += [
                ("perplexity", f"{self.perplexity.by_document:,.1f}", f"by document; {how}"),
                ("", f"{self.perplexity.by_token:,.1f}", f"by token; {how}"),
            ]
        if self.labelled:
            said = f"logistic regression on θ; the commonest label alone gives {self.labelled.majority:.3f}"
            rows += [
                ("purity", f"{self.labelled.purity:.3f}", "largest topics of test documents against the labels"),
                ("NMI", f"{self.labelled.nmi:.3f}", "largest topics of test documents against the labels"),
                ("accuracy", f"{self.labelled.accuracy:.3f}", said),
                ("macro F1", f"{self.labelled.macro_f1:.3f}", "logistic regression on θ"),
            ]
        return rows

    def to_table(self) -> str:
        """A line a figure."""
        return table(self.rows(), ("figure", "value", "measured on"), "<><")


def evaluate(run: Run, labels: str = "") -> Evaluation:
    """All figures of a run. labels: a file of `document,label`, or empty.

    Raises UserError where its checkpoint or the labels cannot be used.
    """
    folder, record, corpus, model, _ = run
    beta, theta_train, theta_test, theta_h1 = model.beta, model.theta_train, model.theta_test, model.theta_test_h1
    label_of = read_pairs(labels, "labels", "document", "label") if labels else {}
    labelled = _labelled(corpus, theta_train, theta_test, label_of, labels) if labels else None

    active, kl, perplexity = None, None, completion_perplexity(theta_h1, beta, corpus.test_h2)
    kind = model_kind(record.config.model.kind)
    if not kind.fits_itself:
        variables, spec = _variables(folder, record, beta), record.spec()
        moments = infer_posterior(variables, corpus_batchers(corpus, record.config, record.batch_size)["train"], spec)
        active, kl = active_units(moments.activity), moments.kl_per_topic
        if not kind.is_mixture:
            log_px = log_px_at(variables, theta_h1, corpus.test_h2, record.batch_size, spec)
            perplexity = perplexity_of(log_px, corpus.test_h2)

    words = top_words(beta, TOP_WORDS)
    by_document = [
        _document_npmi("NPMI", words, corpus.train, "training"),
        _document_npmi("NPMI, held out", words, corpus.test, "test"),
    ]
    return Evaluation(
        num_topics=len(beta),
        coherences=by_document
        + coherences(words, corpus.vocabulary.words, corpus.train.counts, corpus.text, "training documents"),
        diversity={n: diversity(top_words(beta, n)) for n in DIVERSITY_WORDS},
        inverted_rbo=inverted_rbo(words),
        duplicates=duplicate_topics(words),
        used=topics_used(theta_h1),
        perplexity=perplexity,
        active=active,
        kl=kl,
        labelled=labelled,
    )


def _labelled(
    corpus: Corpus, theta_train: np.ndarray, theta_test: np.ndarray, label_of: dict[str, str], flag: str
) -> Labelled:
    train, test = ([i for i, doc in enumerate(part.ids) if doc in label_of] for part in (corpus.train, corpus.test))
    of_train, of_test = (
        [label_of[part.ids[i]] for i in rows] for part, rows in ((corpus.train, train), (corpus.test, test))
    )
    if len(set(of_train)) < 2 or not of_test:
        raise UserError(
            f"--labels={flag} labels {len(train)} of the training and {len(test)} of the test documents, with "
            f"{len(set(of_train))} different labels; documents are named as in export/doc_topics.csv, such as "
            f"{corpus.train.ids[0]!r}"
        )
    return label_figures(theta_train[train], of_train, theta_test[test], of_test)


def _document_npmi(name: str, words: np.ndarray, documents: Documents, which: str) -> Coherence:
    scores = npmi_coherence(words, documents.counts)
    return Coherence(
        name, float(scores.mean()), scores, f"bags of words of {len(documents):,} {which} documents", 0, words.shape[1]
    )


def _variables(folder: RunFolder, record: RunRecord, beta: np.ndarray) -> Variables:
    """What the export was made from. Raises UserError where the checkpoint is not the export's any more."""
    checkpoints, spec = Checkpoints(folder.checkpoints), record.spec()
    num_seeds = record.config.train.num_seeds
    state, progress = checkpoints.restore(abstract_states(spec, num_seeds), record.exported)
    variables = as_models(state.variables, spec, num_seeds)[int(np.argmin(progress.by_seed))]
    # Another device rounds otherwise; another epoch has moved more probability than that.
    if np.abs(np.asarray(beta_step(variables, spec)) - beta).sum(axis=1).mean() > 0.02:
        raise UserError(
            f"{folder.export} is older than {folder.checkpoints}: training went on and was stopped; "
            "let the training command of this run end"
        )
    return variables


def _window(words: int) -> str:
    return f"window {words}" if words else "whole documents"
