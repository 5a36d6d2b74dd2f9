"""From settings and a prepared corpus to a trainer: what the run is, what it starts from, its batches."""

from collections.abc import Callable

import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.types import Corpus
from etm_jax.metrics.coherence import coherence
from etm_jax.metrics.topics import WORDS_SHOWN, top_words, topic_quality
from etm_jax.ops.mesh import make_mesh
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.corpus_batches import corpus_batchers, training_batcher
from etm_jax.training.distributed import is_main_process
from etm_jax.training.initialize import initialize
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.train_setup import Row, TrainSetup
from etm_jax.training.trainer import Trainer


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
    mesh = make_mesh(options.mesh)
    record, variables = initialize(config, options, corpus, resumed, weights)
    if is_main_process():
        folder.start(record, corpus)
    batchers = corpus_batchers(corpus, config, record.batch_size, mesh)
    return Trainer(
        TrainSetup(
            spec=record.spec(),
            config=config.train,
            num_epochs=record.num_epochs,
            train=training_batcher(corpus, config, batchers["train"]),
            valid=batchers["valid"],
            initial=variables,
            folder=folder,
            checkpoints=InMemoryCheckpoints() if in_memory else Checkpoints(folder.checkpoints),
            document_names=() if corpus.stream else corpus.train.ids,
            quality=lambda beta: measure_quality(beta, corpus),
            on_epoch=on_epoch,
            stop_on_signals=stop_on_signals,
        )
    )


def measure_quality(beta: np.ndarray, corpus: Corpus) -> dict[str, float]:
    """What --log_quality_every measures of β: NPMI and diversity as a run shows at its end, and C_V as the report."""
    words = top_words(beta, WORDS_SHOWN)
    c_v = coherence("C_V", words, corpus.vocabulary.words, corpus.train.counts, corpus.text)
    return topic_quality(beta, corpus.train.counts) | {"c_v": c_v.value}
