"""What a folder says of its encoder: the settings of config.json, for the families of BERT that are computed here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import read_object

CONFIG = "config.json"

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert")
"""Values of `model_type`. Chinese-RoBERTa-wwm, MacBERT, MiniLM, BGE and E5 are of the first or the third."""

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


@dataclass(frozen=True)
class BertConfig:
    """The shape of an encoder. Hashable, so that it can be a static argument of `jax.jit`.

    family: one of `FAMILIES`. positions: rows of the table of positions. pad: the id of padding. eps: of the layer
    norms. activation: one of `ACTIVATIONS`.
    """

    family: str
    vocab_size: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int
    types: int
    pad: int
    eps: float
    activation: str

    @property
    def first_position(self) -> int:
        """The row of the table of positions that the first piece takes: RoBERTa's begin after that of padding."""
        return 0 if self.family == "bert" else self.pad + 1

    @property
    def max_pieces(self) -> int:
        """Pieces of the longest text, those that begin and end it among them."""
        return self.positions - self.first_position


def read_config(folder: Path) -> BertConfig:
    """Read config.json. Raises UserError where it is missing, of another family, or has a value that cannot be."""
    path = folder / CONFIG
    values = read_json(path)
    family = values.get("model_type")
    if family not in FAMILIES:
        raise UserError(f"{path} is of a model of type {family!r}; give a folder of one of {', '.join(FAMILIES)}")
    if values.get("position_embedding_type", "absolute") != "absolute" or values.get("is_decoder", False):
        raise UserError(
            f"{path} has relative positions, or is of a decoder, which is not computed here; give an encoder with "
            "absolute positions"
        )
    activation = values.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise UserError(
            f"{path}: hidden_act={activation!r} is not computed here; give a model with one of {', '.join(ACTIVATIONS)}"
        )
    pad = values.get("pad_token_id", 0 if family == "bert" else 1)
    if type(pad) is not int or pad < 0:
        raise UserError(f"{path}: pad_token_id={pad!r} is no id; copy the folder again")
    eps = values.get("layer_norm_eps", 1e-12)
    if type(eps) not in (int, float) or not 0 <= eps < 1:
        raise UserError(f"{path}: layer_norm_eps={eps!r} is no small number; copy the folder again")
    config = BertConfig(
        family=family,
        vocab_size=_size(path, values, "vocab_size"),
        width=_size(path, values, "hidden_size"),
        layers=_size(path, values, "num_hidden_layers"),
        heads=_size(path, values, "num_attention_heads"),
        inner=_size(path, values, "intermediate_size"),
        positions=_size(path, values, "max_position_embeddings", 512),
        types=_size(path, values, "type_vocab_size", 2),
        pad=pad,
        eps=float(eps),
        activation=activation,
    )
    if config.width % config.heads:
        raise UserError(
            f"{path}: hidden_size={config.width} is no multiple of num_attention_heads={config.heads}; copy it again"
        )
    if config.max_pieces < 3:
        raise UserError(f"{path}: max_position_embeddings={config.positions} has no room for a text; copy it again")
    return config


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model. Raises UserError where it is missing or damaged."""
    try:
        return read_object(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is missing; give the folder of a model as the hub lays it out (BUILD.md says how to bring one)"
        ) from error
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({error}); copy it again") from error


def _size(path: Path, values: dict[str, Any], name: str, default: int | None = None) -> int:
    """A positive whole number of config.json. Raises UserError where it is something else."""
    value = values.get(name, default)
    if type(value) is not int or not 1 <= value <= 1 << 24:
        raise UserError(f"{path}: {name}={value!r} is no positive whole number; copy the folder again")
    return value
