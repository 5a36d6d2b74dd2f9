"""Make the golden files beside this script from live torch: `python tests/golden/make.py`, with the extra `torch`.

A file of a model holds what went in (the state dict under torch's own names as `state/NAME`, counts, inputs, eps and
masks of ten steps) and what torch made of it in float64: mu, logvar, theta, beta, log_px at the nonzeros in row order;
recon, kl and loss; the gradient of every parameter; and parameters and both of Adam's moments after 1 and 10 steps.
Gradients, parameters and moments are one vector each, all arrays in the order of `names`. The files `*_package.npz`
come from the packages of that name and are left alone where these are not installed.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch

from etm_jax.config import Config, make_config
from etm_jax.parity import judges
from etm_jax.parity.judges import Judge, Shape, TorchBatch

FOLDER = Path(__file__).parent
V, K, L, HIDDEN, STEPS = 9, 3, 3, 4, 10
CANCELS = "alpha.bias"
"""Its gradient is zero but for rounding, out of which Adam makes whole steps: it is kept apart, and not after steps."""

COUNTS = np.array(
    [
        [3, 0, 1, 0, 2, 0, 0, 1, 0],
        [0, 4, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 12, 0, 1, 0, 0, 7],
        [0, 0, 0, 0, 0, 0, 1, 0, 0],
    ],
    np.float64,
)
"""Five documents, of which two have one distinct word, and one has a word only once."""

SMALL = {"num_topics": K, "hidden": (HIDDEN, HIDDEN), "embed_dim": L, "dropout": 0.5, "weight_decay": 0.0}


class Source(NamedTuple):
    """A model in torch. variant, given: its settings; regimes: how it is trained; package: whose it is, or ours."""

    variant: str
    given: dict[str, Any]
    regimes: tuple[str, ...] = ()
    package: str = ""

    def config(self, criterion: str = "cross_entropy") -> Config:
        """Our settings of the same model. ρ is trained."""
        return make_config(self.variant, {"train_rho": True} | SMALL | self.given | {"criterion": criterion})


REGIMES: dict[str, dict[str, float]] = {
    "plain": {},
    "decay and clip": {"weight_decay": 0.01, "clip_norm": 0.25},
}
"""Settings of the optimiser by name. The step size is the published one."""

SOURCES = {
    "report": Source("report", {}, tuple(REGIMES)),
    "paper": Source("paper", {}, tuple(REGIMES)),
    "gsm": Source("report", {"kind": "gsm", "decoder_hidden": (HIDDEN,)}, ("plain",)),
    "embedded_topic_model_package": Source("paper", {}, package="embedded-topic-model"),
    "topmost_package": Source("paper", {"likelihood_eps": judges.TOPMOST_EPS}, package="topmost"),
}
CRITERIA = {"report": ("cross_entropy", "bce_softmax", "bce_sigmoid"), "gsm": ("cross_entropy", "bce_softmax")}

Arrays = dict[str, np.ndarray]


def golden(name: str) -> Arrays:
    """What the file of that source holds."""
    source, config = SOURCES[name], SOURCES[name].config()
    arrays = _material(config)
    judge = _judge(name, config, arrays)
    state = {key: tensor.detach().numpy() for key, tensor in judge.state().items()}
    arrays |= {f"state/{key}": value.copy() for key, value in state.items()}
    arrays["names"] = np.array([key for key in state if key != CANCELS])
    for criterion in CRITERIA.get(name, ("cross_entropy",)):
        judge = _judge(name, source.config(criterion), arrays)
        batch = _batch(arrays, 0)
        out = judge.run(batch)
        out["loss"].backward()
        found = {key: tensor.detach().numpy() for key, tensor in out.items()}
        for key in ("recon", "kl", "loss"):
            arrays[f"{criterion}/{key}"] = found.pop(key)
        gradients = {key: p.grad for key, p in judge.module.named_parameters()}
        arrays[f"{criterion}/gradient"] = _flat(gradients, arrays)
        if CANCELS in state:
            arrays[f"{criterion}/gradient of {CANCELS}"] = gradients[CANCELS].numpy()
        if criterion == "cross_entropy":
            found["log_px"] = found["log_px"][np.nonzero(COUNTS)]
            arrays |= found
    for regime in source.regimes:
        arrays |= _trained(name, config, regime, arrays)
    return arrays


def _material(config: Config) -> Arrays:
    """Counts, the encoder's input, and for each step ε and the masks that the variant has."""
    rng = np.random.default_rng(0)
    inputs = COUNTS / COUNTS.sum(1, keepdims=True) if config.model.encoder_input == "normalized" else COUNTS
    arrays = {"counts": COUNTS, "inputs": inputs, "eps": rng.normal(size=(STEPS, len(COUNTS), K))}
    layers = len(config.model.hidden)
    for i in range(0 if config.model.dropout_layers == "all" else layers - 1, layers):
        arrays[f"mask_{i}"] = 2.0 * rng.integers(0, 2, (STEPS, len(COUNTS), HIDDEN))
    return arrays


def _judge(name: str, config: Config, arrays: Arrays) -> Judge:
    """The source's model, of the same weights each time."""
    torch.manual_seed(0)
    make = {"topmost": judges.topmost, "embedded-topic-model": judges.embedded_topic_model}
    shape = Shape(V, config.model.hidden, K, L, config.model.decoder_hidden)
    judge = make.get(SOURCES[name].package, judges.rendering)(config, shape, torch.float64)
    with torch.no_grad():
        for parameter in judge.module.parameters():
            # Further from uniform, so that what is compared has something to say.
            parameter.mul_(2)
    return judge


def _batch(arrays: Arrays, step: int) -> TorchBatch:
    masks = [torch.from_numpy(arrays[f"mask_{i}"][step]) if f"mask_{i}" in arrays else None for i in range(2)]
    counts, inputs = (torch.from_numpy(arrays[key]) for key in ("counts", "inputs"))
    return TorchBatch(counts, inputs, torch.from_numpy(arrays["eps"][step]), masks)


def _trained(name: str, config: Config, regime: str, arrays: Arrays) -> Iterator[tuple[str, np.ndarray]]:
    """`adam/REGIME/STEP/WHAT`, WHAT being params, first and second."""
    judge, settings = _judge(name, config, arrays), REGIMES[regime]
    named = dict(judge.module.named_parameters())
    optimizer = torch.optim.Adam(
        named.values(), lr=config.optimizer.learning_rate, weight_decay=settings.get("weight_decay", 0.0)
    )
    for step in range(STEPS):
        optimizer.zero_grad()
        judge.run(_batch(arrays, step))["loss"].backward()
        if "clip_norm" in settings:
            norm = torch.nn.utils.clip_grad_norm_(named.values(), settings["clip_norm"])
            assert norm > settings["clip_norm"], f"{regime} does nothing: the gradient's norm is {norm}"
        optimizer.step()
        if step + 1 in (1, STEPS):
            key = f"adam/{regime}/{step + 1}"
            yield f"{key}/params", _flat({n: p.detach() for n, p in named.items()}, arrays)
            for what, moment in (("first", "exp_avg"), ("second", "exp_avg_sq")):
                yield f"{key}/{what}", _flat({n: optimizer.state[p].get(moment) for n, p in named.items()}, arrays)


def _flat(tensors: dict[str, Any], arrays: Arrays) -> np.ndarray:
    """All arrays of `names` behind one another; zeros where torch has None, for a parameter that takes no part."""
    parts = []
    for key in arrays["names"]:
        tensor = tensors[str(key)]
        parts.append(np.zeros(arrays[f"state/{key}"].size) if tensor is None else tensor.numpy().ravel())
    return np.concatenate(parts)


def figures() -> Arrays:
    """Coherence, diversity and perplexity by embedded-topic-model. The model is of float32, and so its perplexity."""
    from embedded_topic_model.models import etm
    from embedded_topic_model.utils import metrics

    num_topics, num_words = 4, 30
    rng = np.random.default_rng(1)
    train, half1, half2 = (_documents(rng, size, num_words) for size in (40, 6, 6))
    words = [f"w{i}" for i in range(num_words)]
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        model: Any = etm.ETM(
            words, num_topics=num_topics, rho_size=5, t_hidden_size=6, train_embeddings=True, eval_batch_size=6
        )
        with torch.no_grad():
            for parameter in model.model.parameters():
                parameter.mul_(3)
        halves = {"test": _tokens(half1), "test1": _tokens(half1), "test2": _tokens(half2)}
        # It rounds the perplexity to one decimal, which would hide differences.
        with mock.patch.object(etm, "round", lambda number, digits: number, create=True):
            perplexity = model._perplexity(halves)
        beta, theta = model.get_topic_word_dist().numpy(), model.transform(_tokens(half1)).numpy()
    return {
        "train": train,
        "half2": half2,
        "theta": theta,
        "beta": beta,
        "perplexity": np.array(perplexity),
        **{
            f"coherence {n}": np.array(metrics.get_topic_coherence(beta, _tokens(train)["tokens"], words, top_n=n))
            for n in (5, 10)
        },
        **{f"diversity {n}": np.array(metrics.get_topic_diversity(beta, n)) for n in (5, 25)},
    }


def _documents(rng: np.random.Generator, size: int, num_words: int) -> np.ndarray:
    """Counts of documents of 2 to 12 distinct words, the first words being the commonest."""
    share = 1 / np.arange(2.0, num_words + 2)
    counts = np.zeros((size, num_words))
    for row in counts:
        distinct = rng.choice(num_words, rng.integers(2, 13), replace=False, p=share / share.sum())
        row[distinct] = rng.integers(1, 4, len(distinct))
    return counts


def _tokens(counts: np.ndarray) -> dict[str, list[np.ndarray]]:
    """The paper's own format: the distinct words of each document, and how often each occurs."""
    return {"tokens": [np.flatnonzero(row) for row in counts], "counts": [row[row > 0] for row in counts]}


def makeable() -> list[str]:
    """The files that can be made with what is installed."""
    names = [name for name, source in SOURCES.items() if not source.package or judges.installed(source.package)]
    return names + (["figures_package"] if judges.installed("embedded-topic-model") else [])


def make(name: str) -> Arrays:
    """What the file `name`.npz holds, the same to rounding on every machine."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        return figures() if name == "figures_package" else golden(name)
    finally:
        torch.use_deterministic_algorithms(before)


def main() -> None:
    made = makeable()
    for name in made:
        np.savez_compressed(FOLDER / f"{name}.npz", **make(name))
    left = sorted({*SOURCES, "figures_package"} - set(made))
    if left:
        print(f"left as they were, for want of their packages: {', '.join(left)}", file=sys.stderr)


if __name__ == "__main__":
    main()
