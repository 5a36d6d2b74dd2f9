"""One whole run: corpus, word vectors, training, results. What the command line and the Python API share."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from etm_jax.config.settings import Config, RunOptions
from etm_jax.corpus.filter_report import format_report, report_warnings
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import as_prepared, find_source
from etm_jax.corpus.types import Corpus, Source
from etm_jax.inference.theta import infer_posterior, infer_theta, log_px_at
from etm_jax.interop.start_weights import read_start_weights
from etm_jax.models.base import Variables
from etm_jax.models.lda import check_lda, fit_lda
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.ops.mesh import make_mesh
from etm_jax.results.collapse import collapse_warning
from etm_jax.results.export import write_export
from etm_jax.results.seed_comparison import SeedComparison, compare_seeds, seed_table
from etm_jax.results.summary import completion, summarize, topic_table
from etm_jax.training.batches import Batcher
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.distributed import await_main_process, distributed, is_main_process, is_multiprocess, leave
from etm_jax.training.ensemble import seeds
from etm_jax.training.placement import placed
from etm_jax.training.run_folder import RunFolder, RunRecord, check_continues
from etm_jax.training.start import lda_record
from etm_jax.training.steps import Spec, beta_step
from etm_jax.training.tensorboard import check_tensorboard, tensorboard_writer
from etm_jax.training.train import Training, begin, train
from etm_jax.training.trainer import FitResult
from etm_jax.util import console
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable
from etm_jax.util.lock import locked
from etm_jax.vectors import check_vectors


def run(config: Config, options: RunOptions) -> None:
    """Fit a model in the run's folder, or go on there; export; print the topics.

    A user's mistake raises UserError before anything that exists is touched. Where several processes train as one, the
    others follow the first, and leave the results to it.
    """
    config, folder = _begun(config, options)
    with distributed(options):
        if is_main_process():
            with locked(folder.path):
                _run(config, options, folder)
        else:
            with console.silenced():
                _follow(config, options, folder)


def _follow(config: Config, options: RunOptions, folder: RunFolder) -> None:
    """Train along with the first process, which has begun the run."""
    await_main_process()
    saved = folder.record()
    train(
        config,
        _prepared(find_source(config.corpus), config, folder, saved),
        folder,
        options,
        saved,
        stop_on_signals=True,
    )


def _run(config: Config, options: RunOptions, folder: RunFolder) -> None:
    if options.compilation_cache:
        _keep_compiled(Path(options.compilation_cache).expanduser())
    saved = folder.record()
    if saved:
        check_continues(saved, config, options, folder.path)
    is_lda = config.model.kind == "lda"
    if is_lda and is_multiprocess():
        raise UserError("--model=lda is fitted by one process; leave out --distributed")
    if not is_lda:
        make_mesh(options.mesh)
        if options.tensorboard:
            check_tensorboard()
    goes_on = saved is not None and bool(Checkpoints(folder.checkpoints).epochs())
    source = find_source(config.corpus)
    other = None
    if is_lda:
        check_lda(config.lda, options.ckpt)
        if options.seed_words:
            raise UserError("--seed_words is for --model=etm, whose topics have embeddings; leave it out")
    elif options.ckpt and config.train.num_seeds > 1:
        raise UserError(
            f"--ckpt={options.ckpt} gives all of --num_seeds={config.train.num_seeds} the same weights to start from; "
            "leave out one of the two"
        )
    elif options.ckpt and not goes_on:
        other = read_start_weights(options.ckpt, config.model)
    elif not goes_on:
        check_vectors(config.vectors, None if source.documents else source.name)
    corpus = _prepared(source, config, folder, saved)
    if is_lda:
        if saved:
            console.note(f"the run in {folder.path} is fitted again from its start, as LDA keeps no checkpoints")
        begin(folder, lda_record(config, corpus), corpus.vocabulary)
        model, log_px, of_epoch, spread = fit_lda(config, corpus), None, "", None
    else:
        write = tensorboard_writer(folder.path / "tensorboard") if options.tensorboard else None
        training = train(
            config, corpus, folder, options, saved if goes_on else None, other, write, stop_on_signals=True
        )
        leave()
        model, log_px, of_epoch, spread = _results(training, corpus)
    summary = summarize(model, corpus, log_px)
    write_export(folder.export, model, corpus, summary, spread)
    print(topic_table(summary, corpus.vocabulary.words))
    if spread:
        print(f"\n{seed_table(spread)}")
    if told := collapse_warning(model, config):
        console.warn(told)
    tables = "topics.csv, doc_topics.csv" + (", seeds.csv" if spread else "")
    console.note("")
    console.note(f"{folder.export} holds these results{of_epoch}: {tables}, and arrays as README.md lists them")


def prepare_corpus(config: Config, options: RunOptions) -> None:
    """Prepare the corpus of a run to be, where that run will look for it. Raises UserError as `run` does."""
    config, folder = _begun(config, options)
    with locked(folder.path):
        _prepared(find_source(config.corpus), config, folder, None)
    where = Path(config.corpus.cache_dir).expanduser() if config.corpus.cache_dir else folder.corpus
    console.note(f"{where} holds the prepared corpus; training with the same flags finds it there")


def _begun(config: Config, options: RunOptions) -> tuple[Config, RunFolder]:
    """The settings with the corpus that --taskname stands for, and the folder of the run, which can be written to."""
    config, name = _with_corpus(config, options)
    config = dataclasses.replace(config, corpus=as_prepared(config.corpus))
    default = Path("runs") / (name if config.model.kind == "etm" else f"{name}_{config.model.kind}")
    folder = RunFolder(Path(options.workdir).expanduser() if options.workdir else default)
    folder.check_usable()
    return config, folder


def _keep_compiled(cache: Path) -> None:
    check_writable(cache, "compilation_cache")
    jax.config.update("jax_compilation_cache_dir", str(cache))
    # JAX's own limit, a second, leaves out most of our programs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _with_corpus(config: Config, options: RunOptions) -> tuple[Config, str]:
    """The settings with the corpus that --taskname stands for, and the name of the run."""
    if config.corpus.corpus:
        path = Path(config.corpus.corpus).absolute()
        return config, options.taskname or path.name.lstrip(".").partition(".")[0] or "corpus"
    if not options.taskname:
        raise UserError("no corpus; give --corpus=FILE with one document a line, or --taskname (see --help)")
    candidates = [Path("data") / f"{options.taskname}{end}" for end in ("_lines.txt", ".txt")]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None and not config.corpus.corpus_fallback:
        raise UserError(
            f"--taskname={options.taskname} reads {' or '.join(map(str, candidates))}, and neither is there; "
            "put the text there, a document a line, or give --corpus=FILE"
        )
    corpus = dataclasses.replace(config.corpus, corpus=str(found or candidates[-1]))
    return dataclasses.replace(config, corpus=corpus), options.taskname


def _prepared(source: Source, config: Config, folder: RunFolder, saved: RunRecord | None) -> Corpus:
    """The corpus, told about on the screen. Raises UserError where it is not the one that the run was begun with."""
    cache = folder.corpus
    if config.corpus.cache_dir:
        cache = Path(config.corpus.cache_dir).expanduser()
        check_writable(cache, "cache_dir")
    expected = (saved.corpus_digest, saved.corpus) if saved else ()
    corpus = prepare(source, config.corpus, cache, *expected)
    parts = f"{corpus.num_train:,} to train, {len(corpus.valid):,} to validate, {len(corpus.test):,} to test"
    console.note(f"corpus {corpus.name}: {len(corpus.vocabulary):,} words; documents: {parts}")
    if corpus.num_train > len(corpus.train):
        console.note(
            f"training reads all documents from {corpus.name}; word vectors, the start of the topics and the results "
            f"are of a sample of {len(corpus.train):,} (etm_jax.infer gives all of them their topics)"
        )
    if corpus.report:
        console.note(format_report(corpus.report))
        for warning in report_warnings(corpus.report):
            console.warn(warning)
    return corpus


def _results(training: Training, corpus: Corpus) -> tuple[TopicArrays, np.ndarray | None, str, SeedComparison | None]:
    """The model at the end of training; log p of the second halves' words, where it is not log θβ; of which epoch.

    Of several seeds, the best by validation, and how they compare.
    """
    record, fitted, batchers = training
    config, spec, grid = record.config, record.spec(), batchers["train"].grid
    variables = placed(fitted.variables, spec, grid)
    theta = {part: infer_theta(variables, batcher, spec.on(grid)) for part, batcher in batchers.items()}
    params, constants = fitted.variables
    model = TopicArrays(
        beta=np.asarray(beta_step(fitted.variables, spec)),
        activity=infer_posterior(variables, batchers["train"], spec.on(grid)).activity,
        **{f"theta_{part}": values for part, values in theta.items()},
        **{name: np.asarray(value) for name, value in (params | constants).items() if name in TopicArrays._fields},
    )
    log_px = _log_px(fitted.variables, model.theta_test_h1, corpus, record.batch_size, spec)
    epoch = f"epoch {fitted.epoch} of {fitted.last_epoch}"
    if config.train.num_seeds == 1:
        return model, log_px, f", of {epoch}", None
    best = seeds(config.train)[fitted.best]
    return model, log_px, f", of seed {best}, {epoch}", _spread(fitted, record, corpus, batchers["test_h1"])


def _log_px(variables: Variables, theta: np.ndarray, corpus: Corpus, batch_size: int, spec: Spec) -> np.ndarray | None:
    """Logarithm of p of the second halves' words where it is not that of θβ. theta: [T, K], of the first halves."""
    return log_px_at(variables, theta, corpus.test_h2, batch_size, spec) if spec.model.kind == "gsm" else None


def _spread(fitted: FitResult, record: RunRecord, corpus: Corpus, test_h1: Batcher) -> SeedComparison:
    spec, betas, perplexities = record.spec(), [], []
    for variables in console.track(fitted.members, "quality of the seeds", unit="seeds"):
        beta = np.asarray(beta_step(variables, spec))
        theta = infer_theta(placed(variables, spec, test_h1.grid), test_h1, spec.on(test_h1.grid))
        log_px = _log_px(variables, theta, corpus, record.batch_size, spec)
        betas.append(beta)
        perplexities.append(completion(beta, theta, corpus.test_h2, log_px))
    return compare_seeds(
        seeds(record.config.train), fitted.epoch, fitted.nelbos, betas, perplexities, corpus.train.counts
    )
