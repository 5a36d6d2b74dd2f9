"""How the arrays of a model lie on the devices: whole on one, or sharded over a grid. Callers need not ask which."""

from typing import NamedTuple, TypeVar

import numpy as np

from etm_jax.models.layers import Variables
from etm_jax.ops.mesh import Grid
from etm_jax.training.steps import Spec, beta_step

T = TypeVar("T")


class Layout(NamedTuple):
    """A model and its devices. spec: of the model without a grid; grid: None for a single device."""

    spec: Spec
    grid: Grid | None

    @property
    def program_spec(self) -> Spec:
        """The spec of the programs that run on these devices."""
        return self.spec.on(self.grid)

    def shard(self, tree: T) -> T:
        """A state, or variables, on the devices that compute with them."""
        return tree if self.grid is None else self.grid.place(tree, self.spec.vocab_axis)

    def gather(self, tree: T) -> T:
        """The inverse of `shard`. Every process takes part in it, and has all of the arrays."""
        return tree if self.grid is None else self.grid.collect(tree, self.spec.vocab_axis)

    def beta(self, variables: Variables) -> np.ndarray:
        """The topics of sharded variables: [K, V], rows sum to 1. Every process takes part in it."""
        beta = beta_step(variables, self.program_spec)
        return np.asarray(beta) if self.grid is None else self.grid.to_host(beta, axis=-1)
