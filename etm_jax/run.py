"""One whole run: corpus, word vectors, training, results. What the command line and the Python API share."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import scipy.sparse as sp

from etm_jax import console
from etm_jax.batches import Batcher, static_sizes
from etm_jax.checkpoint import Checkpoints
from etm_jax.config import Config, ModelConfig, RunOptions, spelled
from etm_jax.corpus.cache import vocabulary_to_json
from etm_jax.corpus.filter_report import format_report, report_warnings
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus, Source
from etm_jax.errors import UserError
from etm_jax.export import write_export
from etm_jax.files import check_writable, replace_text
from etm_jax.inference import infer_theta
from etm_jax.initial import initial_variables
from etm_jax.loop import fit, num_epochs_for
from etm_jax.model import Variables
from etm_jax.results import Model, summarize, topic_table
from etm_jax.run_folder import Record, RunFolder, check_continues
from etm_jax.steps import Spec, abstract_state, beta_step
from etm_jax.tensorboard import check_tensorboard, tensorboard_writer
from etm_jax.vectors import check_vectors, word_vectors
from etm_jax.warm_start import warm_start


def run(config: Config, options: RunOptions) -> None:
    """Train in the run's folder, or go on there; export; print the topics.

    A user's mistake raises UserError before anything that exists is touched.
    """
    config, name = _with_corpus(config, options)
    folder = RunFolder(Path(options.workdir).expanduser() if options.workdir else Path("runs") / name)
    folder.check_usable()
    saved = folder.record()
    if saved:
        check_continues(saved, config, options, folder.path)
    if options.tensorboard:
        check_tensorboard()
    goes_on = saved is not None and bool(Checkpoints(folder.checkpoints).epochs())
    source = find_source(config.corpus)
    other = None
    if options.ckpt and not goes_on:
        other = _other_run(options.ckpt, config.model)
    elif not goes_on:
        check_vectors(config.vectors, source.name if source.counted else None)
    corpus = _prepared(source, config, folder, saved)
    record, variables = _start(config, options, corpus, saved if goes_on else None, other)
    folder.begin(record)
    replace_text(folder.vocabulary, json.dumps(vocabulary_to_json(corpus.vocabulary), ensure_ascii=False) + "\n")

    spec = record.spec()
    batchers = _batchers(corpus, config, record.batch_size)
    write = tensorboard_writer(folder.path / "tensorboard") if options.tensorboard else None
    fitted = fit(spec, config.train, record.num_epochs, batchers["train"], batchers["valid"], variables, folder, write)

    theta = {part: infer_theta(fitted.variables, batcher, spec) for part, batcher in batchers.items()}
    model = Model(
        beta=np.asarray(beta_step(fitted.variables, spec)),
        rho=np.asarray(fitted.variables.params["rho"]),
        alpha=np.asarray(fitted.variables.params["alpha"]),
        background=np.asarray(fitted.variables.constants["background"]),
        **{f"theta_{part}": values for part, values in theta.items()},
    )
    summary = summarize(model, corpus)
    write_export(folder.export, model, corpus, summary)
    print(topic_table(summary, corpus.vocabulary.words))
    console.note(f"\nepoch {fitted.epoch} of {fitted.last_epoch} is in {folder.export}")


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


def _prepared(source: Source, config: Config, folder: RunFolder, saved: Record | None) -> Corpus:
    """The corpus, told about on the screen. Raises UserError where it is not the one that the run was begun with."""
    cache = folder.corpus
    if config.corpus.cache_dir:
        cache = Path(config.corpus.cache_dir).expanduser()
        check_writable(cache, "cache_dir")
    expected = (saved.corpus_digest, saved.corpus) if saved else ()
    corpus = prepare(source, config.corpus, cache, *expected)
    parts = f"{len(corpus.train):,} to train, {len(corpus.valid):,} to validate, {len(corpus.test):,} to test"
    console.note(f"corpus {corpus.name}: {len(corpus.vocabulary):,} words; documents: {parts}")
    if corpus.report:
        console.note(format_report(corpus.report))
        for warning in report_warnings(corpus.report):
            console.warn(warning)
    return corpus


def _start(
    config: Config, options: RunOptions, corpus: Corpus, saved: Record | None, other: "_OtherRun | None"
) -> tuple[Record, Variables | None]:
    """What the run is, and the variables that it begins with; None where it goes on from a checkpoint of its own.

    saved: what the run was, where it goes on. other: the run whose weights it begins with.
    """
    num_docs, num_topics, seed = len(corpus.train), config.model.num_topics, config.train.seed
    if num_topics > num_docs:
        console.warn(f"--n_topic={num_topics} is more than the {num_docs} documents to train on; some will stay empty")
    batch_size = min(config.train.batch_size, num_docs)
    if batch_size < config.train.batch_size:
        console.note(f"--batch_size={config.train.batch_size} is reduced to the {num_docs} documents there are")

    def record(embed_dim: int) -> Record:
        return Record(
            config=config,
            ckpt=options.ckpt,
            corpus=corpus.name,
            corpus_digest=corpus.digest,
            vocabulary_hash=corpus.vocabulary.hash,
            vocab_size=len(corpus.vocabulary),
            num_docs=num_docs,
            embed_dim=embed_dim,
            batch_size=batch_size,
            num_epochs=num_epochs_for(config.train, num_docs, batch_size),
        )

    if saved:
        return record(saved.embed_dim), None
    if other:
        if other.record.vocabulary_hash != corpus.vocabulary.hash:
            raise UserError(
                f"--ckpt={options.ckpt} has a vocabulary of {other.record.vocab_size} words that is not this corpus's "
                f"of {len(corpus.vocabulary)}; give its corpus ({other.record.corpus}) and the same filters"
            )
        console.note(f"word vectors and topics: those of {options.ckpt} after epoch {other.epoch}")
        return record(other.record.embed_dim), other.variables
    vectors = word_vectors(corpus, config.vectors, seed)
    console.note(vectors.describe())
    ours = record(vectors.matrix.shape[1])
    warm = warm_start(vectors.matrix, corpus.train.counts, num_topics, seed) if config.model.warm_start else None
    key = jax.random.key(seed)
    return ours, initial_variables(key, ours.spec().module(), corpus.vocabulary, vectors.matrix, warm)


class _OtherRun(NamedTuple):
    """A run to begin from: its record, and its best epoch's number and variables."""

    record: Record
    epoch: int
    variables: Variables


def _other_run(ckpt: str, model: ModelConfig) -> _OtherRun:
    """The run that --ckpt names. Raises UserError where there is none, and where its weights do not fit `model`."""
    folder = RunFolder(Path(ckpt).expanduser())
    record, checkpoints = folder.record(), Checkpoints(folder.checkpoints)
    if record is None or not checkpoints.epochs():
        raise UserError(f"--ckpt={ckpt} holds no run with a checkpoint; give the --workdir of a run")
    spec = record.spec()
    for f in dataclasses.fields(model):
        theirs, ours = getattr(spec.model, f.name), getattr(model, f.name)
        changed = spec._replace(model=dataclasses.replace(spec.model, **{f.name: ours}))
        if theirs != ours and _shapes(changed) != _shapes(spec):
            raise UserError(
                f"--ckpt={ckpt} was trained with {spelled(f, theirs)}, and its weights do not fit {spelled(f, ours)}; "
                "make it the same, or leave out --ckpt"
            )
    state, progress = checkpoints.restore(abstract_state(spec), "best")
    return _OtherRun(record, progress.epoch, state.variables)


def _shapes(spec: Spec) -> Variables:
    return jax.tree.map(lambda leaf: leaf.shape, abstract_state(spec).variables)


def _batchers(corpus: Corpus, config: Config, batch_size: int) -> dict[str, Batcher]:
    """One for each part of the corpus, all of the same static sizes, so that a program is compiled once for all."""
    parts: dict[str, sp.csr_matrix] = {
        "train": corpus.train.counts,
        "valid": corpus.valid.counts,
        "test": corpus.test.counts,
        "test_h1": corpus.test_h1,
    }
    sizes = static_sizes(np.concatenate([np.diff(counts.indptr) for counts in parts.values()]), batch_size)
    kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
    return {
        name: Batcher(counts, encoder_input(counts, kind, corpus.vocabulary), batch_size, sizes)
        for name, counts in parts.items()
    }
