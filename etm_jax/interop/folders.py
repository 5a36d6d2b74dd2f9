"""A trained model as a folder that opens on any platform: arrays, settings, words. No pickle."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from etm_jax import __version__
from etm_jax.config.build import Config
from etm_jax.corpus.store.cache import vocabulary_from_json, vocabulary_to_json
from etm_jax.interop.layouts import flatten
from etm_jax.interop.native_files import nested_parts, shapes_of
from etm_jax.models.layers import Variables
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, check_archive, replace_folder

MODEL, WEIGHTS, WORDS = "model.json", "weights.npz", "vocabulary.json"


def save_folder(path: Path, trained: SavedModel, about: dict[str, Any]) -> None:
    """Fill the folder `path`; what is there is replaced, if it is such a folder or empty.

    about: more to keep, plain values. Raises UserError where the folder holds something else or cannot be written.
    """
    assert trained.vocabulary is not None
    if path.exists() and not (path / MODEL).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} holds something else than a saved model; give another folder")
    arrays = {f"params.{key}": np.asarray(x) for key, x in flatten(trained.variables.params).items()}
    arrays |= {f"constants.{key}": np.asarray(x) for key, x in trained.variables.constants.items()}
    model = {
        "etm_jax": __version__,
        "origin": trained.origin,
        "config": trained.config.to_json(),
        "about": about,
    }
    with replace_folder(path) as new:
        np.savez(new / WEIGHTS, allow_pickle=False, **arrays)
        (new / WORDS).write_text(json.dumps(vocabulary_to_json(trained.vocabulary)), encoding="ascii")
        (new / MODEL).write_text(json.dumps(model, indent=2), encoding="ascii")


def read_folder(path: Path) -> tuple[SavedModel, dict[str, Any]]:
    """The inverse of `save_folder`, bit for bit. Raises UserError where the folder is another, or damaged."""
    try:
        model = json.loads((path / MODEL).read_text(encoding="ascii"))
        vocabulary = vocabulary_from_json(json.loads((path / WORDS).read_text(encoding="ascii")))
        check_archive(path / WEIGHTS)
        # Given the path, numpy leaves a damaged file open.
        with (path / WEIGHTS).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            variables = Variables(**nested_parts({name: kept[name] for name in kept.files}))
        trained = SavedModel(Config.from_json(model["config"]), variables, vocabulary, model["origin"])
        if shapes_of(trained) != jax.tree.map(np.shape, variables) or len(vocabulary) != trained.vocab_size:
            raise ValueError("its arrays are not those of the model that its settings name")
        return trained, dict(model["about"])
    except FileNotFoundError as error:
        raise UserError(f"{path} holds no saved model: {Path(error.filename).name} is missing") from error
    except (*DAMAGED, UserError) as error:
        raise UserError(f"{path} is damaged ({error}); save the model again") from error
