"""Training compared: single steps from one state, and many steps on the same batches with the same noise.

Adam divides a gradient by its own size, so that where it is all rounding a step is too, and two exact programs part
ways. A step from one state may therefore be off, in each element, by what `etm_jax.parity.rounding` derives for it; two
trainings may be as far apart as torch is from itself where its gradients are off by that much.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import torch

from etm_jax.config.build import Config
from etm_jax.interop import to_torch
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Params
from etm_jax.models.noise import Noise
from etm_jax.parity.cases import Batches, Case, Make, Material, shape_of
from etm_jax.parity.judges import Judge, Shape, TorchBatch
from etm_jax.parity.ours import precision, weights_of
from etm_jax.parity.passes import CANCELS, flat
from etm_jax.parity.rounding import Adam, Arrays, Moments, clipped, gradient_bounds, roundings, step_bounds
from etm_jax.parity.rows import Row, compare_elements, rms_apart, worst
from etm_jax.parity.snapshots import Snapshot, after_torch, our_snapshot, torch_snapshot
from etm_jax.training.plateau import LEAST_LR, anneal
from etm_jax.training.steps import batch_loss, new_state, update_step

BATCH_SIZE = 64
COMPARED_AFTER = (1, 10, 200)

ANNEAL_EVERY, ANNEAL_PATIENCE, ANNEAL_FACTOR = 10, 3, 4.0
"""The plateau schedule reads the loss of one batch every ten steps, which is often enough for it to act here."""


class Regime(NamedTuple):
    """What is switched on.

    given: settings by field name; plateau: whether the learning rate is annealed; followed: whether the trainings are
    compared as wholes too.
    """

    name: str
    given: dict[str, Any]
    plateau: bool = False
    followed: bool = False


WEIGHT_DECAY, CLIP_NORM = {"weight_decay": 1.2e-6}, {"clip_norm": 1.0}
OFF: dict[str, Any] = {"weight_decay": 0.0}
REGIMES = (
    Regime("plain Adam", OFF, followed=True),
    Regime("weight decay", WEIGHT_DECAY),
    Regime("clipping", OFF | CLIP_NORM),
    Regime("plateau", OFF | {"learning_rate": 0.01}, plateau=True),
    Regime("all three", WEIGHT_DECAY | CLIP_NORM | {"learning_rate": 0.01}, plateau=True, followed=True),
)


def training_rows(case: Case, regime: Regime, make: Make, material: Material) -> Iterator[Row]:
    """The rows of one case in one regime, in float64."""
    both = _Both.of(case, regime, make, material, "float64", COMPARED_AFTER)
    with precision(both.dtype):
        ours, off = _Ours(both), Arrays()
        found: list[Row] = []
        states: list[Snapshot] = []
        for step in _single_steps(both, ours):
            found += step.rows(both)
            states.append(step.theirs)
            off = off or step.gradients
        if regime.followed:
            found += _followed_rows(both, ours, states, off)
    yield from found


def float32_rows(case: Case, make: Make, material: Material) -> Iterator[Row]:
    """Single steps of plain Adam in float32.

    There is no row for trainings as wholes: the roundings of one step take two of them as far apart as they ever get.
    """
    both = _Both.of(case, REGIMES[0], make, material, "float32", COMPARED_AFTER[:-1])
    with precision(both.dtype):
        found = [row for step in _single_steps(both, _Ours(both)) for row in step.rows(both)]
    yield from found


class _Both(NamedTuple):
    """What both sides train with: a regime, settings, sizes and batches, and a function that makes the torch model.

    name: of the rows; compared: the numbers of the steps to compare, ascending.
    """

    case: Case
    name: str
    regime: Regime
    config: Config
    shape: Shape
    batches: Batches
    make: Make
    dtype: str
    compared: tuple[int, ...]

    @classmethod
    def of(
        cls, case: Case, regime: Regime, make: Make, material: Material, dtype: str, compared: tuple[int, ...]
    ) -> "_Both":
        config = case.config(**regime.given)
        train = dataclasses.replace(
            config.train, anneal_lr=True, anneal_patience=ANNEAL_PATIENCE, anneal_factor=ANNEAL_FACTOR
        )
        config = dataclasses.replace(config, train=train)
        shape = shape_of(config, len(material.corpus.vocabulary))
        batches = material.batches(config, dtype, BATCH_SIZE)
        return cls(case, f"{case.name}, {regime.name}", regime, config, shape, batches, make, dtype, compared)

    def judge(self, dtype: str = "") -> Judge:
        """A new torch model, with the same weights each time."""
        torch.manual_seed(0)
        return self.make(self.config, self.shape, getattr(torch, dtype or self.dtype))

    def steps(self) -> Iterator[tuple[int, np.ndarray]]:
        """The number, from 1, and the rows [≤ B] of each step, over as many epochs as needed."""
        rows = itertools.chain.from_iterable(self.batches.epoch(epoch) for epoch in itertools.count())
        return enumerate(itertools.islice(rows, max(self.compared)), 1)

    def watches(self, step: int) -> bool:
        """Whether the plateau schedule reads the loss of `watched` after this step."""
        return self.regime.plateau and step % ANNEAL_EVERY == 0

    def watched(self) -> tuple[TorchBatch, Batch, Noise]:
        """The batch whose loss the plateau schedule reads."""
        return self.batches.pair(np.arange(BATCH_SIZE), 0)

    @property
    def unit(self) -> float:
        """Half the spacing of numbers at 1: what one rounding is off by."""
        return float(np.finfo(self.dtype).eps) / 2


class _Torch:
    """torch's training, as in the published scripts, with adjidieng/ETM's plateau rule on the watched loss.

    off: what is added to every gradient or taken from it, at random.
    """

    def __init__(self, both: _Both, off: Arrays | None = None) -> None:
        self._both, self.judge, settings = both, both.judge(), both.config.optimizer
        layout = both.case.layout
        self._off = to_torch(_nested(off), layout) if off else {}
        self._parameters = [p for p in self.judge.module.parameters() if p.requires_grad]
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._seen: list[float] = []
        self._random = torch.Generator().manual_seed(0)

    @property
    def adam(self) -> dict[str, Any]:
        """The optimizer's settings: lr, betas, eps and others."""
        return self._optimizer.param_groups[0]

    def step(self, batch: TorchBatch, *_: object) -> None:
        """One step."""
        self._optimizer.zero_grad()
        self.judge.run(batch)["loss"].backward()
        for name, parameter in self.judge.module.named_parameters():
            if name in self._off and parameter.grad is not None:
                signs = torch.randint(2, parameter.shape, generator=self._random, dtype=parameter.dtype).mul_(2).sub_(1)
                parameter.grad.addcmul_(signs, self._off[name])
        if clip_norm := self._both.config.optimizer.clip_norm:
            torch.nn.utils.clip_grad_norm_(self._parameters, clip_norm)
        self._optimizer.step()

    def anneal(self) -> None:
        """Divide the learning rate where the watched loss has risen."""
        with torch.no_grad():
            loss = self.judge.run(self._both.watched()[0])["loss"].item()
        risen = len(self._seen) > ANNEAL_PATIENCE and loss > min(self._seen[:-ANNEAL_PATIENCE])
        if risen and self.adam["lr"] > LEAST_LR:
            self.adam["lr"] /= ANNEAL_FACTOR
        self._seen.append(loss)

    def snapshot(self) -> Snapshot:
        """The state now."""
        return torch_snapshot(self.judge, self._optimizer)

    def bounds(self, number: int, batch: TorchBatch) -> tuple[Arrays, Moments]:
        """How far two programs may be apart in the gradient of the step that comes, and after it."""
        both = self._both
        exact = both.judge("float64")
        exact.module.load_state_dict(self.judge.module.state_dict())
        wide = batch.double()
        size = both.unit * roundings(both.shape, BATCH_SIZE)
        gradients, raw = gradient_bounds(exact, wide, size)
        off = raw
        if clip_norm := both.config.optimizer.clip_norm:
            gradients, off = clipped(gradients, raw, clip_norm, size)
        group = self.adam
        adam = Adam(number, group["lr"], group["betas"], group["eps"], group["weight_decay"], both.unit)
        return raw, step_bounds(adam, Moments(*map(_flat64, self.snapshot()[:3])), gradients, off)


class _Ours:
    """Our training, with our plateau rule."""

    def __init__(self, both: _Both) -> None:
        self._both = both
        spec, variables = weights_of(both.judge(), both.config, both.shape, max(both.compared), both.batches.of_corpus)
        self._first = new_state(variables, spec)
        # Functions of this object alone, so that nothing compiled for another one is used.
        self._update = jax.jit(lambda state, batch, noise: update_step(state, batch, noise, spec))
        self._loss = jax.jit(partial(batch_loss, spec=spec))
        self.restart()

    def restart(self) -> None:
        """Go back to the state before the first step."""
        self.state, self._losses = self._first, [np.inf]

    @property
    def learning_rate(self) -> float:
        """The step size, after annealing."""
        return self._both.config.optimizer.learning_rate * float(self.state.lr_scale)

    def step(self, _: object, batch: Batch, noise: Noise) -> None:
        """One step."""
        self.state, _ = self._update(self.state, batch, noise)

    def go_on_from(self, snapshot: Snapshot, steps: int) -> None:
        """Go on from torch's state after so many steps, with our own learning rate."""
        self.state = after_torch(self.state, snapshot, steps)

    def anneal(self) -> None:
        """Divide the learning rate where the watched loss has risen."""
        _, batch, noise = self._both.watched()
        self._losses.append(float(self._loss(*self.state.variables, batch, noise)[0]))
        self.state = anneal(self.state, self._both.config.train, self._losses, self.learning_rate)

    def snapshot(self) -> Snapshot:
        """The state now."""
        return our_snapshot(self.state, self._both.config.optimizer.learning_rate)


class _SingleStep(NamedTuple):
    """A step of both from torch's state before it, and how far they may be apart in its gradient and after it."""

    number: int
    judge: str
    theirs: Snapshot
    ours: Snapshot
    gradients: Arrays
    bounds: Moments

    def rows(self, both: _Both) -> Iterator[Row]:
        """A row for parameters and moments each, of the element that is worst, and one for the learning rate."""
        for part, label in PARTS.items():
            theirs, ours, bounds = flat(getattr(self.theirs, part)), flat(getattr(self.ours, part)), self.bounds
            rows = [
                Row(both.dtype, both.name, self.judge, name, *compare_elements(*arrays), is_absolute=True)
                for name in theirs
                if name != CANCELS
                for arrays in [(theirs[name], ours[name], getattr(bounds, part)[name])]
            ]
            yield worst(rows, f"{label} of step {self.number}")
        rate, own = self.theirs.learning_rate, self.ours.learning_rate
        quantity = f"step size after {self.number}: {rate:g}"
        yield Row(both.dtype, both.name, self.judge, quantity, *rms_apart(np.array(rate), np.array(own)), 8 * both.unit)


PARTS = {"params": "parameters", "first": "first moments", "second": "second moments"}
"""What a snapshot holds, and how a row calls it."""


def _single_steps(both: _Both, ours: _Ours) -> Iterator[_SingleStep]:
    """The compared steps of torch's training, and ours from the state before each."""
    theirs = _Torch(both)
    for number, rows in both.steps():
        batch, *_ = given = both.batches.pair(rows, number)
        if compared := number in both.compared:
            ours.go_on_from(theirs.snapshot(), number - 1)
            bounds = theirs.bounds(number, batch)
            ours.step(*given)
            found = ours.snapshot()
        theirs.step(*given)
        if both.watches(number):
            theirs.anneal()
            ours.go_on_from(theirs.snapshot(), number)
            ours.anneal()
        if compared:
            found = found._replace(learning_rate=ours.learning_rate)
            yield _SingleStep(number, theirs.judge.name, theirs.snapshot(), found, *bounds)


def _followed_rows(both: _Both, ours: _Ours, states: list[Snapshot], off: Arrays) -> Iterator[Row]:
    """Rows of trainings as wholes, which may be as far apart as torch is from torch with gradients that are off.

    states: torch's, after each of the compared steps. off: the bounds of the gradients of the first step, which stand
    for those of all: the size of rounding hardly changes.
    """
    ours.restart()
    other = _Torch(both, off)
    compared = list(zip(both.compared, states, _snapshots(both, other), _snapshots(both, ours), strict=True))
    for number, *snapshots in compared[1:]:
        for part, label in PARTS.items():
            theirs, moved, own = (flat(getattr(snapshot, part)) for snapshot in snapshots)
            rows = [
                Row(both.dtype, both.name, other.judge.name, name, *rms_apart(theirs[name], own[name]), tolerance)
                for name in theirs
                if name != CANCELS
                for tolerance in [rms_apart(theirs[name], moved[name])[1]]
            ]
            yield worst(rows, f"{label} after {number}")


def _snapshots(both: _Both, side: _Torch | _Ours) -> list[Snapshot]:
    """The snapshots of a training of one side by itself."""
    snapshots = []
    for number, rows in both.steps():
        side.step(*both.batches.pair(rows, number))
        if both.watches(number):
            side.anneal()
        if number in both.compared:
            snapshots.append(side.snapshot())
    return snapshots


def _nested(arrays: Arrays) -> Params:
    """Arrays by dotted names as a tree."""
    found: Params = {}
    for name, array in arrays.items():
        *path, last = name.split(".")
        layer = found
        for key in path:
            layer = layer.setdefault(key, {})
        layer[last] = array
    return found


def _flat64(params: Params) -> Arrays:
    """Arrays by dotted names, in float64."""
    return {name: array.astype(np.float64) for name, array in flat(params).items()}
