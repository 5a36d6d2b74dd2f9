"""Steps whose loss or gradient is not finite, which are not applied: how many there are, and what is not finite."""

from collections.abc import Sequence
from functools import partial

import jax
import numpy as np

from etm_jax.models.batch import Batch
from etm_jax.models.layers import Variables
from etm_jax.models.objective import Sums
from etm_jax.training.steps import Spec

QUANTITIES = {
    "mu": "the mean of the posterior",
    "logvar": "the log-variance of the posterior",
    "recon": "the reconstruction",
    "kl": "the KL divergence",
    "amortization_gap": "the amortization gap",
    "overlap": "the overlap of the topics",
    "seed": "the pull of the seed words",
}
"""The terms of the loss in the order of their computation, and what a person reads of each."""

MOST_IN_A_ROW = 10
"""Steps in a row that are not applied before a run ends: more are no accident of a batch."""

CHECKED_TOGETHER = 10
"""Steps whose sums are fetched together, and that late, so that the host does not wait for the device."""


class NonfiniteSteps:
    """Which steps of a training were not applied, for each member of the ensemble.

    in_a_row: the most one after the other, as far as this epoch's steps were checked; num_skipped: all of this epoch.
    last, member: the last of them in this epoch, and of which member; -1 and 0 where there is none.
    """

    def __init__(self) -> None:
        self._running: np.ndarray = np.zeros(1, int)
        self.start_epoch()

    def start_epoch(self) -> None:
        """Count from the first step again. Steps in a row are counted on from the epoch before."""
        self.last, self.member, self.num_skipped, self.in_a_row, self._checked = -1, 0, 0, 0, 0
        self._applied: np.ndarray = np.zeros(1, bool)

    def check(self, sums: Sequence[Sums], lag: int = 0) -> None:
        """Count the steps of the epoch so far that were not checked yet. lag: only now and then, and not the newest."""
        until = len(sums) - lag
        if until - self._checked < max(lag, 1):
            return
        recons = jax.device_get([step.recon for step in sums[self._checked : until]])
        for i, recon in enumerate(recons, self._checked):
            bad = ~np.isfinite(np.atleast_1d(recon))
            self._running, self._applied = np.where(bad, self._running + 1, 0), self._applied | ~bad
            self.in_a_row = max(self.in_a_row, int(self._running.max()))
            if bad.any():
                self.last, self.member, self.num_skipped = i, int(bad.argmax()), self.num_skipped + 1
        self._checked = until

    @property
    def too_many(self) -> bool:
        """Whether a member stands still."""
        return self.in_a_row >= MOST_IN_A_ROW

    @property
    def whole_epoch(self) -> bool:
        """Whether no step of the epoch was applied to some member."""
        return not self._applied.all()

    def applied(self, sums: Sequence[Sums]) -> list[Sums]:
        """The sums, with zeros in place of those of steps that were not applied."""
        if not self.num_skipped:
            return list(sums)
        return [_zero_where_nonfinite(step) for step in jax.device_get(list(sums))]


def _zero_where_nonfinite(sums: Sums) -> Sums:
    applied = np.isfinite(sums.recon)
    return jax.tree.map(lambda x: np.where(applied, x, 0), sums)


def what_is_nonfinite(variables: Variables, batch: Batch, key: jax.Array, spec: Spec, names: Sequence[str]) -> str:
    """`the KL divergence of document 12`: the first such quantity of a batch, in the order of their computation.

    names: those of the batch's documents. Noise is drawn again: what was not finite by a rare draw may be finite now,
    and then the gradient is named.
    """
    terms = jax.device_get(_terms(variables, batch, key, spec))
    own = sorted(terms.keys() - QUANTITIES.keys())
    for quantity in (*(name for name in QUANTITIES if name in terms), *own):
        described = QUANTITIES.get(quantity, f"the term {quantity} of the loss")
        bad = ~np.isfinite(terms[quantity])
        if bad.ndim == 0:
            if bad:
                return described
            continue
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)[: len(names)])
        if len(rows) == 1:
            return f"{described} of document {names[rows[0]]}"
        if len(rows):
            return f"{described} of {len(rows)} of the {len(names)} documents, the first of them {names[rows[0]]}"
    return f"the gradient of {len(names)} documents, the first of them {names[0]}"


@partial(jax.jit, static_argnames="spec")
def _terms(variables: Variables, batch: Batch, key: jax.Array, spec: Spec) -> dict[str, jax.Array]:
    noise = spec.module().draw_noise(key, batch)
    model = spec.with_variables(variables)
    reading = model.read(batch, noise)
    mu, logvar = model.forward(reading, batch, noise).posterior
    terms = {"mu": mu, "logvar": logvar} | model.loss_terms(reading, batch, noise)
    # Whole on each device, so that each process sees all of them.
    return terms if batch.pattern.layout is None else batch.pattern.layout.constrain(terms, lambda _: None)
