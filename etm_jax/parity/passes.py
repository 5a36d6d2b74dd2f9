"""One batch: every quantity of the forward pass, and the gradient of every parameter."""

from collections.abc import Iterator

import jax
import numpy as np
import torch
from torch import Tensor

from etm_jax.interop import to_torch
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Params
from etm_jax.parity import judges
from etm_jax.parity.cases import Case, Make, Material, shape_of
from etm_jax.parity.judges import Judge, TorchBatch
from etm_jax.parity.ours import params_of, precision, quantities, weights_of
from etm_jax.parity.rows import GRADIENT, GRADIENT_TOLERANCE, SPREAD, TOLERANCE, Row, compare, worst
from etm_jax.parity.vae_rows import vae_rows

BATCH_SIZE = 256
CANCELS = "alpha_bias"
"""The parameter that cancels in the softmax. Its gradient is zero up to rounding in torch, and exactly zero here."""


def pass_rows(case: Case, make: Make, material: Material, dtype: str) -> Iterator[Row]:
    """The rows of one case and one judge."""
    config = case.config()
    shape = shape_of(config, len(material.corpus.vocabulary))
    batches = material.batches(config, dtype, BATCH_SIZE)
    rows = next(iter(batches.epoch(0)))
    torch.manual_seed(0)
    judge = make(config, shape, getattr(torch, dtype))
    with precision(dtype):
        theirs, ours, noise = batches.pair(rows, 0)
        wanted, wanted_gradients = torch_quantities(judge, theirs)
        found, gradients = quantities(weights_of(judge, config, shape, 1, batches.of_corpus), ours, noise)
    wanted["log_px"] = at_nonzeros(wanted["log_px"], ours)
    for name, values in wanted.items():
        shown = name if name != "log_px" else "log p(x) at the nonzeros"
        yield Row(dtype, case.name, judge.name, shown, *compare(values, found[name]), TOLERANCE[dtype])
    flat_gradients, flat_wanted = flat(gradients), flat(wanted_gradients)
    exact = flat_wanted if dtype == "float64" else _exact_gradients(case, make, material, rows)
    for name, values in flat_wanted.items():
        if name == "rho" and not config.vectors.train_rho:
            continue
        difference, own = compare(values, flat_gradients[name]), compare(exact[name], values)
        quantity, tolerance = f"{GRADIENT}{name}", GRADIENT_TOLERANCE[dtype]
        if name == CANCELS:
            tolerance = max(tolerance * float(np.abs(flat_wanted["alpha"]).max()), SPREAD * own[0])
            yield Row(dtype, case.name, judge.name, f"{quantity} (zero)", *difference, tolerance, is_absolute=True)
        else:
            # Where a gradient nearly cancels, torch's float32 is inexact too.
            yield Row(dtype, case.name, judge.name, quantity, *difference, max(tolerance, SPREAD * own[1]))


def _exact_gradients(case: Case, make: Make, material: Material, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The judge's gradients in float64, by our names. rows: [B]."""
    config = case.config()
    batch, _, _ = material.batches(config, "float64", BATCH_SIZE).pair(rows, 0)
    torch.manual_seed(0)
    judge = make(config, shape_of(config, len(material.corpus.vocabulary)), torch.float64)
    return flat(torch_quantities(judge, batch)[1])


def rendering_rows(case: Case, make: Make, material: Material) -> Iterator[Row]:
    """One row, in float64: all quantities of our rendering in torch, compared with a published model of the same
    weights.
    """
    config, dtype = case.config(), "float64"
    shape = shape_of(config, len(material.corpus.vocabulary))
    batches = material.batches(config, dtype, BATCH_SIZE)
    batch, _, _ = batches.pair(next(iter(batches.epoch(0))), 0)
    torch.manual_seed(0)
    live, ours = make(config, shape, torch.float64), judges.rendering(config, shape, torch.float64)
    state = to_torch(params_of(live.state()), case.layout)
    ours.module.load_state_dict(state, strict=True)
    both = (torch_quantities(judge, batch) for judge in (live, ours))
    wanted, found = (quantities | flat(gradients) for quantities, gradients in both)
    rows = [
        Row(dtype, case.name, live.name, name, *compare(values, found[name]), TOLERANCE[dtype])
        for name, values in wanted.items()
        if name != CANCELS
    ]
    yield worst(rows, "our rendering in torch")


def image_rows(dtype: str) -> Iterator[Row]:
    """The rows of the image VAE; those of its training in float64 only, for the reason in `training.float32_rows`."""
    with precision(dtype):
        for case, quantity, theirs, ours in vae_rows(dtype):
            if "steps" in quantity and dtype == "float32":
                continue
            tolerance = (GRADIENT_TOLERANCE if quantity.startswith(GRADIENT) else TOLERANCE)[dtype]
            yield Row(dtype, case, "our rendering", quantity, *compare(theirs, ours), tolerance)


def torch_quantities(judge: Judge, batch: TorchBatch) -> tuple[dict[str, np.ndarray], Params]:
    """The judge's quantities, [B, …] or scalars, and its gradients under our names; zero where torch has none."""
    judge.module.zero_grad()
    out = judge.run(batch)
    out["loss"].backward()
    gradients = {name: _gradient(tensor) for name, tensor in judge.module.named_parameters()}
    gradients |= {name: torch.zeros_like(tensor) for name, tensor in judge.fixed.items()}
    return {name: tensor.detach().numpy() for name, tensor in out.items()}, params_of(gradients)


def at_nonzeros(dense: np.ndarray, batch: Batch) -> np.ndarray:
    """The entries of a dense array at the nonzeros of the batch, in their order: [B, V] → [nnz]."""
    nnz = int(batch.pattern.row_starts[-1])
    picked: np.ndarray = dense[np.asarray(batch.pattern.rows)[:nnz], np.asarray(batch.pattern.cols)[:nnz]]
    return picked


def flat(params: Params) -> dict[str, np.ndarray]:
    """Arrays of any shape by dotted names such as `hidden_0.kernel`."""
    leaves = jax.tree.leaves_with_path(params)
    return {".".join(key.key for key in path): np.asarray(leaf) for path, leaf in leaves}


def _gradient(parameter: Tensor) -> Tensor:
    """The gradient of a parameter, in its shape; zero where torch has none."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
