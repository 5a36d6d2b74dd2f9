"""A finished run, read from its folder."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.store.cache import load_corpus
from etm_jax.corpus.types import Corpus
from etm_jax.interop.folders import DOCUMENTS, MODEL
from etm_jax.interop.native_files import read_vocabulary
from etm_jax.models.layers import Variables
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.results.export import ARRAYS
from etm_jax.results.group_words import exported_shifts
from etm_jax.training.edited_folder import read_edit
from etm_jax.training.run_folder import RunFolder, exported
from etm_jax.training.run_record import RunRecord
from etm_jax.util.errors import UserError


class Run(NamedTuple):
    """A finished run: its record, corpus and model. epochs: the metrics of each epoch, as in metrics.jsonl.

    edit: what became of the topics since they were fitted, which `model` shows; None where nothing did. variables: of
    the model as it was fitted; None where the folder's checkpoints have them.
    """

    folder: RunFolder
    record: RunRecord
    corpus: Corpus
    model: TopicArrays
    epochs: list[dict[str, Any]]
    edit: TopicEdit | None = None
    variables: Variables | None = None


def read_run(path: Path, texts: bool = False) -> Run:
    """Read the run in the folder `path`.

    texts: whether to load the beginnings of the documents' texts, where they were kept. Raises UserError where there is
    no run, it has not ended, or its corpus was not kept and cannot be prepared again.
    """
    folder = RunFolder(path)
    record = folder.record()
    if record is None:
        raise UserError(f"--workdir={path} holds {_instead_of_a_run(path)}")
    arrays = {name: exported(folder, name) for name in ARRAYS}
    kind, edit = model_kind(record.config.model.kind), read_edit(folder)
    names = [*kind.exports, *(f"unedited_{name}" for name in ("beta", *kind.exports) if edit and kind.fits_itself)]
    own = {name: exported(folder, name) for name in names}
    model = TopicArrays(**arrays, own=own, shifts=exported_shifts(folder, record))
    return Run(folder, record, _corpus(folder, record, texts), model, folder.epochs(), edit)


def _instead_of_a_run(path: Path) -> str:
    """What a folder holds that is no run, and what to do, to end a message."""
    if (path / MODEL).is_file() and (path / DOCUMENTS).is_dir():
        return (
            "a model of Python, which is edited there: model.merge_topics, drop_topics, reduce_topics, edit_topics and "
            "name_topics"
        )
    if (path / MODEL).is_file():
        return (
            "a model that Python saved without its documents; save it where it was fitted by "
            "model.save(folder, documents=True), or call model.report('page.html') or model.evaluate() there"
        )
    inside = sorted(one for one in path.iterdir() if RunFolder(one).has_record) if path.is_dir() else []
    if inside:
        return f"no run; give one of the {len(inside)} in it, such as {inside[0]}"
    return "no run; give the folder of one that has ended, such as runs/demo"


def _corpus(folder: RunFolder, record: RunRecord, texts: bool) -> Corpus:
    """The prepared corpus, from the cache of the run, or prepared again."""
    config = dataclasses.replace(record.config.corpus, rebuild=False)
    cache = Path(config.cache_dir).expanduser() if config.cache_dir else folder.corpus
    try:
        return load_corpus(cache / record.corpus_digest[:16], texts)
    except (ValueError, KeyError, TypeError, OSError):
        # The file of the user's dictionary may be gone; the run has kept what it held.
        words = read_vocabulary(folder)
        config = dataclasses.replace(config, user_dict="", user_words=words.user_words)
        return prepare(find_source(config), config, cache, record.corpus_digest, record.corpus, texts, words)
