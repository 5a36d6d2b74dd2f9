"""Many training steps from the same weights, on the same batches with the same noise: parameters and Adam's moments."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from torch import Tensor

from etm_jax.config.build import Config
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Params
from etm_jax.models.noise import Noise
from etm_jax.parity.cases import Batches, Case, Make, Material, shape_of
from etm_jax.parity.judges import Judge, Shape, TorchBatch
from etm_jax.parity.ours import params_of, precision, weights_of
from etm_jax.parity.passes import CANCELS, flat
from etm_jax.parity.rows import SPREAD, Row, compare, worst
from etm_jax.training.plateau import LEAST_LR, should_anneal
from etm_jax.training.steps import Spec, TrainState, batch_loss, new_state, update_step

BATCH_SIZE = 64
COMPARED_AFTER = (1, 10, 200)
TOLERANCE = {1: 1e-9, 10: 1e-9, 200: 1e-6}

ANNEAL_EVERY, ANNEAL_PATIENCE, ANNEAL_FACTOR = 10, 3, 4.0
"""The plateau schedule reads the loss of one batch every ten steps, which is often enough for it to act here."""


class Regime(NamedTuple):
    """What is switched on. given: settings by field name; plateau: whether the learning rate is annealed."""

    name: str
    given: dict[str, Any]
    plateau: bool = False


WEIGHT_DECAY, CLIP_NORM = {"weight_decay": 1.2e-6}, {"clip_norm": 1.0}
OFF: dict[str, Any] = {"weight_decay": 0.0}
REGIMES = (
    Regime("plain Adam", OFF),
    Regime("weight decay", WEIGHT_DECAY),
    Regime("clipping", OFF | CLIP_NORM),
    Regime("plateau", OFF | {"learning_rate": 0.01}, plateau=True),
    Regime("all three", WEIGHT_DECAY | CLIP_NORM | {"learning_rate": 0.01}, plateau=True),
)


def training_rows(case: Case, regime: Regime, make: Make, material: Material) -> Iterator[Row]:
    """The rows of one case in one regime, in float64."""
    name = f"{case.name}, {regime.name}"
    both = _Both.of(case, regime, make, material, "float64")
    theirs, ours = _torch_training(both), _our_training(both)
    for step, wanted, found in zip(COMPARED_AFTER, theirs, ours, strict=True):
        for row in _apart("float64", name, step, wanted, found):
            yield row._replace(tolerance=TOLERANCE[step])


def float32_rows(case: Case, make: Make, material: Material) -> Iterator[Row]:
    """The same with plain Adam in float32, where Adam turns rounding errors into full steps.

    torch in float32 itself diverges from torch in float64. So ours in float32 is compared with torch in float64, and
    the tolerance is SPREAD times the distance of torch in float32 from it, measured here. By the last of COMPARED_AFTER
    all pairs of trainings are equally far apart, and nothing is left to compare.
    """
    plain = REGIMES[0]
    name = f"{case.name}, {plain.name}"
    exact = _torch_training(_Both.of(case, plain, make, material, "float64"))
    both = _Both.of(case, plain, make, material, "float32")
    theirs, ours = _torch_training(both), _our_training(both)
    for step, wanted, rounded, found in list(zip(COMPARED_AFTER, exact, theirs, ours, strict=True))[:-1]:
        own = _apart("float32", name, step, wanted, rounded)
        for row, torchs in zip(_apart("float32", name, step, wanted, found), own, strict=True):
            yield row._replace(against=f"{row.against} in float64", tolerance=SPREAD * torchs.relative)


class _Both(NamedTuple):
    """What both sides train with: a regime, settings, sizes and batches, and a function that makes the torch model."""

    regime: Regime
    config: Config
    shape: Shape
    batches: Batches
    make: Make
    dtype: str

    @classmethod
    def of(cls, case: Case, regime: Regime, make: Make, material: Material, dtype: str) -> "_Both":
        config = case.config(**regime.given)
        shape = shape_of(config, len(material.corpus.vocabulary))
        return cls(regime, config, shape, material.batches(config, dtype, BATCH_SIZE), make, dtype)

    def judge(self) -> Judge:
        """A new torch model, with the same weights each time."""
        torch.manual_seed(0)
        return self.make(self.config, self.shape, getattr(torch, self.dtype))

    def steps(self) -> Iterator[tuple[int, np.ndarray]]:
        """The number, from 1, and the rows [≤ B] of each step, over as many epochs as needed."""
        rows = itertools.chain.from_iterable(self.batches.epoch(epoch) for epoch in itertools.count())
        return enumerate(itertools.islice(rows, max(COMPARED_AFTER)), 1)

    def watches(self, step: int) -> bool:
        """Whether the plateau schedule reads the loss of `watched` after this step."""
        return self.regime.plateau and step % ANNEAL_EVERY == 0

    def watched(self) -> tuple[TorchBatch, Batch, Noise]:
        """The batch whose loss the plateau schedule reads."""
        return self.batches.pair(np.arange(BATCH_SIZE), 0)


class _Snapshot(NamedTuple):
    """The state of a training, under our names. A parameter that is not trained has moments of 0."""

    params: Params
    first: Params
    second: Params
    learning_rate: float
    judge: str


def _apart(dtype: str, case: str, step: int, wanted: _Snapshot, found: _Snapshot) -> list[Row]:
    """Rows, with tolerances still to be set, for parameters, moments and learning rate."""
    rows = []
    for part, label in (("params", "parameters"), ("first", "first moments"), ("second", "second moments")):
        theirs, ours = flat(getattr(wanted, part)), flat(getattr(found, part))
        arrays = [
            Row(dtype, case, wanted.judge, name, *compare(theirs[name], ours[name]), 1.0)
            for name in theirs
            if name != CANCELS
        ]
        rows.append(worst(arrays, f"{label} after {step}"))
    rates = compare(wanted.learning_rate, found.learning_rate)
    rows.append(Row(dtype, case, wanted.judge, f"step size after {step}: {wanted.learning_rate:g}", *rates, 1.0))
    return rows


def _our_training(both: _Both) -> list[_Snapshot]:
    """Our snapshots after COMPARED_AFTER steps."""
    rate, snapshots, losses = both.config.optimizer.learning_rate, [], [np.inf]
    update = jax.jit(update_step, static_argnames="spec")
    with precision(both.dtype):
        spec, variables = weights_of(both.judge(), both.config, both.shape, num_steps=max(COMPARED_AFTER))
        state = new_state(variables, spec)
        for step, rows in both.steps():
            _, batch, noise = both.batches.pair(rows, step)
            state, _ = update(state, batch, noise, spec)
            if both.watches(step):
                _, watched, watched_noise = both.watched()
                losses.append(_loss(state, watched, watched_noise, spec))
                if should_anneal(losses, ANNEAL_PATIENCE) and rate * float(state.lr_scale) > LEAST_LR:
                    state = state._replace(lr_scale=state.lr_scale / ANNEAL_FACTOR)
            if step in COMPARED_AFTER:
                snapshots.append(_our_snapshot(state, rate))
    return snapshots


def _loss(state: TrainState, batch: Batch, noise: Noise, spec: Spec) -> float:
    """The loss of a batch."""
    params, constants = state.variables
    return float(batch_loss(params, constants, batch, noise, spec)[0])


def _our_snapshot(state: TrainState, learning_rate: float) -> _Snapshot:
    """The state of our training."""
    params = state.variables.params
    leaves = jax.tree.leaves(state.opt_state, is_leaf=lambda leaf: isinstance(leaf, optax.ScaleByAdamState))
    (adam,) = (leaf for leaf in leaves if isinstance(leaf, optax.ScaleByAdamState))
    moments = _filled(adam.mu, params), _filled(adam.nu, params)
    return _Snapshot(params, *moments, learning_rate * float(state.lr_scale), "etm_jax")


def _filled(moments: Params, params: Params) -> Params:
    """The moments, with 0 for parameters that have none."""
    return {
        name: jax.tree.map(jnp.zeros_like, value) if isinstance(moments[name], optax.MaskedNode) else moments[name]
        for name, value in params.items()
    }


def _torch_training(both: _Both) -> list[_Snapshot]:
    """torch's snapshots, trained as in the published scripts, with adjidieng/ETM's plateau rule on the watched loss."""
    judge, settings = both.judge(), both.config.optimizer
    parameters = [p for p in judge.module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    (group,) = optimizer.param_groups
    snapshots = []
    seen: list[float] = []
    for step, rows in both.steps():
        optimizer.zero_grad()
        judge.run(both.batches.pair(rows, step)[0])["loss"].backward()
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimizer.step()
        if both.watches(step):
            with torch.no_grad():
                loss = judge.run(both.watched()[0])["loss"].item()
            risen = len(seen) > ANNEAL_PATIENCE and loss > min(seen[:-ANNEAL_PATIENCE])
            if risen and group["lr"] > LEAST_LR:
                group["lr"] /= ANNEAL_FACTOR
            seen.append(loss)
        if step in COMPARED_AFTER:
            snapshots.append(torch_snapshot(judge, optimizer))
    return snapshots


def torch_snapshot(judge: Judge, optimizer: torch.optim.Optimizer) -> _Snapshot:
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
    return _Snapshot(params, first, second, rate, judge.name)
