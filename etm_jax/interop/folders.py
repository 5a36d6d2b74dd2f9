"""A trained model as a folder that can be read on any platform: arrays, settings and words, without pickle."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.sources import files_trained_on
from etm_jax.corpus.store.cache import vocabulary_from_json, vocabulary_to_json
from etm_jax.interop.layouts import flatten
from etm_jax.interop.native_files import fits_settings, nested_parts
from etm_jax.models.layers import Variables
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.training.run_folder import EVALUATION, PAGE
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.digests import FolderDigests, file_digest
from etm_jax.util.disk import check_name
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, working_folder_in
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.overlap import check_not_read
from etm_jax.util.own_files import replace_own_files
from etm_jax.util.reading import as_object, read_arrays, read_object

FILES = MODEL, WEIGHTS, WORDS = "model.json", "weights.npz", "vocabulary.json"

DOCUMENTS = "documents"
"""The folder of what a model was fitted to, in that of one that was saved with it."""


def save_folder(
    path: Path, trained: SavedModel, about: dict[str, Any], more: Callable[[Path], None] | None = None
) -> None:
    """Write a trained model to a folder, replacing a saved model that is there.

    Parameters
    ----------
    path : Path
        A folder that does not exist, is empty, or holds a saved model.
    trained : SavedModel
        With a vocabulary.
    about : dict
        Further values to keep, which JSON can hold.
    more : callable, optional
        Writes other files into the folder that it is given.

    Raises
    ------
    UserError
        Where the folder holds something else, is the working folder of this process, cannot be written, or holds what
        the model was trained on.
    """
    assert trained.vocabulary is not None
    check_name(path)
    _check_ours(path)
    check_not_read((("path", path / name) for name in FILES), files_trained_on(trained.config))
    if working_folder_in(Path(os.path.realpath(path))) is not None:
        # The new folder takes the place of the old one, and a shell in that one would be nowhere.
        raise UserError(f"{path} is the working folder, or above it, and cannot be replaced; give another, as ./model")
    arrays = {f"params.{key}": np.asarray(x) for key, x in flatten(trained.variables.params).items()}
    arrays |= {f"constants.{key}": np.asarray(x) for key, x in trained.variables.constants.items()}
    model = {
        **stamp(),
        "origin": trained.origin,
        "config": trained.config.to_json(),
        "about": about,
    }
    if trained.metadata.columns:
        model["metadata"] = trained.metadata.to_json()
    if trained.context_digest:
        model["context_digest"] = trained.context_digest
    if trained.edit:
        model["edit"] = trained.edit.to_json()
    with replace_own_files(path, of_before=True, beside=(EVALUATION, PAGE)) as new:
        np.savez(new / WEIGHTS, allow_pickle=False, **arrays)
        (new / WORDS).write_text(json.dumps(vocabulary_to_json(trained.vocabulary)), encoding="ascii")
        (new / MODEL).write_text(json.dumps(model, indent=2), encoding="ascii")
        if more:
            more(new)


def _check_ours(path: Path) -> None:
    """Raise UserError where a path has something else than an empty folder or one that `save_folder` wrote.

    Other programs have files called model.json too: what is in it decides, or the digests of one that was damaged.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        ours = _is_model(read_object(path / MODEL))
    except DAMAGED:
        ours = False
    if not ours:
        listed = FolderDigests(path).known_or_none()
        model = path / MODEL
        ours = set(FILES) == _own_names(listed) and model.is_file() and file_digest(model) not in listed[MODEL]
    if not ours:
        raise UserError(f"{path} holds something other than a saved model; give another folder")


def _own_names(listed: Iterable[str]) -> set[str]:
    """Of the files that are listed, those of the model itself."""
    return {name for name in listed if not name.startswith(f"{DOCUMENTS}/")} - {EVALUATION, PAGE}


class _NoModelError(UserError):
    """There is something, and it is no saved model."""


def _none(path: Path, why: str) -> _NoModelError:
    return _NoModelError(f"{path} {'is' if path.is_file() else 'holds'} no saved model: {why}")


def _is_model(values: Mapping[str, Any]) -> bool:
    """Whether the values of a model.json are those of `save_folder`, of any version."""
    return values.keys() >= {*stamp(), "config"} or values.keys() >= {"origin", "config", "about"}


def read_folder(path: Path) -> tuple[SavedModel, dict[str, Any]]:
    """Read what `save_folder` wrote, bit for bit.

    Parameters
    ----------
    path : Path

    Returns
    -------
    trained : SavedModel
    about : dict

    Raises
    ------
    UserError
        Where the folder holds no saved model or one of an unknown kind, or is damaged.
    """
    model: dict[str, Any] = {}
    try:
        if path.is_file():
            raise _none(path, "it is a file; give the folder that ETM.save wrote")
        model = read_object(path / MODEL)
        if not _is_model(model) and _own_names(FolderDigests(path).known_or_none()) != set(FILES):
            raise _none(path, f"its {MODEL} is another program's")
        stored_format(model)  # Before the digests, which a later version may keep otherwise.
        FolderDigests(path).check(*FILES)
        vocabulary = vocabulary_from_json(read_object(path / WORDS))
        variables = Variables(**nested_parts(read_arrays(path / WEIGHTS)))
        config, origin, about = Config.from_json(model["config"]), str(model["origin"]), as_object(model["about"])
        edit = TopicEdit.from_json(model["edit"]) if "edit" in model else None
        metadata, digest = Metadata.from_json(model.get("metadata", [])), str(model.get("context_digest", ""))
    except FileNotFoundError as error:
        raise _none(path, f"{Path(error.filename).name} is missing") from error
    except _NoModelError:
        raise
    except ForeignError as error:
        raise foreign(path, model, error) from error
    except (*DAMAGED, UserError) as error:
        raise UserError(
            f"{path} is damaged ({error}); it was written by {writer(model)}; save the model again"
        ) from error
    trained = SavedModel(config, variables, vocabulary, origin, metadata, edit, digest)
    fits = fits_settings(trained) and (edit is None or edit.num_topics == config.model.num_topics)
    if not fits or len(vocabulary) != trained.vocab_size:
        raise UserError(
            f"{path} is damaged (its arrays do not match the model that its settings name); save the model again"
        )
    return trained, about
