"""A complete training in torch and in JAX, with the same order and noise: a table and a plot of its curves."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import torch

from etm_jax.config.build import Config
from etm_jax.corpus.inputs import encoder_input
from etm_jax.inference.theta import infer_theta
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.topics import diversity, npmi_coherence, top_words
from etm_jax.parity.cases import Batches, Case, Make, Material, shape_of
from etm_jax.parity.judges import Judge, TorchBatch
from etm_jax.parity.ours import precision, weights_of
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, TrainState, beta_step, new_state, update_step
from etm_jax.util.console import track
from etm_jax.util.extras import require
from etm_jax.util.files import replace_file, replace_text
from etm_jax.util.tables import TableWriter

MEASURES = ("loss", "perplexity", "coherence", "diversity")
TITLES = ("nelbo, nats per document", "completion perplexity", "coherence (NPMI, top 10)", "diversity (top 25)")
SIDES = ("torch", "jax")


class Point(NamedTuple):
    """The measures of one side after one epoch, in the order of MEASURES."""

    loss: float
    perplexity: float
    coherence: float
    diversity: float


class Curves(NamedTuple):
    """The epochs of a case: pairs of torch's and our point."""

    case: str
    against: str
    epochs: list[tuple[Point, Point]]


def train_both(case: Case, make: Make, material: Material, epochs: int, dtype: str) -> Curves:
    """Train both sides for `epochs`, with a progress bar."""
    config = case.config()
    shape = shape_of(config, len(material.corpus.vocabulary))
    batches = material.batches(config, dtype, config.train.batch_size)
    torch.manual_seed(0)
    judge = make(config, shape, getattr(torch, dtype))
    with precision(dtype):
        weights = weights_of(judge, config, shape, num_steps=epochs * len(batches))
        ours = _our_epochs(new_state(weights.variables, weights.spec), weights.spec, batches, material, epochs)
        pairs = zip(_torch_epochs(judge, batches, material, epochs), ours, strict=True)
        points = list(track(pairs, f"curves of {case.name}", epochs, "epochs"))
    return Curves(case.name, judge.name, points)


def _our_epochs(state: TrainState, spec: Spec, batches: Batches, material: Material, epochs: int) -> Iterator[Point]:
    """Our point after each epoch."""
    update = jax.jit(update_step, static_argnames="spec", donate_argnames="state")
    half = _first_halves(material, batches.config, batches.batcher.dtype)
    steps = itertools.count()
    for epoch in range(epochs):
        nats = 0.0
        for rows in batches.epoch(epoch):
            _, batch, noise = batches.pair(rows, next(steps))
            state, sums = update(state, batch, noise, spec)
            nats += float(sums.recon + sums.kl)
        beta = np.asarray(beta_step(state.variables, spec))
        yield _point(nats / batches.counts.shape[0], beta, infer_theta(state.variables, half, spec), material)


def _torch_epochs(judge: Judge, batches: Batches, material: Material, epochs: int) -> Iterator[Point]:
    """torch's point after each epoch."""
    config = batches.config
    optimizer = torch.optim.Adam(
        [p for p in judge.module.parameters() if p.requires_grad],
        lr=config.optimizer.learning_rate,
        weight_decay=config.optimizer.weight_decay,
    )
    half = _first_halves(material, config, batches.batcher.dtype)
    counts, inputs = (torch.from_numpy(matrix.toarray().astype(half.dtype)) for matrix in (half.counts, half.inputs))
    mean = TorchBatch(counts, inputs, torch.zeros(len(counts), config.model.num_topics, dtype=counts.dtype), ())
    steps = itertools.count()
    for epoch in range(epochs):
        nats = 0.0
        for rows in batches.epoch(epoch):
            theirs, _, _ = batches.pair(rows, next(steps))
            optimizer.zero_grad()
            loss = judge.run(theirs)["loss"]
            loss.backward()
            optimizer.step()
            nats += loss.item() * (len(rows) if config.objective.reduction == "mean" else 1)
        with torch.no_grad():
            out = {name: tensor.numpy() for name, tensor in judge.run(mean).items()}
        yield _point(nats / batches.counts.shape[0], out["beta"], out["theta"], material)


def _first_halves(material: Material, config: Config, dtype: Any) -> Batcher:
    """The first halves of the test documents, as the encoder reads them."""
    counts = material.corpus.test_h1
    kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
    return Batcher(counts, encoder_input(counts, kind, material.corpus.vocabulary, dtype), 512, dtype=dtype)


def _point(loss: float, beta: np.ndarray, theta: np.ndarray, material: Material) -> Point:
    """A point. beta: [K, V]; theta: [T, K], of the first halves of the test documents."""
    return Point(
        loss,
        completion_perplexity(theta, beta, material.corpus.test_h2).by_document,
        float(npmi_coherence(top_words(beta, 10), material.corpus.train.counts).mean()),
        diversity(top_words(beta, 25)),
    )


def check_drawing() -> None:
    """Raise UserError where matplotlib is missing, before hours of training."""
    require("matplotlib", "figures", "--only=curves")


def write_csv(path: Path, all_curves: list[Curves]) -> None:
    """Write a line for each epoch, with torch's measures and ours."""
    text = io.StringIO()
    columns = [f"{measure}_{side}" for measure in MEASURES for side in SIDES]
    table = TableWriter(text, ["variant", "against", "epoch", *columns])
    for curves in all_curves:
        for epoch, (theirs, ours) in enumerate(curves.epochs, 1):
            values = [f"{value:.9g}" for pair in zip(theirs, ours, strict=True) for value in pair]
            table.write([curves.case, curves.against, epoch, *values])
    replace_text(path, text.getvalue())


def draw(path: Path, all_curves: list[Curves]) -> None:
    """Plot a row of panels for each variant, one panel for each measure; torch as a broad pale line under ours."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(
        len(all_curves), len(MEASURES), figsize=(3.6 * len(MEASURES), 2.9 * len(all_curves)), squeeze=False
    )
    for curves, panels in zip(all_curves, grid, strict=True):
        for j, (title, panel) in enumerate(zip(TITLES, panels, strict=True)):
            theirs, ours = (np.array([pair[side][j] for pair in curves.epochs]) for side in (0, 1))
            epochs = np.arange(1, len(theirs) + 1)
            panel.plot(epochs, theirs, color="#f4a261", linewidth=5, alpha=0.75, solid_capstyle="round", label="torch")
            panel.plot(epochs, ours, color="#1d3557", linewidth=1.3, label="etm_jax")
            apart = np.abs(ours - theirs).max() / np.abs(theirs).max()
            panel.set_title(title, fontsize=10)
            panel.annotate(
                f"largest difference {apart:.0e} of the scale" if apart else "identical",
                (0.97, 0.06 if theirs[-1] > theirs[0] else 0.94),
                xycoords="axes fraction",
                ha="right",
                va="bottom" if theirs[-1] > theirs[0] else "top",
                fontsize=7.5,
                color="#555555",
            )
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(color="#e6e6e6", linewidth=0.7)
            panel.tick_params(labelsize=8)
        panels[0].set_ylabel(f"{curves.case}\nagainst {curves.against}", fontsize=9)
    for panel in grid[-1]:
        panel.set_xlabel("epoch", fontsize=9)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncol=2, frameon=False, fontsize=9)
    figure.suptitle("The same weights, order and noise in torch and in etm_jax", x=0.01, ha="left", fontsize=12)
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    with replace_file(path) as file:
        figure.savefig(file, format="png", dpi=150)
    plt.close(figure)
