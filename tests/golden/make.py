"""Make the golden files beside this script, from live torch: python tests/golden/make.py

A file a case of the parity suite, by the live package where it is installed and our rendering of it elsewhere; both
give the same numbers. Each holds float64 arrays: `state/…` torch's parameters under its own names, `counts`, `inputs`,
`eps` and `mask_i` the batch, for the dynamic model `dated/…` what it reads besides, `out/…` every quantity of one
pass, `grad/…` the gradients, and where the case is a variant's plain one `REGIME/STEP/params`, `first` and `second`:
all parameters and Adam's moments, end to end in the order of our names, after that many steps on this batch.

evaluation.npz, made where embedded-topic-model is installed, holds its figures of a random model: `train`, `half2`,
`theta` and `beta` went in, and it gave `perplexity`, and `coherence_n` and `diversity_n` over the n most probable.
"""

import contextlib
import io
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import scipy.sparse as sp

HERE = Path(__file__).parent
SMALL = {"num_topics": 3, "hidden": (6, 6), "embed_dim": 4, "decoder_hidden": (5,), "eta_hidden_size": 5}
DOCS, V = 9, 16
REGIMES = {"plain": {"weight_decay": 0.0}, "decayed_clipped": {"weight_decay": 1e-3, "clip_norm": 0.5}}
STEPS = (1, 10)
EVALUATION = "evaluation.npz"


def counts() -> sp.csr_matrix:
    """[9, 16]: documents of several words, one of a single word, one of one word many times."""
    rng = np.random.default_rng(7)
    dense = rng.poisson(0.6, (DOCS, V)) * rng.integers(1, 4, (DOCS, V))
    dense[3] = (np.arange(V) == 5) * 1
    dense[4] = (np.arange(V) == 2) * 11
    dense[0, 0] += 1
    return sp.csr_matrix(dense)


def file_of(case_name: str) -> Path:
    """The golden file of a case."""
    name = case_name.replace("ρ", "rho").replace("ε", "eps").replace(",", "").replace(" ", "_")
    return Path(f"{name}.npz")


def make(folder: Path) -> list[Path]:
    """Write every file into `folder` that can be made with what is installed."""
    import torch

    from etm_jax.parity.cases import CASES, judges_of
    from etm_jax.parity.judges import installed

    torch.use_deterministic_algorithms(True)
    written = []
    for case in CASES:
        small = case._replace(given=SMALL | case.given)
        *_, judge = judges_of(small, None)
        path = folder / file_of(case.name)
        np.savez_compressed(path, **_arrays(small, judge))
        written.append(path)
    if installed("embedded-topic-model"):
        written.append(folder / EVALUATION)
        np.savez_compressed(written[-1], **_evaluation())
    return written


def _arrays(case, make_judge) -> dict[str, np.ndarray]:
    import torch

    from etm_jax.corpus.inputs import encoder_input
    from etm_jax.corpus.types import Vocabulary
    from etm_jax.parity.cases import Batches, shape_of
    from etm_jax.parity.passes import flat, torch_quantities

    config = case.config()
    matrix = counts()
    df = np.asarray((matrix > 0).sum(0)).ravel()
    vocabulary = Vocabulary([f"w{i}" for i in range(V)], df, np.asarray(matrix.sum(0)).ravel(), DOCS, "none")
    inputs = encoder_input(
        matrix, "tfidf" if config.model.use_tfidf else config.model.encoder_input, vocabulary, np.float64
    )
    batch, _, _ = Batches.of(matrix, inputs, DOCS, np.float64, config).pair(np.arange(DOCS), 0)

    def fresh():
        torch.manual_seed(3)
        return make_judge(config, shape_of(config, V), torch.float64)

    judge = fresh()
    found = {f"state/{name}": tensor.detach().numpy().copy() for name, tensor in judge.state().items()}
    found |= {"counts": batch.counts.numpy(), "inputs": batch.inputs.numpy(), "eps": batch.eps.numpy()}
    if batch.dated:
        found |= {f"dated/{name}": np.array(value) for name, value in batch.dated._asdict().items()}
    found |= {f"mask_{i}": mask.numpy() for i, mask in enumerate(batch.masks) if mask is not None}
    out, gradients = torch_quantities(judge, batch)
    found |= {f"out/{name}": array for name, array in out.items()}
    found |= {f"grad/{name}": array.copy() for name, array in flat(gradients).items()}
    if "," not in case.name:
        for name, given in REGIMES.items():
            found |= {f"{name}/{key}": array for key, array in _trained(fresh(), batch, case.config(**given)).items()}
    return found


def _trained(judge, batch, config) -> dict[str, np.ndarray]:
    import torch

    from etm_jax.parity.passes import flat
    from etm_jax.parity.snapshots import torch_snapshot

    parameters = [p for p in judge.module.parameters() if p.requires_grad]
    settings = config.optimizer
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    found = {}
    for step in range(1, max(STEPS) + 1):
        optimizer.zero_grad()
        judge.run(batch)["loss"].backward()
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimizer.step()
        if step in STEPS:
            snapshot = torch_snapshot(judge, optimizer)
            for part in ("params", "first", "second"):
                arrays = flat(getattr(snapshot, part))
                # α's bias walks at random: its gradient is rounding, out of which Adam makes steps.
                arrays |= {name: np.zeros_like(array) for name, array in arrays.items() if name == "alpha_bias"}
                found[f"{step}/{part}"] = np.concatenate([array.ravel() for array in arrays.values()])
    return found


def _evaluation() -> dict[str, np.ndarray]:
    import torch
    from embedded_topic_model.models import etm
    from embedded_topic_model.utils import metrics

    rng, words = np.random.default_rng(1), [f"w{i}" for i in range(30)]
    train, half1, half2 = (_documents(rng, size, len(words)) for size in (40, 6, 6))
    torch.manual_seed(0)
    # It says what it does on standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        model = etm.ETM(words, num_topics=4, rho_size=5, t_hidden_size=6, train_embeddings=True, eval_batch_size=6)
        with torch.no_grad():
            for parameter in model.model.parameters():
                # Further from uniform, so that topics differ.
                parameter.mul_(3)
        halves = {"test": _tokens(half1), "test1": _tokens(half1), "test2": _tokens(half2)}
        # It rounds the perplexity to one decimal, which would hide differences.
        with mock.patch.object(etm, "round", lambda number, digits: number, create=True):
            perplexity = model._perplexity(halves)
        beta, theta = model.get_topic_word_dist().numpy(), model.transform(_tokens(half1)).numpy()
    found = {"train": train, "half2": half2, "theta": theta, "beta": beta, "perplexity": np.array(perplexity)}
    documents = _tokens(train)["tokens"]
    for n in (5, 10):
        found[f"coherence_{n}"] = np.array(metrics.get_topic_coherence(beta, documents, words, top_n=n))
        found[f"diversity_{n}"] = np.array(metrics.get_topic_diversity(beta, n))
    return found


def _documents(rng: np.random.Generator, size: int, num_words: int) -> np.ndarray:
    """Counts of documents of 2 to 12 distinct words, the first words being the commonest."""
    share = 1 / np.arange(2.0, num_words + 2)
    dense = np.zeros((size, num_words))
    for row in dense:
        distinct = rng.choice(num_words, rng.integers(2, 13), replace=False, p=share / share.sum())
        row[distinct] = rng.integers(1, 4, len(distinct))
    return dense


def _tokens(dense: np.ndarray) -> dict[str, list[np.ndarray]]:
    """The paper's own format: the distinct words of each document, and how often each occurs."""
    return {"tokens": [np.flatnonzero(row) for row in dense], "counts": [row[row > 0] for row in dense]}


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[1]))
    for written in make(HERE):
        print(f"{written.name}: {written.stat().st_size:,} bytes")
