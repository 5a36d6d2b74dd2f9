"""One run from settings to printed topics: what `python -m etm_jax.train` does once its flags are read."""

import dataclasses
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

from etm_jax.cli.compiled import programs_kept
from etm_jax.cli.fitting import Fitter, fitter_for
from etm_jax.config.build import Config
from etm_jax.config.declaration import files_read
from etm_jax.config.settings import ModelConfig, RunOptions
from etm_jax.corpus.duplicates import tell_duplicates
from etm_jax.corpus.filter_report import format_phrases, format_report, report_warnings
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import as_prepared, files_of, find_source
from etm_jax.corpus.types import Corpus, Source
from etm_jax.interop.native_files import read_vocabulary
from etm_jax.interop.read import model_files
from etm_jax.results.collapse import collapse_warning
from etm_jax.results.export import write_export
from etm_jax.results.fit_result import FitResult
from etm_jax.results.seed_comparison import seed_table
from etm_jax.results.summary import Summary, summarize, topic_table
from etm_jax.results.too_many import too_many_topics
from etm_jax.training.distributed import await_main_process, distributed, is_main_process
from etm_jax.training.make_trainer import make_trainer
from etm_jax.training.run_folder import RunFolder, check_resumable
from etm_jax.training.run_record import RunRecord
from etm_jax.util import console
from etm_jax.util.errors import UserError
from etm_jax.util.lock import locked
from etm_jax.util.overlap import check_not_read
from etm_jax.vectors.documents import corpus_contexts


def run(config: Config, options: RunOptions) -> None:
    """Fit a model in the run's folder, or resume it there; export; print the topics.

    A user's mistake raises UserError before anything that exists is touched. Where several processes train as one, the
    others follow the main process, and leave the results to it.
    """
    config, folder = find_folder(config, options)
    with distributed(options):
        if not is_main_process():
            _train_along(config, options, folder)
            return
        with locked(folder.path), programs_kept(options.compilation_cache):
            # What the folder holds already, and what can be refused before the corpus is read.
            config, saved = continued(config, options, folder)
            source = find_source(config.corpus)
            check_apart(folder, source, config, options)
            fitter = fitter_for(config, options, folder, saved, source)

            corpus = with_contexts(read_corpus(source, config, folder, saved), source, config)
            result, summary = fit(fitter, corpus, folder)
            _show(result, summary, corpus, folder)


def continued(config: Config, options: RunOptions, folder: RunFolder) -> tuple[Config, RunRecord | None]:
    """The settings, with what was decided when the run that the folder holds was begun, and that run's record.

    Raises UserError where these settings cannot go on with that run.
    """
    saved = folder.record()
    if saved:
        config = config.continuing(saved.config)
        check_resumable(saved, config, options, folder.path)
        folder.tell_of_damaged_results()
    return config, saved


def fit(fitter: Fitter, corpus: Corpus, folder: RunFolder) -> tuple[FitResult, Summary]:
    """Fit, and write the run's results."""
    result = fitter.fit(corpus)
    summary = summarize(result.topics, corpus, result.log_px)
    write_export(folder.export, result.topics, corpus, summary, result.seeds, record=folder.record())
    folder.finish()
    return result, summary


def prepare_corpus(config: Config, options: RunOptions) -> None:
    """Prepare the corpus of a future run, where that run will look for it. Raises UserError as `run` does."""
    config, folder = find_folder(config, options)
    with locked(folder.path):
        source = find_source(config.corpus)
        check_apart(folder, source, config, options)
        read_corpus(source, config, folder, None)
    where = Path(config.corpus.cache_dir).expanduser() if config.corpus.cache_dir else folder.corpus
    console.note(f"{where} holds the prepared corpus; training with the same flags finds it there")


def check_apart(folder: RunFolder, source: Source, config: Config, options: RunOptions) -> None:
    """Raise UserError where the run would write over its corpus, or over another file that it reads."""
    weights = model_files(options.ckpt) if options.ckpt else []
    inputs = [
        *(("--corpus", path) for path in files_of(source)),
        *(("--ckpt", path) for path in weights),
        *files_read(config.corpus, config.vectors, config.model, options),
    ]
    check_not_read((("--workdir", path) for path in folder.parts), inputs)


def _train_along(config: Config, options: RunOptions, folder: RunFolder) -> None:
    """Train along with the main process, from the record and the checkpoint that it has written. Nothing is shown."""
    with console.silenced():
        await_main_process()
        saved = folder.record()
        config = config.continuing(saved.config) if saved else config
        source = find_source(config.corpus)
        corpus = with_contexts(read_corpus(source, config, folder, saved), source, config)
        make_trainer(config, corpus, folder, options, resumed=saved, stop_on_signals=True).train()


def find_folder(config: Config, options: RunOptions) -> tuple[Config, RunFolder]:
    """The settings with the corpus that --taskname stands for, and the folder of the run, which can be written to."""
    config, path = find_path(config, options)
    folder = RunFolder(path)
    folder.check_usable()
    return config, folder


def find_path(config: Config, options: RunOptions) -> tuple[Config, Path]:
    """The settings with the corpus that --taskname stands for, and where their results go."""
    config, name = _find_corpus(config, options)
    config = dataclasses.replace(config, corpus=as_prepared(config.corpus))
    default = Path("runs") / (name if config.model.kind == ModelConfig.kind else f"{name}_{config.model.kind}")
    return config, Path(options.workdir).expanduser() if options.workdir else default


def _find_corpus(config: Config, options: RunOptions) -> tuple[Config, str]:
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


def read_corpus(source: Source, config: Config, folder: RunFolder, saved: RunRecord | None) -> Corpus:
    """The prepared corpus, described on the screen. Raises UserError where it is not that of the `saved` run."""
    cache = folder.corpus
    if config.corpus.cache_dir:
        cache = Path(config.corpus.cache_dir).expanduser()
    expected: dict[str, Any] = {}
    if saved:
        expected = {"expected_digest": saved.corpus_digest, "expected_name": saved.corpus}
        with suppress(UserError):  # Where it is damaged, it is written again.
            expected["expected_vocabulary"] = read_vocabulary(folder)
    corpus = prepare(source, config.corpus, cache, **expected)
    parts = f"{corpus.num_train:,} to train, {len(corpus.valid):,} to validate, {len(corpus.test):,} to test"
    console.note(f"corpus {corpus.name}: {len(corpus.vocabulary):,} words; documents: {parts}")
    if corpus.num_train > len(corpus.train):
        console.note(
            f"training reads all documents from {corpus.name}; word vectors, the start of the topics and the results "
            f"are of a sample of {len(corpus.train):,} (etm_jax.infer gives all of them their topics)"
        )
    if corpus.left is not None and (blank := sum(not first for first in corpus.left.first_words)):
        read = sum(len(part) for part in (corpus.train, corpus.valid, corpus.test, corpus.left))
        console.note(
            f"{blank:,} of {read:,} documents have no text; doc_topics.csv gives them the prior's topics, and "
            "the split blank"
        )
    if corpus.metadata.columns:
        console.note(f"metadata: {corpus.metadata.describe()}")
    if phrases := format_phrases(corpus.vocabulary):
        console.note(phrases)
    if corpus.report:
        console.note(*format_report(corpus.report).split("\n"))
        for warning in report_warnings(corpus.report):
            console.warn(warning)
    tell_duplicates(corpus)
    return corpus


def with_contexts(corpus: Corpus, source: Source, config: Config) -> Corpus:
    """The corpus with the vectors that --context asks for. Raises UserError where it cannot have them."""
    return dataclasses.replace(corpus, contexts=corpus_contexts(corpus, source, config))


def _show(result: FitResult, summary: Summary, corpus: Corpus, folder: RunFolder) -> None:
    """Print the topics; warn where they have collapsed; say where everything is."""
    console.show(topic_table(summary, corpus.vocabulary.words))
    if result.seeds:
        console.show(f"\n{seed_table(result.seeds)}")
    record = folder.record()
    assert record, "a run that has ended has one"
    collapsed = collapse_warning(result.topics, record.settled(), record.num_docs)
    if message := collapsed or too_many_topics(result.topics, record.num_docs):
        console.warn(message)
    epoch = f", of {result.epoch}" if result.epoch else ""
    first = ("topics.csv", "doc_topics.csv")
    others = sorted(path.name for path in folder.export.glob("*.csv") if path.name not in first)
    tables = ", ".join([*first, *others])
    console.note("")
    console.note(f"{folder.export} holds these results{epoch}: {tables}, and arrays as README.md lists them")
    console.note(f"python -m etm_jax.report --workdir={shlex.quote(str(folder.path))} shows them as a page")
