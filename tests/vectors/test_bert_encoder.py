"""Encoders of the BERT family: the mathematics, against the papers' formulas in numpy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bert_folders import CONFIG, numpy_states, random_state, write_folder

from conftest import double_precision
from etm_jax.vectors.bert.config import read_config
from etm_jax.vectors.bert.encoder import encode, hidden_states
from etm_jax.vectors.bert.pooling import Pooling, pool
from etm_jax.vectors.bert.weights import read_params

FAMILIES = {
    "bert": {},
    "bert of before, by tanh": {"hidden_act": "gelu_new", "type_vocab_size": 1},
    "minilm": {"hidden_size": 32, "num_attention_heads": 4, "layer_norm_eps": 1e-5},
    "roberta": {"model_type": "roberta", "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta, ReLU": {"model_type": "xlm-roberta", "pad_token_id": 1, "hidden_act": "relu"},
}

LENGTHS = np.array([7, 1, 12, 5], np.int32)


def drawn_ids(config: dict[str, Any], lengths: np.ndarray = LENGTHS) -> tuple[np.ndarray, np.ndarray]:
    """Random pieces [B, T] with padding behind each text, and the mask."""
    rng = np.random.default_rng(1)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int32)
    ids = rng.integers(2, config["vocab_size"], mask.shape) * mask + config["pad_token_id"] * (1 - mask)
    return ids.astype(np.int32), mask


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Iterator[tuple[str, float]]:
    """A type, and how near the hidden states are to the true ones."""
    if request.param == "float32":
        yield "float32", 1e-5
        return
    with double_precision():
        yield "float64", 1e-10


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_are_those_of_the_formulas(family: str, precision: tuple[str, float], tmp_path: Path) -> None:
    dtype, near = precision
    changed = FAMILIES[family]
    values = CONFIG | changed
    folder = write_folder(tmp_path / "model", **changed)
    config = read_config(folder)
    params = read_params(folder, config, np.dtype(dtype))
    ids, mask = drawn_ids(values)
    expected = numpy_states(values, random_state(values), ids, mask)
    found = np.asarray(jax.jit(hidden_states, static_argnums=1)(params, config, ids, mask.sum(axis=1)))
    assert found.dtype == dtype
    real = mask == 1
    np.testing.assert_allclose(found[:, real], expected[:, real], atol=near, rtol=near)
    for last in (1, 4):
        mean = np.asarray(encode(params, config, ids, mask.sum(axis=1), last))
        np.testing.assert_allclose(mean[real], expected[-last:].mean(axis=0)[real], atol=near, rtol=near)


def test_padding_is_never_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    config = read_config(folder)
    params = read_params(folder, config)
    ids, _ = drawn_ids(CONFIG)
    other = np.where(np.arange(ids.shape[1]) < LENGTHS[:, None], ids, 7)
    one, two = (np.asarray(encode(params, config, some, LENGTHS)) for some in (ids, other))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(one[row, :length], two[row, :length])


def test_poolings_of_two_pieces_by_hand() -> None:
    pieces = jnp.array([[[1.0, 2.0], [3.0, 6.0], [jnp.nan, 9.0]], [[3.0, 4.0], [jnp.inf, 0.0], [7.0, 7.0]]])
    lengths = jnp.array([2, 1])
    np.testing.assert_array_equal(pool(pieces, lengths, Pooling("cls", False)), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(pool(pieces, lengths, Pooling("mean", False)), [[2, 4], [3, 4]])
    np.testing.assert_allclose(pool(pieces, lengths, Pooling("cls", True))[1], [0.6, 0.8], rtol=1e-6)


def test_the_last_four_layers_are_averaged_before_the_pieces(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    config = read_config(folder)
    params = read_params(folder, config)
    ids, mask = drawn_ids(CONFIG)
    states = numpy_states(CONFIG, random_state(CONFIG), ids, mask)
    expected = [states[-4:, row, :length].mean(axis=(0, 1)) for row, length in enumerate(LENGTHS)]
    pooling = Pooling("last4", False)
    found = pool(encode(params, config, ids, LENGTHS, pooling.layers), LENGTHS, pooling)
    np.testing.assert_allclose(found, np.array(expected), atol=1e-5)
