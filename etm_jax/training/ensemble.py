"""An ensemble of models trained as one: members that differ in their seed, on a leading axis of their own.

Each member has parameters and moments of its own; the number of the step, the scale of the learning rate and the
constants are the same for all, as are the batches. S: members.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from etm_jax.config.settings import TrainConfig
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.objective import Sums
from etm_jax.training.steps import Spec, TrainState, new_state, train_step

_VARIABLES = Variables(params=0, constants=None)  # type: ignore[arg-type]
_STATE = TrainState(step=None, variables=_VARIABLES, opt_state=0, lr_scale=None)  # type: ignore[arg-type]
"""Where `jax.vmap` finds the axis of the members."""


def seeds(config: TrainConfig) -> range:
    """The members' seeds: --seed, and those that follow it."""
    return range(config.seed, config.seed + config.num_seeds)


def stack(members: Sequence[Variables]) -> Variables:
    """The variables of several members as one; of one alone, as they are."""
    if len(members) == 1:
        return members[0]
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member.params for member in members))
    return Variables(params, members[0].constants)


def unstack(variables: Variables, num_seeds: int) -> list[Variables]:
    """The inverse of `stack`."""
    if num_seeds == 1:
        return [variables]
    leaves, structure = jax.tree.flatten(variables.params)
    each = zip(*leaves, strict=True)
    return [Variables(jax.tree.unflatten(structure, member), variables.constants) for member in each]


def as_models(variables: Variables, spec: Spec, num_seeds: int) -> list[Variables]:
    """The members as they are used after training: with their topics at `temperature`."""
    return [spec.module().tempered(member, spec.model.temperature) for member in unstack(variables, num_seeds)]


@partial(jax.jit, static_argnames="spec")
def new_states(variables: Variables, spec: Spec) -> TrainState:
    """The state of several members, [S, …] each, before the first step."""
    return jax.vmap(partial(new_state, spec=spec), (_VARIABLES,), _STATE)(variables)


def abstract_states(spec: Spec, num_seeds: int) -> TrainState:
    """Shapes and dtypes of the state of several members, or of one alone, without its values."""

    def state() -> TrainState:
        member = init_variables(jax.random.key(0), spec.module())
        return new_state(member, spec) if num_seeds == 1 else new_states(stack([member] * num_seeds), spec)

    return jax.eval_shape(state)


@partial(jax.jit, static_argnames="spec", donate_argnames="state")
def train_steps(state: TrainState, batch: Batch, keys: jax.Array, spec: Spec) -> tuple[TrainState, Sums]:
    """One update of each member on the same batch: `train_step` under keys [S] of their own. The sums are [S] each."""
    return jax.vmap(partial(train_step, spec=spec), (_STATE, None, 0), (_STATE, 0))(state, batch, keys)
