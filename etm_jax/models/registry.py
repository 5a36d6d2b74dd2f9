"""The class of a model, by the name that its card has in `etm_jax.config.models`."""

from importlib import import_module

from etm_jax.config.models import model_card
from etm_jax.models.base import TopicModel
from etm_jax.models.kind import TopicModelKind


def model_kind(name: str) -> type[TopicModelKind]:
    """The class of the model that --model calls `name`. Raises UserError where there is none."""
    found = model_card(name).implementation
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        found = getattr(import_module(module), attribute)
    assert isinstance(found, type)
    assert issubclass(found, TopicModelKind), f"{name} is no topic model"
    return found


def gradient_model(name: str) -> type[TopicModel]:
    """The same, of a model that is trained by gradient steps."""
    found = model_kind(name)
    assert issubclass(found, TopicModel), f"{name} fits itself"
    return found
