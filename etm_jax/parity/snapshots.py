"""The state of a training on either side, under our names; and a training of ours that goes on from torch's."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import Tensor

from etm_jax.models.layers import Params
from etm_jax.parity.judges import Judge
from etm_jax.parity.ours import params_of
from etm_jax.training.steps import TrainState


class Snapshot(NamedTuple):
    """The state of a training, under our names. A parameter that is not trained has moments of 0."""

    params: Params
    first: Params
    second: Params
    learning_rate: float


def torch_snapshot(judge: Judge, optimizer: torch.optim.Optimizer) -> Snapshot:
    """The state of torch's training: copies, since torch updates its memory in place."""

    def moment(name: str) -> Params:
        named: dict[str, Tensor] = {
            key: optimizer.state[p][name] if p in optimizer.state else torch.zeros_like(p)
            for key, p in judge.module.named_parameters()
        }
        return params_of(named | {key: torch.zeros_like(p) for key, p in judge.fixed.items()})

    rate = optimizer.param_groups[0]["lr"]
    params = jax.tree.map(np.copy, params_of(judge.state()))
    first, second = (jax.tree.map(np.copy, moment(name)) for name in ("exp_avg", "exp_avg_sq"))
    return Snapshot(params, first, second, rate)


def our_snapshot(state: TrainState, learning_rate: float) -> Snapshot:
    """The state of our training. learning_rate: the one that plateau annealing starts from."""
    params = state.variables.params
    leaves = jax.tree.leaves(state.opt_state, is_leaf=_is_adam)
    (adam,) = (leaf for leaf in leaves if _is_adam(leaf))
    moments = _filled(adam.mu, params), _filled(adam.nu, params)
    return Snapshot(params, *moments, learning_rate * float(state.lr_scale))


def after_torch(state: TrainState, snapshot: Snapshot, steps: int) -> TrainState:
    """A state of ours with torch's parameters and moments after so many steps. Its `lr_scale` stays."""

    def theirs(leaf: Any) -> Any:
        if not _is_adam(leaf):
            return leaf
        first, second = (_emptied(*pair) for pair in ((snapshot.first, leaf.mu), (snapshot.second, leaf.nu)))
        return leaf._replace(count=jnp.full_like(leaf.count, steps), mu=first, nu=second)

    return state._replace(
        step=jnp.full_like(state.step, steps),
        variables=state.variables._replace(params=jax.tree.map(jnp.asarray, snapshot.params)),
        opt_state=jax.tree.map(theirs, state.opt_state, is_leaf=_is_adam),
    )


def _is_adam(leaf: Any) -> bool:
    """Whether a part of an optimizer's state is Adam's."""
    return isinstance(leaf, optax.ScaleByAdamState)


def _filled(moments: Any, params: Params) -> Params:
    """The moments, with 0 for parameters that have none."""
    return {
        name: jax.tree.map(jnp.zeros_like, value) if isinstance(moments[name], optax.MaskedNode) else moments[name]
        for name, value in params.items()
    }


def _emptied(moments: Params, like: Any) -> Params:
    """The moments, without those of parameters that have none in `like`."""
    return {
        name: like[name] if isinstance(like[name], optax.MaskedNode) else jax.tree.map(jnp.asarray, value)
        for name, value in moments.items()
    }
