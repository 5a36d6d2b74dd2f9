"""Steps whose loss or gradient is no finite number, which are not applied: what in them is not finite."""

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
    "amortization_gap": "what the encoder missed of the refined posterior",
    "overlap": "the overlap of the topics",
    "seed": "the pull of the seed words",
}


MOST_IN_A_ROW = 10
"""Steps that are not applied; more are no accident of a batch."""

LOOKED_AT_ONCE = 10
"""Steps whose sums are fetched together, and that late, so that the device is not waited for."""


class Unsound:
    """Which steps of a training were not applied.

    in_a_row: the most one after the other. last, member: the last of them in this epoch, and of which model.
    """

    def __init__(self) -> None:
        self.in_a_row = 0
        self._rows: np.ndarray = np.zeros(1, int)
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Count from the first step again, but for those in a row."""
        self.last, self.member, self.num_skipped, self._seen = -1, 0, 0, 0
        self._applied: np.ndarray = np.zeros(1, bool)

    def look(self, sums: Sequence[Sums], lag: int = 0) -> None:
        """Count those of the epoch's steps so far that were not looked at yet; with a lag only now and then."""
        until = len(sums) - lag
        if until - self._seen < max(lag, 1):
            return
        for i, recon in enumerate(jax.device_get([step.recon for step in sums[self._seen : until]]), self._seen):
            bad = ~np.isfinite(np.atleast_1d(recon))
            self._rows, self._applied = np.where(bad, self._rows + 1, 0), self._applied | ~bad
            self.in_a_row = max(self.in_a_row, int(self._rows.max()))
            if bad.any():
                self.last, self.member, self.num_skipped = i, int(bad.argmax()), self.num_skipped + 1
        self._seen = until

    @property
    def too_many(self) -> bool:
        """Whether a model stands still."""
        return self.in_a_row >= MOST_IN_A_ROW

    @property
    def all_of_epoch(self) -> bool:
        """Whether not one step of the epoch was applied to some model."""
        return not self._applied.all()

    def sound(self, sums: Sequence[Sums]) -> list[Sums]:
        """The sums with zeros for what was not applied."""
        if not self.num_skipped:
            return list(sums)
        return [_without_unsound(step) for step in jax.device_get(list(sums))]


def _without_unsound(sums: Sums) -> Sums:
    applied = np.isfinite(sums.recon)
    return jax.tree.map(lambda x: np.where(applied, x, 0), sums)


def what_is_not_finite(variables: Variables, batch: Batch, key: jax.Array, spec: Spec, names: Sequence[str]) -> str:
    """`the KL divergence of document 12`: the first such quantity of a batch, in the order of their computation.

    names: those of the batch's documents. Noise is drawn anew, so that what was not finite by a rare draw may be
    so no more: then the gradient is named.
    """
    terms = jax.device_get(_terms(variables, batch, key, spec))
    known = list(QUANTITIES)

    def order(name: str) -> int:
        return known.index(name) if name in known else len(known)

    for quantity, values in sorted(terms.items(), key=lambda term: order(term[0])):
        told = QUANTITIES.get(quantity, f"the term {quantity} of the loss")
        bad = ~np.isfinite(values)
        if bad.ndim == 0:
            if bad:
                return told
            continue
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1)[: len(names)])
        if len(rows) == 1:
            return f"{told} of document {names[rows[0]]}"
        if len(rows):
            return f"{told} of {len(rows)} of the {len(names)} documents, the first of them {names[rows[0]]}"
    return f"the gradient of {len(names)} documents, the first of them {names[0]}"


@partial(jax.jit, static_argnames="spec")
def _terms(variables: Variables, batch: Batch, key: jax.Array, spec: Spec) -> dict[str, jax.Array]:
    noise = spec.module().draw_noise(key, batch)
    model = spec.with_variables(variables)
    reading = model.read(batch, noise)
    mu, logvar = model.forward(reading, batch, noise).posterior
    terms = {"mu": mu, "logvar": logvar} | model.loss_terms(reading, batch, noise)
    # Whole on each device, so that each process sees all of them.
    return terms if batch.pattern.grid is None else batch.pattern.grid.kept(terms, lambda _: None)
