"""Where the state of a training lies: on one device, or dealt to a grid of them. Elsewhere nobody has to ask."""

from typing import TypeVar

import numpy as np

from etm_jax.models.layers import Variables
from etm_jax.ops.mesh import Grid
from etm_jax.training.steps import Spec, beta_step

T = TypeVar("T")


def placed(tree: T, spec: Spec, grid: Grid | None) -> T:
    """A state, or variables, on the devices that they are computed with."""
    return tree if grid is None else grid.place(tree, spec.vocab_axis)


def collected(tree: T, spec: Spec, grid: Grid | None) -> T:
    """The inverse: as they are without a grid. Every process takes part in it."""
    return tree if grid is None else grid.collect(tree, spec.vocab_axis)


def topics(variables: Variables, spec: Spec, grid: Grid | None) -> np.ndarray:
    """β of variables that lie on the grid: [K, V]. Every process takes part in it."""
    beta = beta_step(variables, spec.on(grid))
    return np.asarray(beta) if grid is None else grid.to_host(beta, axis=-1)
