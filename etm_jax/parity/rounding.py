"""How far rounding may take two programs apart in one training step: element by element, from torch alone.

A program that adds in another order, on another processor or with other vector instructions, is exact for values that
are off by some roundings. So the gradient is computed anew by torch with every input of every operation moved at random
by as much as all the roundings of a pass (Monte Carlo arithmetic: Parker 1997, UCLA CSD-970002). What that does to an
element is its bound, which Adam's arithmetic carries to moments and parameters. An element whose gradient is nothing
but rounding gets a wide bound, one whose gradient is exact a bound of a few units in the last place.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from etm_jax.parity.judges import Judge, Shape, TorchBatch
from etm_jax.parity.passes import flat, torch_quantities

DRAWS = 6
"""Inexact passes. One that misses an element, since it rounds up and down alike, is made good by the others."""

FEW = 8
"""Roundings in a formula of Adam's on both sides, which are not counted one by one."""

Arrays = dict[str, np.ndarray]
"""Arrays by our dotted names, such as `hidden_0.kernel`."""


def roundings(shape: Shape, batch_size: int) -> int:
    """How often a value is rounded on its way through a pass: at most once for each term of every sum."""
    walk = (0, 0) if shape.walk is None else (shape.walk.num_periods, shape.walk.units)
    widths = (*shape.hidden, shape.num_topics, shape.embed_dim, *shape.decoder_hidden, *walk)
    return sum((shape.vocab_size, *widths, batch_size))


class _Inexact(TorchDispatchMode):
    """Within it, every operation gets its inputs moved at random, by up to `size` relative to each number."""

    def __init__(self, size: float, seed: int) -> None:
        super().__init__()
        self._size, self._random = size, torch.Generator().manual_seed(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Views, and operations that write into their input, compute nothing here.
        if not (func.is_view or func._schema.is_mutable or any(out.alias_info for out in func._schema.returns)):
            args = tree_map(self._moved, args)
        return func(*args, **(kwargs or {}))

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return value
        return value.addcmul(value, torch.empty_like(value).uniform_(-1, 1, generator=self._random), value=self._size)


def gradient_bounds(judge: Judge, batch: TorchBatch, size: float) -> tuple[Arrays, Arrays]:
    """The gradient, and how far two programs may be apart in each element of it.

    judge, batch: in float64; size: of the roundings of a pass, relative.
    """

    def gradients() -> Arrays:
        return {name: array.copy() for name, array in flat(torch_quantities(judge, batch)[1]).items()}

    exact = gradients()
    squares = {name: np.zeros_like(array) for name, array in exact.items()}
    for seed in range(DRAWS):
        with _Inexact(size, seed):
            drawn = gradients()
        for name, array in drawn.items():
            squares[name] += (array - exact[name]) ** 2
    # Twice, since each of both may be off.
    return exact, {name: 2 * np.sqrt(total) for name, total in squares.items()}


class Adam(NamedTuple):
    """One step of torch.optim.Adam. number: from 1. unit: half the spacing of floating point numbers at 1."""

    number: int
    learning_rate: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    unit: float


class Moments(NamedTuple):
    """Parameters and both moments of them."""

    params: Arrays
    first: Arrays
    second: Arrays


def clipped(gradients: Arrays, bounds: Arrays, clip_norm: float, size: float) -> tuple[Arrays, Arrays]:
    """Gradients and their bounds after torch's clip_grad_norm_. size: of the roundings of a pass, relative."""
    norm, off = (float(np.sqrt(sum((a**2).sum() for a in arrays.values()))) for arrays in (gradients, bounds))
    scale = min(1.0, clip_norm / (norm + 1e-6))
    off_scale = off / norm + size
    return (
        {name: scale * array for name, array in gradients.items()},
        {name: scale * (bounds[name] + np.abs(array) * off_scale) for name, array in gradients.items()},
    )


def step_bounds(adam: Adam, before: Moments, gradients: Arrays, bounds: Arrays) -> Moments:
    """How far two programs may be apart after a step from the same state.

    before: that state, in float64; gradients: as Adam gets them, before its weight decay; bounds: how far apart they
    may be.
    """
    found = Moments({}, {}, {})
    few = FEW * adam.unit
    beta1, beta2 = adam.betas
    # Powers of β are products of `number` factors, and 1 less them cancels.
    shares = [1 - beta**adam.number for beta in adam.betas]
    unbiased1, unbiased2 = (few + adam.unit * (adam.number + FEW) / share for share in shares)
    for name, off in bounds.items():
        value, gradient = before.params[name], gradients[name]
        decay = adam.weight_decay * value
        off = off + few * (np.abs(decay) + np.abs(gradient)) * bool(adam.weight_decay)
        gradient = gradient + decay
        first = beta1 * before.first[name] + (1 - beta1) * gradient
        off1 = (1 - beta1) * off + few * (beta1 * np.abs(before.first[name]) + (1 - beta1) * (np.abs(gradient) + off))
        # √v is a norm of all gradients so far, which moves by no more than they do.
        root = np.sqrt(beta2 * before.second[name] + (1 - beta2) * gradient**2)
        off2 = np.sqrt(1 - beta2) * off
        off2 += few * (root + off2)
        below = root / np.sqrt(shares[1]) + adam.eps
        off_below = off2 / np.sqrt(shares[1]) + unbiased2 * below
        step = np.abs(first) / shares[0] / below
        off_above = off1 / shares[0] + unbiased1 * np.abs(first) / shares[0]
        off_step = (off_above + step * off_below) / np.maximum(below - off_below, adam.eps)
        off_step += few * (step + off_step)
        found.params[name] = adam.learning_rate * off_step + few * (np.abs(value) + adam.learning_rate * step)
        found.first[name] = off1
        found.second[name] = 2 * root * off2 + off2**2
    return found
