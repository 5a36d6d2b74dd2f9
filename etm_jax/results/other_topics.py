"""All metrics of topics that another program has found, measured on the documents and words of a run."""

import dataclasses
from pathlib import Path

import numpy as np

from etm_jax.interop.mallet_files import read_doc_topics, read_state
from etm_jax.metrics import labels as label_metrics
from etm_jax.metrics.evaluator import TOP_WORDS, FittedRun, Labels
from etm_jax.metrics.topics import top_words
from etm_jax.results.evaluation import Evaluation, measured
from etm_jax.results.label_file import read_labels
from etm_jax.results.run import Run, read_run
from etm_jax.util.console import note, show, warn
from etm_jax.util.errors import UserError

FEW_KNOWN = 0.5
"""Share of the words of another program's text below which a warning says that the vocabulary has few of them."""


def show_other(workdir: str, state: str = "", doc_topics: str = "", labels: str = "") -> None:
    """Print the table of MALLET's topics, with the corpus of the run in `workdir` for reference.

    Raises UserError as `evaluate_other` does.
    """
    run = read_run(Path(workdir).expanduser())
    show(evaluate_other(run, state, doc_topics, labels).to_table())
    note("", f"these are figures of {state or doc_topics}; metrics.json of {workdir} is as it was")


def evaluate_other(run: Run, state: str = "", doc_topics: str = "", labels: str = "") -> Evaluation:
    """Measure MALLET's topics with the documents, words and running text of a run.

    state: its file of --output-state, which has the topics: their words that the run's vocabulary lacks are left out.
    doc_topics: its file of --output-doc-topics, where documents are called as in the run; with `labels`, a file as of
    `read_labels`, it says how well topics tell labels apart. Without `state` there are these figures alone. There is no
    perplexity, as MALLET gives no proportions of halves of documents. Raises UserError where a file cannot be used.
    """
    if bool(labels) != bool(doc_topics):
        lacking = "doc_topics" if labels else "labels"
        raise UserError(
            f"--labels and --doc_topics go together where topics are MALLET's: labels need its proportions; add "
            f"--{lacking}=FILE"
        )
    beta = _beta(run, state) if state else None
    given = len(beta) if beta is not None else 0
    theta, found = _theta(run, doc_topics, labels, given) if doc_topics else ({}, None)
    num_topics = given or len(next(iter(theta.values())))
    if other := next((len(row) for row in theta.values() if len(row) != num_topics), 0):
        raise UserError(
            f"--doc_topics={doc_topics} has {other} topics, and --state={state} {num_topics}; give those of one model"
        )
    corpus, none = run.corpus, np.zeros(num_topics)
    of_train, of_test = (
        np.array([theta.get(name, none) for name in part.ids]).reshape(-1, num_topics)
        for part in (corpus.train, corpus.test)
    )
    no_halves = {name: getattr(corpus, name)[:0] for name in ("test_h1", "test_h2")}
    topics = np.zeros((num_topics, len(corpus.vocabulary))) if beta is None else beta
    fitted = FittedRun(
        corpus=dataclasses.replace(corpus, **no_halves),
        beta=topics,
        theta_train=of_train,
        theta_test=of_test,
        theta_test_h1=of_test[:0],
        words=top_words(topics, TOP_WORDS),
        labels=found,
    )
    if beta is not None:
        return measured(fitted)
    return Evaluation(num_topics, *label_metrics.evaluate(fitted))


def _beta(run: Run, path: str) -> np.ndarray:
    """[K, V] over the run's words: the state's counts with the prior's weight, for the words that it has."""
    words = run.corpus.vocabulary.words
    state = read_state(Path(path).expanduser(), words)
    has, tokens = state.counts.any(axis=0), int(state.counts.sum())
    share = tokens / max(state.tokens, 1)
    said = f"{int(has.sum()):,} of its {int(has.sum()) + state.others:,} words ({share:.1%} of its text)"
    if has.sum() < TOP_WORDS:
        raise UserError(
            f"--state={path}: {said} are in the vocabulary of the run, too few to measure; give a run on that text"
        )
    note(f"{path}: {len(state.counts)} topics; {said} are in the vocabulary of the run, and are measured")
    if share < FEW_KNOWN:
        warn("most of that text is in words that the run does not have; prepare both from the same tokens")
    weights = np.where(has, state.counts + state.beta, 0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _theta(run: Run, path: str, labels: str, num_topics: int) -> tuple[dict[str, np.ndarray], Labels]:
    """Proportions by the names of documents, and the labels of those that have some."""
    corpus = run.corpus
    given = read_labels(corpus, labels, run.record.config.corpus.id_field)
    names = {name for part in (corpus.train, corpus.test) for name in part.ids}
    theta = read_doc_topics(Path(path).expanduser(), names, num_topics)
    train = [(i, label) for i, label in zip(given.train_rows, given.train, strict=True) if corpus.train.ids[i] in theta]
    test = [(i, label) for i, label in zip(given.test_rows, given.test, strict=True) if corpus.test.ids[i] in theta]
    if len({label for _, label in train}) < 2 or not test:
        raise UserError(
            f"--doc_topics={path} names {len(theta):,} of the {len(names):,} documents, {len(train):,} to train on and "
            f"{len(test):,} to test with a label; documents are called such as {next(iter(sorted(names)), '')!r}"
        )
    note(f"{path}: {len(theta):,} of {len(names):,} documents have proportions")
    return theta, Labels([i for i, _ in train], [y for _, y in train], [i for i, _ in test], [y for _, y in test])
