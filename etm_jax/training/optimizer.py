"""Optax update rules from settings."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from etm_jax.config.settings import OptimizerConfig
from etm_jax.ops.mesh import AxisOf
from etm_jax.training.compact_adam import scale_by_compact_adam

RULES = {
    "adam": optax.scale_by_adam(),
    "adamw": optax.scale_by_adam(),
    "sgd": optax.identity(),
    "adagrad": optax.scale_by_rss(initial_accumulator_value=0.0, eps=1e-10),
    "rmsprop": optax.scale_by_rms(decay=0.99, eps=1e-8, eps_in_sqrt=False),
}
"""With torch.optim's constants."""


def make_optimizer(
    config: OptimizerConfig,
    num_steps: int,
    fixed: frozenset[str],
    step_scales: Mapping[str, float],
    first_step: int = 0,
    axis_of: AxisOf = lambda path: None,
) -> optax.GradientTransformation:
    """The update rule over `num_steps` steps. fixed: names of parameters that get neither updates nor moments.
    step_scales: by name of a parameter what its steps are multiplied by. first_step: that from which the step size
    falls. axis_of: from an array's path in the parameters to its axis of words.

    In torch.optim's order: the gradient is clipped, weight decay is added to it, and the rule makes a step of the sum
    (adamw decays after the rule); the steps named are then scaled, and all of them by the step size.
    """
    links = []
    if config.clip_norm > 0:
        links.append(_clip_by_global_norm(config.clip_norm))
    if config.weight_decay > 0 and config.optimizer != "adamw":
        # In the gradient, as torch.optim's weight_decay: the paper's L2 penalty.
        links.append(optax.add_decayed_weights(config.weight_decay))
    links.append(scale_by_compact_adam(axis_of) if config.adam_moments == "compact" else RULES[config.optimizer])
    if config.weight_decay > 0 and config.optimizer == "adamw":
        links.append(optax.add_decayed_weights(config.weight_decay))
    links.append(_scale_steps(step_scales))
    links.append(optax.scale_by_learning_rate(_schedule(config, num_steps, first_step)))
    trained = optax.chain(*links)
    if not fixed:
        return trained

    def labels(params: dict[str, Any]) -> dict[str, Any]:
        return {name: "fixed" if name in fixed else "trained" for name in params}

    return optax.partition({"trained": trained, "fixed": optax.set_to_zero()}, labels)


@partial(jax.jit, static_argnames=("config", "num_steps", "first_step"))
def learning_rate(config: OptimizerConfig, num_steps: int, step: jax.Array, first_step: int = 0) -> jax.Array:
    """The step size of one step, before plateau annealing: scalar. first_step: as of `make_optimizer`."""
    return jnp.asarray(_schedule(config, num_steps, first_step)(step))


def _schedule(config: OptimizerConfig, num_steps: int, first_step: int) -> optax.Schedule:
    if config.lr_schedule == "constant":
        return optax.constant_schedule(config.learning_rate)
    falling = optax.cosine_decay_schedule(config.learning_rate, num_steps - first_step, alpha=0.02)
    return falling if first_step == 0 else lambda step: falling(jnp.maximum(step - first_step, 0))


def _clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """torch's clip_grad_norm_, which divides by the norm + 1e-6 where optax divides by the norm."""

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        scale = jnp.minimum(1, max_norm / (optax.tree.norm(updates) + 1e-6))
        return optax.tree.scale(scale, updates), state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def _scale_steps(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiply the updates of the parameters named."""

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        scaled = {name: optax.tree.scale(factors.get(name, 1.0), subtree) for name, subtree in updates.items()}
        return scaled, state

    return optax.GradientTransformation(lambda _: optax.EmptyState(), update)
