"""A model that Python saved with its documents, read as the run that it is: for `etm_jax.report` and `evaluate`."""

from pathlib import Path
from typing import Any

from etm_jax.corpus.store.cache import load_corpus, save_corpus
from etm_jax.corpus.types import Corpus
from etm_jax.inference.predictor import Predictor
from etm_jax.interop.folders import DOCUMENTS, MODEL, read_folder
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.results.group_words import shifts_of
from etm_jax.results.run import Run, read_run
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import RunRecord
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED


def write_documents(path: Path, record: RunRecord, corpus: Corpus, epochs: list[dict[str, Any]]) -> None:
    """Write the documents of a model into the folder that it is saved to. epochs: the metrics of each epoch."""
    folder = RunFolder(path / DOCUMENTS)
    folder.start(record, corpus)
    save_corpus(corpus, folder.corpus)
    for row in epochs:
        folder.log(row)


def read_measurable(path: Path, texts: bool = False) -> Run:
    """Read a run, or a model that was saved with its documents. texts: as of `read_run`, which it also raises as."""
    kept = RunFolder(path / DOCUMENTS)
    if not (path / MODEL).is_file() or not kept.has_record:
        return read_run(path, texts)
    trained, record = read_folder(path)[0], kept.record()
    assert record is not None
    try:
        corpus = load_corpus(kept.corpus, texts)
    except DAMAGED as error:
        raise UserError(f"{kept.corpus} is damaged ({error}); save the model with its documents again") from error
    applied, values = Predictor(trained, corpus.vocabulary), trained.variables.params | trained.variables.constants
    own = applied.spec.module().exported(values)
    parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
    model = TopicArrays(
        beta=applied.beta,
        **{f"theta_{name}": applied.theta(part.counts, part.meta) for name, part in parts.items()},
        theta_test_h1=applied.theta(corpus.test_h1, corpus.test.meta),
        own=trained.edit.embeddings(own) if trained.edit else own,
        shifts=shifts_of(trained.variables, trained.spec()),
    )
    return Run(RunFolder(path), record, corpus, model, kept.epochs(), trained.edit, trained.variables)
