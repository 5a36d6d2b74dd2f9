"""All metrics of a finished run, from its folder."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from etm_jax.config.vector_sources import context_kind, is_given
from etm_jax.inference.theta import completion_log_px, infer_posterior
from etm_jax.metrics.evaluator import TOP_WORDS, FittedRun, Labels, Row
from etm_jax.metrics.registry import evaluators
from etm_jax.metrics.topics import top_words
from etm_jax.models.layers import Variables
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.ops.mesh import make_mesh
from etm_jax.results.label_file import read_labels
from etm_jax.results.run import Run
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.corpus_batches import corpus_batchers
from etm_jax.training.ensemble import abstract_states, as_models
from etm_jax.training.layout import ModelLayout
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord
from etm_jax.training.steps import beta_step
from etm_jax.util.console import note, table
from etm_jax.util.errors import UserError
from etm_jax.vectors.documents import UNKNOWN_HALVES

ORDER = (
    "num_topics", "coherences", "diversity", "inverted_rbo", "duplicates", "used", "perplexity", "active", "kl",
    "labelled",
)  # fmt: skip
"""Order of the keys of metrics.json; all others come after them."""


class Evaluation(NamedTuple):
    """The metrics of a model of K topics. values: of all evaluators, by key; rows: the lines of the table."""

    num_topics: int
    values: dict[str, Any]
    rows: list[Row]

    def to_json(self) -> dict[str, Any]:
        """Plain values; None for nan, which JSON lacks. of_top_words: words used by inverted RBO and duplicates."""
        values = {"num_topics": self.num_topics} | self.values
        ordered = {key: values[key] for key in ORDER if key in values} | values
        return {key: _plain(value) for key, value in ordered.items()} | {"of_top_words": TOP_WORDS}

    def to_table(self) -> str:
        """The metrics as a text table, one per line."""
        return table(self.rows, ("figure", "value", "measured on"), "<><")


def evaluate(run: Run, labels: str = "") -> Evaluation:
    """Compute all metrics of a run. labels: a file of `document,label`, or empty.

    The column of the documents may also be called as that of the run's --id_field. Raises UserError where its
    checkpoint or the labels cannot be used.
    """
    id_field = run.record.config.corpus.id_field
    if context_kind(run.record.config.model.context) == "file":
        note(UNKNOWN_HALVES)
    return measured(_fitted(run, read_labels(run.corpus, labels, id_field) if labels else None))


def measured(fitted: FittedRun) -> Evaluation:
    """The results of all evaluators."""
    values: dict[str, Any] = {}
    rows: list[Row] = []
    for evaluator in evaluators():
        found = evaluator(fitted)
        if repeated := values.keys() & found.values.keys():
            raise ValueError(f"two evaluators give {', '.join(sorted(repeated))}")
        values |= found.values
        rows += found.rows
    return Evaluation(fitted.num_topics, values, rows)


def _fitted(run: Run, labels: Labels | None) -> FittedRun:
    """The input of evaluators. What the export does not contain comes from the checkpoint."""
    folder, record, corpus, model, _, edit, variables = run
    fitted = FittedRun(
        corpus=corpus,
        beta=model.beta,
        theta_train=model.theta_train,
        theta_test=model.theta_test,
        theta_test_h1=model.theta_test_h1,
        words=top_words(model.beta, TOP_WORDS),
        labels=labels,
    )
    if shifts := model.shifts:
        log_px = shifts.log_px(model.theta_test_h1, model.beta, corpus.test_h2, corpus.test.meta)
        fitted = fitted._replace(log_px=log_px)
    kind = model_kind(record.config.model.kind)
    if kind.fits_itself:
        return fitted
    variables, spec = variables or _variables(folder, record, model.beta, edit), record.spec()
    if edit:
        return fitted  # The encoder's dimensions are those of the topics as they were fitted.
    batchers = corpus_batchers(corpus, record.config, record.batch_size, make_mesh(""))
    # Vectors that came with the documents are not kept with the run.
    if corpus.contexts or not is_given(record.config.model.context):
        layout = ModelLayout(spec, batchers["train"].layout)
        moments = infer_posterior(layout.shard(variables), batchers["train"], layout.program_spec)
        fitted = fitted._replace(activity=moments.activity, kl=moments.kl_per_topic)
    if model.shifts:
        return fitted
    half2 = corpus.test_h2
    return fitted._replace(log_px=completion_log_px(variables, model.theta_test_h1, half2, batchers["test_h1"], spec))


def _variables(folder: RunFolder, record: RunRecord, beta: np.ndarray, edit: TopicEdit | None) -> Variables:
    """The variables of the exported model. Raises UserError where the checkpoint no longer belongs to the export."""
    checkpoints, spec = Checkpoints(folder.checkpoints, record.identity), record.spec()
    num_seeds = record.config.train.num_seeds
    state, progress = checkpoints.restore(abstract_states(spec, num_seeds), record.exported)
    variables = as_models(state.variables, spec, num_seeds)[int(np.argmin(progress.by_seed))]
    found = np.asarray(beta_step(variables, spec))
    # Rounding on another device changes β by less than this; another epoch changes it by more.
    if np.abs((edit.means(found) if edit else found) - beta).sum(axis=1).mean() > 0.02:
        raise UserError(
            f"{folder.export} is older than {folder.checkpoints}: training went on and was stopped; "
            "let the training command of this run end"
        )
    return variables


def _plain(value: Any) -> Any:
    """The value as JSON can represent it."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
