"""From settings and a prepared corpus to a trainer: what the run is, what it starts from, its batches."""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.types import Corpus
from etm_jax.metrics.coherence import coherence
from etm_jax.metrics.topics import WORDS_SHOWN, top_words, topic_quality
from etm_jax.models.batch import Batch
from etm_jax.models.layers import init_variables
from etm_jax.ops.mesh import make_mesh
from etm_jax.training.ahead import Call, CompiledAhead
from etm_jax.training.batches import Batcher
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.corpus_batches import corpus_batchers, training_batcher
from etm_jax.training.distributed import is_main_process
from etm_jax.training.divergence import all_finite
from etm_jax.training.ensemble import abstract_states, train_steps
from etm_jax.training.initialize import initialize
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord, default_dtype
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import (
    Spec,
    abstract_state,
    eval_step,
    posterior_step,
    prior_step,
    single_step,
    theta_step,
    topics_by_word,
    word_shifts_step,
)
from etm_jax.training.train_setup import Row, TrainSetup
from etm_jax.training.trainer import Trainer
from etm_jax.util.machine import keep_freed_memory

OF_RESULTS = (topics_by_word, prior_step, word_shifts_step)
"""Programs of the variables alone that a run's results need."""


def make_trainer(
    config: Config,
    corpus: Corpus,
    folder: RunFolder,
    options: RunOptions = RunOptions(),  # noqa: B008
    *,
    resumed: RunRecord | None = None,
    weights: SavedModel | None = None,
    on_epoch: Callable[[Row], None] | None = None,
    stop_on_signals: bool = False,
    in_memory: bool = False,
) -> Trainer:
    """The trainer of a run in its folder, whose record is written.

    It starts from word vectors or from other weights, or resumes the run that `resumed` is the record of. on_epoch: is
    called with the row of each epoch. stop_on_signals: as of `TrainSetup`. in_memory: the run is never resumed, and its
    checkpoints are not written. Raises UserError as `initialize` does.
    """
    keep_freed_memory()
    mesh, ahead = make_mesh(options.mesh), CompiledAhead()
    batchers: dict[str, Batcher] = {}

    def begin(record: RunRecord) -> None:
        batchers.update(corpus_batchers(corpus, config, record.batch_size, mesh))
        if mesh is None and default_dtype() == "float32":
            spec, num_seeds = record.spec(), config.train.num_seeds
            step = single_step() if num_seeds == 1 else train_steps
            programs = (init_variables, step, eval_step, all_finite, theta_step, posterior_step, *OF_RESULTS)
            longer = bool(config.objective.neighbour_share)
            ahead.start(lambda: calls(spec, num_seeds, batchers["train"].abstract(), longer), programs)

    try:
        record, variables = initialize(config, options, corpus, resumed, weights, begin, ahead)
    except BaseException:
        ahead.close()
        raise
    if is_main_process():
        folder.start(record, corpus)
    return Trainer(
        TrainSetup(
            spec=record.spec(),
            config=config.train,
            num_epochs=record.num_epochs,
            train=training_batcher(corpus, config, batchers["train"]),
            valid=batchers["valid"],
            initial=variables,
            folder=folder,
            checkpoints=InMemoryCheckpoints() if in_memory else Checkpoints(folder.checkpoints, record.identity),
            document_names=() if corpus.stream else corpus.train.ids,
            quality=lambda beta: measure_quality(beta, corpus),
            on_epoch=on_epoch,
            stop_on_signals=stop_on_signals,
            ahead=ahead,
        )
    )


def calls(spec: Spec, num_seeds: int, batch: Batch, longer: bool = False) -> Iterator[Call]:
    """How a training, and what makes its results, call their programs. batch: shapes of one.

    longer: those that are trained on have more entries, of which the number is not known yet.
    """
    key = jax.random.key(0)
    yield init_variables, (key, spec.module())
    one = abstract_state(spec)
    all_seeds = one if num_seeds == 1 else abstract_states(spec, num_seeds)
    if longer:
        pass
    elif num_seeds == 1:
        yield single_step(), (one, batch, key, spec)
    else:
        yield train_steps, (all_seeds, batch, jax.random.split(key, num_seeds), spec)
    yield eval_step, (one.variables, batch, key, spec)
    yield all_finite, (all_seeds.variables,)
    by_word = jax.eval_shape(partial(topics_by_word, spec=spec), one.variables)
    yield theta_step, (one.variables, batch, spec, by_word)
    yield posterior_step, (one.variables, batch, spec)
    for program in OF_RESULTS:
        yield program, (one.variables, spec)


def measure_quality(beta: np.ndarray, corpus: Corpus) -> dict[str, float]:
    """What --log_quality_every measures of β: NPMI and diversity as a run shows at its end, and C_V as the report."""
    words = top_words(beta, WORDS_SHOWN)
    c_v = coherence("C_V", words, corpus.vocabulary.words, corpus.train.counts, corpus.text)
    return topic_quality(beta, corpus.train.counts) | {"c_v": c_v.value}
