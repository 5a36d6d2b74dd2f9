"""How the vectors of a text's pieces become one, and what a folder says of it."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import read_json_value
from etm_jax.vectors.bert.config import read_json

MODULES, POOLING = "modules.json", "1_Pooling/config.json"
"""What sentence-transformers writes beside an encoder."""

_MODES = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
_MODE = "pooling_mode"


class Pooling(NamedTuple):
    """From pieces to a text.

    name: `cls`, the first piece of the last layer; `mean`, the mean of all pieces of the last layer; `last4`, the mean
    of all pieces of the last four. Pieces that begin and end a text count. unit: whether the vector is then brought to
    length 1.
    """

    name: str
    unit: bool

    @property
    def layers(self) -> int:
        """Of how many layers, counted from the last, the outputs are averaged; fewer where the model has fewer."""
        return 4 if self.name == "last4" else 1


NAMES = ("cls", "mean", "last4")


def pooling_of(folder: Path, name: str | None) -> Pooling:
    """The pooling of this name, or, for None, what the folder says: by sentence-transformers, else the mean.

    Only in the latter case is the vector brought to length 1, where the folder says so. Raises UserError where the name
    is unknown, or the folder asks for something else than what is computed here.
    """
    if name is not None:
        if name not in NAMES:
            raise UserError(f"pooling={name!r} is unknown; give one of {', '.join(NAMES)}")
        return Pooling(name, unit=False)
    types = _module_types(folder / MODULES)
    if others := [kind for kind in types if kind not in ("Transformer", "Pooling", "Normalize")]:
        raise UserError(
            f"{folder / MODULES} has a module {others[0]}, which is not computed here; take another model, or in "
            f"Python encode_texts with pooling= as one of {', '.join(NAMES)}"
        )
    path = folder / POOLING
    if not path.is_file():
        return Pooling("mean", unit=False)
    values = read_json(path)
    asked = [mode for mode, on in values.items() if mode.startswith("pooling_mode_") and on is True]
    found = {_MODES.get(mode) for mode in asked} | ({values[_MODE]} if isinstance(values.get(_MODE), str) else set())
    if len(found) != 1 or not found <= set(NAMES):
        raise UserError(
            f"{path} asks for {' and '.join(asked) or values.get(_MODE, 'no pooling')}, which is not computed here; "
            f"take another model, or in Python encode_texts with pooling= as one of {', '.join(NAMES)}"
        )
    return Pooling(str(found.pop()), unit="Normalize" in types)


def _module_types(path: Path) -> list[str]:
    """The last names of the types in modules.json, `sentence_transformers.models.Pooling`; none without the file."""
    if not path.is_file():
        return []
    try:
        return [str(module["type"]).rpartition(".")[2] for module in read_json_value(path)]
    except DAMAGED as error:
        raise UserError(f"{path} cannot be read ({error}); copy it again") from error


def pool(pieces: jax.Array, lengths: jax.Array, pooling: Pooling) -> jax.Array:
    """[B, T, H] of the layers that `pooling` averages, and [B] pieces of each text → [B, H] float32 or better."""
    wide = pieces.astype(jnp.promote_types(pieces.dtype, jnp.float32))
    if pooling.name == "cls":
        found = wide[:, 0]
    else:
        mask = jnp.arange(pieces.shape[1])[None] < lengths[:, None]
        # What padding comes to is never multiplied, so that it may be anything.
        total = jnp.where(mask[..., None], wide, 0).sum(axis=1)
        found = total / lengths[:, None].astype(wide.dtype)
    if pooling.unit:
        found = found / jnp.maximum(jnp.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
    return found
