"""The files of a pkuseg model, read without pkuseg."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from etm_jax.corpus.words.pkuseg.files import ModelFiles
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, GIBIBYTE
from etm_jax.util.plain_pickle import load_plain_pickle
from etm_jax.util.reading import read_arrays, read_bounded


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
        return msgpack.unpackb(read_bounded(path, GIBIBYTE), raw=False)
    except Exception as error:  # Damaged bytes raise errors of msgpack's own, of Unicode, and others.
        raise UserError(f"{path} is not msgpack ({error}); copy it again from its source") from error


def _dictionary_words(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        text = load_plain_pickle(path)
        if not isinstance(text, str):
            raise UserError(f"{path} holds no text but a {type(text).__name__}; copy it again from its source")
        yield from text.strip().split("\n")
