"""The model of a run of `python -m etm_jax.train`, and the parameters of `ETM` that stand for the run's settings."""

from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from etm_jax.config.build import Config, make_config
from etm_jax.interop.native_files import read_run_weights
from etm_jax.metrics.topics import WORDS_SHOWN, npmi_coherence, top_words, topic_shares
from etm_jax.models.registry import model_kind
from etm_jax.training.run_folder import RunFolder, exported, exported_counts
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.errors import UserError

OF_THE_FILES = frozenset(
    (
        "corpus", "corpus_fallback", "form", "follow_links", "text_field", "id_field", "title_field", "delimiter",
        "meta_fields", "meta", "encoding", "unit", "workers", "test_share", "cache_dir", "rebuild",
    )
)  # fmt: skip
"""Settings of a run that say how its files are read or split, which documents from Python have no use for."""


class RunModel(NamedTuple):
    """The model of a run. parameters: of `ETM`; share, npmi: [K], of the training documents; history: by epoch."""

    trained: SavedModel
    parameters: dict[str, Any]
    share: np.ndarray
    npmi: np.ndarray
    history: list[dict[str, Any]]


def read_run_model(path: Path, own: Container[str]) -> RunModel:
    """Read the model of the run in a folder, with its edited topics where they were edited.

    own: the names of the parameters that `ETM` has. Raises UserError where the run has not ended, is damaged, or is of
    a model that `ETM` is not.
    """
    folder = RunFolder(path)
    record = folder.record()
    if record is not None and (kind := record.config.model.kind) and model_kind(kind).fits_itself:
        raise UserError(
            f"{path} is a run of another model, {kind}; python -m etm_jax.infer gives new documents its topics"
        )
    trained = read_run_weights(str(path))
    assert record is not None
    assert trained.vocabulary is not None
    words = trained.vocabulary.words
    parameters = parameters_of(record.config, own)
    if record.seed_words:
        parameters["seed_words"] = [[words[j] for j in columns] for columns in record.seed_words]
    counts = exported_counts(folder)
    share = topic_shares(exported(folder, "theta_train"), counts)
    npmi = npmi_coherence(top_words(exported(folder, "beta"), WORDS_SHOWN), counts)
    return RunModel(trained, parameters, share, npmi, folder.epochs())


def parameters_of(config: Config, own: Container[str]) -> dict[str, Any]:
    """The parameters of `ETM` for a run's settings: its own by name, and `settings` for all that are not as usual."""
    usual = make_config(config.variant, {"kind": config.model.kind})
    usual_values = {s.name: value for _, s, value in usual.settings()}
    values = {s.name: value for section, s, value in config.settings() if section != "lda"}
    others = {
        name: value
        for name, value in values.items()
        if name not in own and name not in OF_THE_FILES and value != usual_values.get(name)
    }
    mine = {name: value for name, value in values.items() if name in own}
    return {"variant": config.variant, "settings": others or None, **mine}
