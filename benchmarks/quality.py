"""Time to quality: seconds from counts to the topic quality, TC·TD, that LDA reaches in 500 sweeps of tomotopy.

Ours by the default variant, word vectors and compilation included, up to the end of the first epoch that is as good;
measuring the quality is left out on both sides.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.compare import Figures, Measured, Row, Side
from benchmarks.training import KEPT

TOPICS = 50
PEOPLES_DAILY = {"corpus": "peoples_daily", "no_above": 0.02}


def rows(ng20: str) -> list[Row]:
    """Row 4 of the table."""
    corpora = {"People's Daily": PEOPLES_DAILY, "20 Newsgroups": {"corpus": ng20, "lang": "en"}}
    return [
        Row(
            f"4 {'ng20' if name[0] == '2' else 'pd'}",
            f"default, {name}: to LDA's quality",
            "run",
            Side("ours", f"{__name__}:our_epochs", {"corpus": corpus}),
            (Side("tomotopy, 500 sweeps", f"{__name__}:lda", {"corpus": corpus}),),
            (1.0,),
            (2.0,),
            finish=as_good,
        )
        for name, corpus in corpora.items()
    ]


def as_good(measured: list[Measured]) -> list[Measured]:
    """Ours with the seconds of the first epoch that is as good as LDA's topics of the same repetition."""
    ours, lda = measured
    if ours.not_run or lda.not_run:
        return measured
    seconds = []
    for found, wanted in zip(ours.figures, lda.figures, strict=True):
        reached = [second for second, quality in found["epochs"] if quality >= wanted["quality"]]
        if not reached:
            return [ours._replace(not_run="LDA's quality was not reached"), lda]
        seconds.append(reached[0])
    return [ours._replace(seconds=seconds), lda]


def _prepared(corpus: Figures) -> tuple[Any, Any]:
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.util.errors import UserError

    if not corpus["corpus"]:
        raise UserError("needs 20 Newsgroups: --ng20=FOLDER")
    config = make_config("default", {**corpus, "num_topics": TOPICS, "log_quality_every": 1})
    return config, prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")


def our_epochs(corpus: Figures) -> Callable[[], Figures]:
    """`epochs`: seconds so far and the quality, epoch by epoch."""
    import jax

    from etm_jax.training.make_trainer import make_trainer
    from etm_jax.training.run_folder import RunFolder

    config, prepared = _prepared(corpus)

    def timed() -> Figures:
        jax.clear_caches()
        with tempfile.TemporaryDirectory() as run:
            started = time.perf_counter()
            rows: list[dict[str, Any]] = []
            trainer = make_trainer(config, prepared, RunFolder(Path(run)), on_epoch=rows.append)
            before = time.perf_counter() - started
            trainer.train()
        epochs, seconds = [], before
        for row in rows:
            seconds += row["seconds"]
            epochs.append((seconds, row["npmi"] * row["diversity"]))
        return {"epochs": epochs, "seconds": seconds}

    return timed


def lda(corpus: Figures) -> Callable[[], Figures]:
    """The sampling alone, and what it reaches."""
    from etm_jax.metrics.topics import topic_quality
    from etm_jax.models.lda import tomotopy_model, topics_of_tomotopy
    from experiments.fits import CORES, SWEEPS

    _, prepared = _prepared(corpus)
    counts = prepared.train.counts

    def timed() -> Figures:
        model = tomotopy_model(counts, TOPICS, seed=1)
        started = time.perf_counter()
        model.train(SWEEPS, workers=CORES)
        seconds = time.perf_counter() - started
        quality = topic_quality(topics_of_tomotopy(model, counts.shape[1]).beta, counts)
        return {"seconds": seconds, "quality": quality["npmi"] * quality["diversity"]}

    return timed
