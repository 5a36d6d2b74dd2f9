"""Inference: from counts to topic proportions; seconds a document."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.compare import Figures, Row, Side
from benchmarks.training import CORPUS, KEPT, TOPICS, torch_device

ONE_BY_ONE = 200
"""Documents that torch is given one by one."""


def rows() -> list[Row]:
    """Row 5 of the table."""
    ours, torch, lda = f"{__name__}:our_counts", f"{__name__}:torch_counts", f"{__name__}:lda_counts"
    return [
        Row(
            "5 counts",
            "report, counts to θ",
            "document",
            Side("ours", ours, {"variant": "ntm"}),
            (Side("torch's inference", torch, {}),),
            (10.0,),
            (30.0,),
        ),
        Row(
            "5 Newton",
            "default, counts to θ",
            "document",
            Side("ours, 10 Newton steps", ours, {"variant": "default"}),
            (Side("torch's inference", torch, {}), Side("tomotopy's infer", lda, {})),
            (10.0,),
            (30.0,),
        ),
    ]


def prepared(variant: str, **given: Any) -> tuple[Any, Any]:
    """The settings of a variant and the corpus. given: by name of a setting, in place of those that all sides have."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source

    config = make_config(variant, {**CORPUS, "num_topics": TOPICS, "vectors": "random", "embed_dim": 100, **given})
    return config, prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")


def our_theta_of(variant: str, **given: Any) -> tuple[Any, Callable[[Any], np.ndarray]]:
    """The corpus, and θ of counts [D, V] by weights as they are before training, which take as long."""
    from etm_jax.config.settings import RunOptions
    from etm_jax.corpus.inputs import encoder_input
    from etm_jax.inference.theta import infer_theta
    from etm_jax.training.batches import Batcher
    from etm_jax.training.initialize import initialize

    config, corpus = prepared(variant, **given)
    record, variables = initialize(config, RunOptions(), corpus, None, None)
    assert variables is not None
    spec = record.spec()

    def theta(counts: Any) -> np.ndarray:
        inputs = encoder_input(counts, config.model.encoder_input, corpus.vocabulary)
        return infer_theta(variables, Batcher(counts, inputs, record.batch_size), spec)

    return corpus, theta


def our_counts(variant: str) -> Callable[[], Figures]:
    """All training documents."""
    corpus, theta = our_theta_of(variant)
    counts = corpus.train.counts

    def timed() -> Figures:
        started = time.perf_counter()
        theta(counts)
        return {"seconds": (time.perf_counter() - started) / counts.shape[0]}

    timed()
    return timed


def torch_theta_of(vocab_size: int) -> Callable[[list[tuple[int, int]]], Any]:
    """θ of a bag of (word, count), as zll17/Neural_Topic_Models infers it: one dense row at a time."""
    import torch

    from etm_jax.parity.torch_models import EVAE
    from experiments.fits import CORES

    torch.set_num_threads(CORES)
    module = EVAE([vocab_size, 1024, 512, TOPICS], 300).to(torch_device())

    def theta(bag: list[tuple[int, int]]) -> Any:
        row = torch.zeros(1, vocab_size)
        for word, times in bag:
            row[0][word] += float(times)
        with torch.no_grad():
            return torch.softmax(module.fc1(module.encode(row.to(torch_device()))[0]), dim=1).squeeze(0).cpu().numpy()

    return theta


def _bags(counts: Any, number: int) -> list[list[tuple[int, int]]]:
    rows = [counts[i] for i in range(number)]
    return [list(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in rows]


def torch_counts() -> Callable[[], Figures]:
    """The first documents, one by one."""
    _, corpus = prepared("ntm")
    theta, bags = torch_theta_of(len(corpus.vocabulary)), _bags(corpus.train.counts, ONE_BY_ONE)

    def timed() -> Figures:
        started = time.perf_counter()
        for bag in bags:
            theta(bag)
        return {"seconds": (time.perf_counter() - started) / len(bags)}

    timed()
    return timed


def lda_counts() -> Callable[[], Figures]:
    """tomotopy's inference of the test documents, by a model of fifty sweeps; its documents are made beforehand."""
    from etm_jax.models.lda import tomotopy_model, tomotopy_theta

    _, corpus = prepared("default")
    model = tomotopy_model(corpus.train.counts, TOPICS, seed=1)
    model.train(50, workers=0)
    counts = corpus.test.counts

    def timed() -> Figures:
        started = time.perf_counter()
        tomotopy_theta(model, counts)
        return {"seconds": (time.perf_counter() - started) / counts.shape[0]}

    return timed
