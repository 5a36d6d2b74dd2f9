"""The initial weights of a run, named by --ckpt."""

import dataclasses

import jax
import numpy as np

from etm_jax.config.declaration import settings_of
from etm_jax.config.settings import ModelConfig
from etm_jax.interop.native_files import check_unedited
from etm_jax.interop.read import read_saved_model
from etm_jax.models.layers import Variables
from etm_jax.models.registry import gradient_model
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import Spec, abstract_state
from etm_jax.util.errors import UserError


def read_start_weights(ckpt: str, model: ModelConfig) -> SavedModel:
    """Read the model that --ckpt names. Raises UserError where there is none, or its weights do not fit `model`."""
    try:
        # Weights to start from may be of any epoch; a warning names it.
        trained = read_saved_model(ckpt, unfinished=True)
        check_unedited(trained)
    except UserError as error:
        # A message on the file itself begins with its path; one on a file inside a folder names that file.
        message = str(error)
        raise UserError(f"--ckpt={message}" if message.startswith((f"{ckpt}:", f"{ckpt} ")) else message) from error
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(trained.variables)):
        raise UserError(f"--ckpt={ckpt} holds numbers that are not finite; give weights of an earlier epoch")
    spec = trained.spec()
    for s in settings_of(ModelConfig):
        theirs, ours = getattr(spec.model, s.name), getattr(model, s.name)
        changed = spec._replace(model=dataclasses.replace(spec.model, **{s.name: ours}))
        if theirs != ours and (s.name == "kind" or not _fits(changed, spec)):
            raise UserError(
                f"--ckpt={ckpt} was trained with {s.spelled(theirs)}, and its weights do not fit {s.spelled(ours)}; "
                f"make it the same (its variant: --variant={trained.config.variant}), or leave out --ckpt"
            )
    return trained


def _fits(changed: Spec, spec: Spec) -> bool:
    """Whether a model with other settings has the same variables, and reads no field that the first does not."""
    if changed.model.encoder == "context" and not changed.model.context:
        return False
    fields = gradient_model(changed.model.kind).fields_read(changed.model)
    return set(fields) <= set(spec.metadata.names) and _shapes(changed) == _shapes(spec)


def _shapes(spec: Spec) -> Variables:
    """The shapes of all variables of a model."""
    return jax.tree.map(lambda leaf: leaf.shape, abstract_state(spec).variables)
