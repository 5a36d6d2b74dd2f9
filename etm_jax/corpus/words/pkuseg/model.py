"""The files of a pkuseg model, read without pkuseg."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.plain_pickle import load_plain_pickle
from etm_jax.util.reading import read_arrays

DOMAINS = ("medicine", "news", "tourism", "web")
"""Models that pkuseg downloads into a folder of its own."""


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies. features: .pkl or .msgpack; dictionaries: of words that pieces are merged to."""

    features: Path
    weights: Path
    dictionaries: tuple[Path, ...]

    @property
    def all(self) -> tuple[Path, ...]:
        """The files that decide the words, in a fixed order."""
        return (self.features, self.weights, *self.dictionaries)


@dataclass(frozen=True)
class PkusegModel:
    """A conditional random field over characters, with F features and T tags, and the dictionary used after it.

    feature_index: the row of each feature. words: those that features may speak of. weights: [F, T] float64. edges:
    [T, T] float64, of a tag (row) and the one that follows it. starts_word: [T] bool.
    """

    feature_index: Mapping[str, int]
    words: frozenset[str]
    weights: np.ndarray
    edges: np.ndarray
    starts_word: np.ndarray
    dictionary: frozenset[str]


def find_model(folder: str) -> ModelFiles:
    """The files of the model in a folder, of one of `DOMAINS`, or where empty of the model that pkuseg ships.

    Raises UserError where they are not there.
    """
    if not folder:
        inside = _package("pkuseg")
        if inside is None or not (inside / "models" / "default" / "features.pkl").is_file():
            raise UserError(NO_MODEL)
        place = inside / "models" / "default"
    else:
        place = Path(folder).expanduser()
        if folder in DOMAINS and not place.exists():
            place = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser() / folder
    features = next((place / name for name in _FEATURES if (place / name).is_file()), None)
    if features is None or not (place / "weights.npz").is_file():
        raise UserError(
            f"--segmenter_model={folder} holds no pkuseg model: {place} lacks {' and '.join(_FEATURES)}, or weights.npz; "
            "give the folder of one"
        )
    own = place / f"{place.name}_dict.pkl"  # The domains medicine and tourism bring one.
    common = _common_dictionary()
    return ModelFiles(features, place / "weights.npz", (own, common) if own.is_file() else (common,))


_FEATURES = ("features.msgpack", "features.pkl")

NO_MODEL = ""


def _package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def _common_dictionary() -> Path:
    """The dictionary that pkuseg, and spacy-pkuseg alike, ship."""
    for name in ("pkuseg", "spacy_pkuseg"):
        inside = _package(name)
        if inside and (inside / "dicts" / "default.pkl").is_file():
            return inside / "dicts" / "default.pkl"
    raise UserError(NO_MODEL)


def read_model(files: ModelFiles) -> PkusegModel:
    """Read a model. Raises UserError where a file is damaged, or is not what pkuseg writes."""
    features = _read_features(files.features)
    try:
        index, tags = features["feature_to_idx"], features["tag_to_idx"]
        words = frozenset(features["unigram"])
        arrays = read_arrays(files.weights)
        num_tags, num_features = map(int, arrays["sizes"])
        weights = np.asarray(arrays["w"], np.float64)
        if sorted(tags.values()) != list(range(num_tags)) or not 2 <= num_tags <= 7:
            raise ValueError(f"it has the tags {tags}, not 2 to 7 numbered ones")
        if weights.shape != (num_tags * (num_features + num_tags),):
            raise ValueError(f"{weights.shape} weights do not fit {num_features} features and {num_tags} tags")
        if not all(type(row) is int and 0 <= row < num_features for row in index.values()):
            raise ValueError("its features have no rows among the weights")
        if not np.isfinite(weights).all() or not all(isinstance(word, str) for word in words):
            raise ValueError("it holds what is no number or no word")
    except (*DAMAGED, AttributeError) as error:
        raise UserError(f"{files.features.parent} is not a model of pkuseg: {error}; copy it again") from error
    split = num_features * num_tags
    # pkuseg adds the weights of transitions to ones.
    edges = 1.0 + weights[split:].reshape(num_tags, num_tags).T
    names = sorted(tags, key=tags.__getitem__)
    return PkusegModel(
        index,
        words,
        weights[:split].reshape(num_features, num_tags),
        edges,
        np.array(["B" in name for name in names]),
        frozenset(_dictionary_words(files.dictionaries)),
    )


def _read_features(path: Path) -> Any:
    if path.suffix == ".pkl":
        return load_plain_pickle(path)
    try:
        return msgpack.unpackb(path.read_bytes(), raw=False)
    except Exception as error:  # Damaged bytes raise errors of msgpack's own, of Unicode, and others.
        raise UserError(f"{path} is not msgpack ({error}); copy it again from its source") from error


def _dictionary_words(paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        text = load_plain_pickle(path)
        if not isinstance(text, str):
            raise UserError(f"{path} holds no text but a {type(text).__name__}; copy it again from its source")
        yield from text.strip().split("\n")
