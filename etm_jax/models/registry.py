"""The models by name."""

from importlib import import_module
from typing import cast

from etm_jax.models.base import TopicModel, TopicModelKind
from etm_jax.util.errors import UserError

MODELS: dict[str, str | type[TopicModelKind]] = {
    "etm": "etm_jax.models.etm:ETM",
    "gsm": "etm_jax.models.gsm:GSM",
    "lda": "etm_jax.models.lda:LDA",
}


def model_kind(name: str) -> type[TopicModelKind]:
    """The class of the model that --model calls `name`. Raises UserError where there is none."""
    if name not in MODELS:
        raise UserError(f"--model={name} is unknown; the models are {', '.join(MODELS)}")
    found = MODELS[name]
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = cast(type[TopicModelKind], getattr(import_module(module), attribute))
    return found


def gradient_model(name: str) -> type[TopicModel]:
    """The same, of a model that is trained by gradient steps."""
    found = model_kind(name)
    assert issubclass(found, TopicModel), f"{name} fits itself"
    return found
