"""Whether a training has diverged: steps that are not finite for too long, or an epoch that ends so."""

import math
from collections.abc import Sequence

import jax

from etm_jax.models.layers import Variables
from etm_jax.models.objective import Sums
from etm_jax.training.bound import Bound
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.ensemble import unstack
from etm_jax.training.nonfinite import CHECKED_TOGETHER, NonfiniteSteps, what_is_nonfinite
from etm_jax.training.steps import Spec, are_finite
from etm_jax.training.train_setup import TrainSetup
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError


class DivergenceCheck:
    """Looks at each step and each epoch, and raises UserError where training has diverged. steps: those not applied.

    spec: that of the programs. keys: each member's. `variables` are those of all members, after the step or the epoch.
    """

    def __init__(self, setup: TrainSetup, spec: Spec, keys: Sequence[jax.Array]) -> None:
        self._setup, self._spec, self._keys, self._epoch = setup, spec, keys, 0
        self.steps = NonfiniteSteps()

    def start_epoch(self, epoch: int) -> None:
        """The steps that follow are those of this epoch."""
        self._epoch = epoch
        self.steps.start_epoch()

    def after_step(self, sums: Sequence[Sums], variables: Variables) -> None:
        """Raise where a member stands still for many steps. sums: of the epoch's steps so far."""
        self.steps.check(sums, lag=CHECKED_TOGETHER)
        if self.steps.too_many:
            in_a_row = f"{self.steps.in_a_row} steps in a row were not applied"
            raise self._diverged(f"{in_a_row}: {self._what_is_nonfinite(variables)}")

    def after_steps(self, sums: Sequence[Sums], variables: Variables) -> None:
        """Raise where a member stood still for the whole epoch."""
        self.steps.check(sums)
        if self.steps.whole_epoch:
            raise self._diverged(f"none of its {len(sums)} steps was applied: {self._what_is_nonfinite(variables)}")

    def after_epoch(self, trained: list[Bound], validated: list[Bound], variables: Variables) -> None:
        """Raise where a bound or a parameter is not finite; warn of the steps that were not applied."""
        nelbos = [bound.nelbo for bound in validated or trained]
        # The last step's loss is that of the parameters before its update.
        if not (all(math.isfinite(bound.nelbo) for bound in trained + validated) and all_finite(variables)):
            documents = "validation documents" if validated else "documents"
            raise self._diverged(f"the nelbo of its {documents} is {sum(nelbos) / len(nelbos):.6g}")
        if self.steps.num_skipped:
            skipped = f"{self.steps.num_skipped} of the {len(self._setup.train)} steps of epoch {self._epoch}"
            warn(f"{skipped} were not applied: {self._what_is_nonfinite(variables)}")

    def _what_is_nonfinite(self, variables: Variables) -> str:
        """What was not finite in the last step of this epoch that was not applied."""
        setup, member = self._setup, self.steps.member
        batch, rows = setup.train.step(setup.config.seed, self._epoch, self.steps.last)
        names = [setup.document_names[row] if setup.document_names else str(row) for row in rows]
        own = unstack(variables, setup.config.num_seeds)[member]
        return f"in the last, {what_is_nonfinite(own, batch, self._keys[member], self._spec, names)} was not finite"

    def _diverged(self, reason: str) -> UserError:
        message = (
            f"training diverged in epoch {self._epoch}: {reason}. Start over in another --workdir, with less than "
            f"--learning_rate={self._spec.optimizer.learning_rate:g} or with --clip_norm=1"
        )
        checkpoints = self._setup.checkpoints
        if isinstance(checkpoints, Checkpoints):
            message += f"; the state of epoch {checkpoints.epochs()[-1]} stays in {checkpoints.folder}"
        return UserError(message)


@jax.jit
def all_finite(variables: Variables) -> jax.Array:
    """Whether no number among the variables is nan or infinite: bool."""
    return are_finite(variables)
