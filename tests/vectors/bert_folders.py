"""Folders of encoders with random weights, as the hub lays them out, and BERT in numpy, written from the papers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erf

from etm_jax.util.tensor_files import write_tensors

PIECES = """
[PAD] [UNK] [CLS] [SEP] [MASK] 海 洋 山 峰 城 市 船 鱼 的 是 在 电 影 三 体 word ##s ##ing a b c the sea ship mountain
city ##8 ##0 1 2 . , ! ? 。 ， ！ ？ 《 》 café cafe naive x ##x ##y σας σ ##α ##ς ##σ i ##i ∂ é e ss ß
""".split()  # noqa: SIM905

CONFIG = {
    "model_type": "bert",
    "vocab_size": len(PIECES),
    "hidden_size": 24,
    "num_hidden_layers": 5,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}

State = dict[str, np.ndarray]


def random_state(config: dict[str, Any], prefix: str = "", seed: int = 0) -> State:
    """Weights under the hub's names, float32, of a size at which every part matters."""
    rng = np.random.default_rng(seed)
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
    }
    for index in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{index}."
        for name, rows, columns in (
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", inner, width),
            ("output.dense", width, inner),
        ):
            shapes |= {f"{at}{name}.weight": (rows, columns), f"{at}{name}.bias": (rows,)}
        for name in ("attention.output", "output"):
            shapes |= {f"{at}{name}.LayerNorm.weight": (width,), f"{at}{name}.LayerNorm.bias": (width,)}
    drawn = {name: rng.normal(size=shape) * (0.5 if len(shape) == 1 else 0.35) for name, shape in shapes.items()}
    return {
        prefix + name: (values + (1 if name.endswith("LayerNorm.weight") else 0)).astype(np.float32)
        for name, values in drawn.items()
    }


def write_folder(folder: Path, state: State | None = None, prefix: str = "", **changed: Any) -> Path:
    """A folder of config.json, model.safetensors and vocab.txt. changed: values of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG | changed
    (folder / "config.json").write_text(json.dumps(config))
    write_tensors(folder / "model.safetensors", random_state(config, prefix) if state is None else state, {})
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return folder


def numpy_states(config: dict[str, Any], state: State, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Outputs of the embeddings and of each layer by the papers' formulas, in float64: [N + 1, B, T, H].

    ids, mask: [B, T]. The positions are those of the family.
    """
    p = {name: values.astype(np.float64) for name, values in state.items()}
    width, heads = config["hidden_size"], config["num_attention_heads"]
    eps = config["layer_norm_eps"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + eps) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def act(x: np.ndarray) -> np.ndarray:
        if config["hidden_act"] == "gelu":
            return x * (1 + erf(x / np.sqrt(2))) / 2
        if config["hidden_act"] == "relu":
            return np.maximum(x, 0)
        return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2

    if config["model_type"] == "bert":
        position = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    else:
        position = np.cumsum(mask, axis=1) * mask + config["pad_token_id"]
    x = p["embeddings.word_embeddings.weight"][ids] + p["embeddings.position_embeddings.weight"][position]
    x = norm(x + p["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    outputs = [x]
    for index in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{index}."
        query, key, value = (
            dense(x, f"{at}attention.self.{part}").reshape(*ids.shape, heads, width // heads)
            for part in ("query", "key", "value")
        )
        scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(width // heads)
        scores = np.where(mask[:, None, None, :] == 1, scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        read = np.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)
        x = norm(x + dense(read, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
        inner = act(dense(x, f"{at}intermediate.dense"))
        x = norm(x + dense(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
        outputs.append(x)
    return np.stack(outputs)
