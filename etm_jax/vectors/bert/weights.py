"""The weights of a folder as the hub lays it out, under our names, checked against its config.json."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.util.errors import UserError
from etm_jax.util.tensor_files import read_tensors
from etm_jax.util.torch_state import read_torch
from etm_jax.vectors.bert.config import BertConfig, read_json

WHOLE, SHARDED = ("model.safetensors", "pytorch_model.bin"), "{}.index.json"
"""A folder's file of weights, the first that is there, or the list of its parts. Only torch reads the second."""

_PREFIXES = ("", "bert.", "roberta.", "model.", "auto_model.", "0.auto_model.")
"""Before the names of weights, by what the encoder was part of when it was saved."""

_FIRST = "embeddings.word_embeddings.weight"
_LAYER = "encoder.layer.{}."
_OLD_NAMES = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, in order. Raises UserError where there are none, or a list of parts is wrong."""
    for name in WHOLE:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / SHARDED.format(name)
        if index.is_file():
            return _parts(index)
    raise UserError(f"{folder} holds no {' or '.join(WHOLE)}; copy the weights there (BUILD.md says how to bring them)")


def _parts(index: Path) -> list[Path]:
    """The parts that a list names, which lie beside it."""
    places = read_json(index).get("weight_map")
    names = sorted(set(map(str, places.values()))) if isinstance(places, Mapping) else []
    if not names or any(Path(name).name != name for name in names):
        raise UserError(f"{index} names no files beside it; copy it again")
    for name in names:
        if not (index.parent / name).is_file():
            raise UserError(f"{index.parent / name}, which {index.name} names, is missing; copy it too")
    return [index.parent / name for name in names]


def read_params(folder: Path, config: BertConfig, dtype: Any = np.float32) -> dict[str, Any]:
    """The parameters of `etm_jax.vectors.bert.encoder`, as numpy arrays of `dtype`.

    Kernels are [in, out]. Those of queries, keys and values are one, [H, 3H], with 1/√(H/heads) in the queries'; and
    the vector of the first type of text, which all texts have here, is added to each position's.

    Raises UserError where a file is missing or damaged, a weight is missing, has another shape than config.json says,
    or holds nan or inf.
    """
    state = dict(_read(folder, weight_files(folder)))
    prefix = next((prefix for prefix in _PREFIXES if prefix + _FIRST in state), None)
    if prefix is None:
        raise UserError(f"{folder}: its weights are of no BERT, as they lack {_FIRST}; give the folder of an encoder")
    width, inner = config.width, config.inner

    def take(name: str, *shape: int) -> np.ndarray:
        found = state.pop(prefix + name, None)
        for new, old in _OLD_NAMES:
            if found is None and name.endswith(new):
                found = state.pop(prefix + name.replace(new, old), None)
        if found is None:
            raise UserError(f"{folder}: its weights lack {name}, which config.json asks for; copy both from one model")
        if found.shape != shape:
            raise UserError(
                f"{folder}: {name} is {list(found.shape)} where config.json asks for {list(shape)}; copy both from one "
                "model"
            )
        if not np.isfinite(found).all():
            raise UserError(f"{folder}: {name} holds nan or inf; copy the weights again")
        return found.astype(dtype, copy=False)

    def kernel(name: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        return take(f"{name}.weight", columns, rows).T, take(f"{name}.bias", columns)

    def norm(name: str) -> tuple[np.ndarray, np.ndarray]:
        return take(f"{name}.LayerNorm.weight", width), take(f"{name}.LayerNorm.bias", width)

    types = take("embeddings.token_type_embeddings.weight", config.types, width)
    params: dict[str, Any] = {
        "word": take(_FIRST, config.vocab_size, width),
        "position": take("embeddings.position_embeddings.weight", config.positions, width) + types[:1],
    }
    params["scale"], params["bias"] = norm("embeddings")
    layers = []
    for index in range(config.layers):
        at, one = _LAYER.format(index), {}
        mixed = [kernel(f"{at}attention.self.{part}", width, width) for part in ("query", "key", "value")]
        share = np.asarray((width / config.heads) ** -0.5, dtype)
        mixed[0] = (mixed[0][0] * share, mixed[0][1] * share)
        one["mix"], one["mix_bias"] = (np.concatenate(parts, axis=-1) for parts in zip(*mixed, strict=True))
        one["out"], one["out_bias"] = kernel(f"{at}attention.output.dense", width, width)
        one["scale1"], one["bias1"] = norm(f"{at}attention.output")
        one["up"], one["up_bias"] = kernel(f"{at}intermediate.dense", width, inner)
        one["down"], one["down_bias"] = kernel(f"{at}output.dense", inner, width)
        one["scale2"], one["bias2"] = norm(f"{at}output")
        layers.append(one)
    if f"{prefix}{_LAYER.format(config.layers)}output.dense.weight" in state:
        raise UserError(f"{folder}: its weights have more layers than config.json says; copy both from one model")
    # Layer by layer, so that no weight is in memory more than twice at a time.
    params["layers"] = {name: np.stack([one.pop(name) for one in layers]) for name in list(layers[0])}
    return params


def _read(folder: Path, files: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """The encoder's weights by name, in any type of number that the file has, but for bfloat16, which comes wider."""
    for path in files:
        try:
            if path.suffix == ".safetensors":
                yield from read_tensors(path, wanted=_is_read, extra="bert").items()
            else:
                yield from ((name, array) for name, array in read_torch(path).items() if _is_read(name))
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def _is_read(name: str) -> bool:
    """Whether a weight may be one of the encoder's: a head's, as large as the vocabulary, is not even read."""
    return "embeddings." in name or "encoder.layer." in name
