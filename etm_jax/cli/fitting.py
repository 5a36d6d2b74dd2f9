"""The two ways to fit a model to a prepared corpus: training it step by step, or calling the engine that it brings."""

from typing import Protocol

import jax

from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.types import Corpus, Source
from etm_jax.interop.start_weights import read_start_weights
from etm_jax.models.registry import model_kind
from etm_jax.ops.mesh import make_mesh
from etm_jax.results.fit_result import FitResult, trained_result
from etm_jax.training.ahead import prepare_jax
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.corpus_batches import batch_size_for, corpus_batchers
from etm_jax.training.distributed import is_multiprocess, leave
from etm_jax.training.make_trainer import make_trainer
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord, self_fitted_record
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.tensorboard import check_tensorboard, tensorboard_writer
from etm_jax.util import console
from etm_jax.util.errors import UserError
from etm_jax.vectors import check_vectors
from etm_jax.vectors.documents import check_context


class Fitter(Protocol):
    """A way to fit one run's model. Making it raises UserError for what can be refused before the corpus is read."""

    def fit(self, corpus: Corpus) -> FitResult:
        """Write the run's record into its folder and fit the model. Raises UserError."""


def fitter_for(
    config: Config, options: RunOptions, folder: RunFolder, saved: RunRecord | None, source: Source
) -> Fitter:
    """What fits the model of these settings. saved: the record of the run that the folder holds already."""
    if model_kind(config.model.kind).fits_itself:
        return SelfFitter(config, options, folder, saved)
    return TrainingFitter(config, options, folder, saved, source)


class TrainingFitter:
    """Fits a model by training. Where the folder holds a checkpoint, that is resumed, here and nowhere else."""

    def __init__(
        self, config: Config, options: RunOptions, folder: RunFolder, saved: RunRecord | None, source: Source
    ) -> None:
        self._config, self._options, self._folder = config, options, folder
        model_kind(config.model.kind).check(config, options.ckpt)
        make_mesh(options.mesh)
        if options.tensorboard:
            check_tensorboard()
        if options.ckpt and config.train.num_seeds > 1:
            raise UserError(
                f"--ckpt={options.ckpt} gives all of --num_seeds={config.train.num_seeds} the same weights to start "
                "from; leave out one of the two"
            )
        self._resumed = saved if Checkpoints(folder.checkpoints).epochs() else None
        if self._resumed:
            Checkpoints(folder.checkpoints, self._resumed.identity).check_run()
        if config.model.context:
            check_context(config.model.context, source)
        self._weights: SavedModel | None = None
        if self._resumed is None and options.ckpt:
            self._weights = read_start_weights(options.ckpt, config.model)
        elif self._resumed is None:
            check_vectors(config.vectors, None if source.documents else source.name)
        prepare_jax()

    def fit(self, corpus: Corpus) -> FitResult:
        config, options, folder = self._config, self._options, self._folder
        trained = make_trainer(
            config,
            corpus,
            folder,
            options,
            resumed=self._resumed,
            weights=self._weights,
            on_epoch=tensorboard_writer(folder.path / "tensorboard") if options.tensorboard else None,
            stop_on_signals=True,
        ).train()
        # From here on the main process is alone, and has its own devices only.
        mesh = make_mesh("", jax.local_devices()) if is_multiprocess() else make_mesh(options.mesh)
        leave()
        batchers = corpus_batchers(corpus, config, batch_size_for(config.train, corpus), mesh)
        return trained_result(trained, config.train, corpus, batchers)


class SelfFitter:
    """Fits a model that fits itself: LDA, in one process, with neither checkpoints nor starting weights."""

    def __init__(self, config: Config, options: RunOptions, folder: RunFolder, saved: RunRecord | None) -> None:
        self._config, self._folder, self._saved = config, folder, saved
        if is_multiprocess():
            raise UserError(f"--model={config.model.kind} is fitted by one process; leave out --distributed")
        model_kind(config.model.kind).check(config, options.ckpt)
        if options.seed_words:
            raise UserError("--seed_words is for --model=etm, whose topics have embeddings; leave it out")

    def fit(self, corpus: Corpus) -> FitResult:
        config, folder = self._config, self._folder
        if self._saved:
            console.note(f"the run in {folder.path} is fitted again from its start, as LDA keeps no checkpoints")
        folder.start(self_fitted_record(config, corpus), corpus)
        return FitResult(model_kind(config.model.kind).fit(config, corpus))
