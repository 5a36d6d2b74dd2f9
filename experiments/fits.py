"""Fits for the tables and pictures of experiments: each in a process of its own, its figures kept as a line of JSON.

A fresh process pays for compilation, as a user does. What was kept is not fitted again, so a command that was stopped
goes on where it was, and a second call only prints. A kept line stands for its settings, not for the code: after a
change of the code, delete the file, or the lines of what has changed. LDA and the rivals on labelled corpora are known
without any setting of ours, so that their lines outlive changes of our settings.
"""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.cli import flags as cli
from etm_jax.config.build import Config, make_config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.types import Corpus
from etm_jax.util.console import duration, note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from experiments.tables import machine

CORES = 2
"""That a fit may use, whichever the model, on however large a machine."""

COMPILATION_CACHE = "JAX_COMPILATION_CACHE_DIR"
"""Taken from the environment of a fit: it would spare what is to be measured."""

SWEEPS = 500
"""Of LDA's sampler."""

RIVALS = {
    "ecrtm": "ECRTM",
    "etm": "ETM, topmost",
    "fastopic": "FASTopic",
    "combinedtm": "CombinedTM",
    "bertopic": "BERTopic",
    "bertopic_kmeans": "BERTopic, k-means",
    "keynmf": "KeyNMF",
    "topica_lda": "LDA, topica",
    "topica_etm": "ETM, topica",
}
"""What tables call the models of `experiments.rivals`."""

ALWAYS = {"tc", "tc_test", "td", "tq", "common", "seconds", "tokens", "machine", "topics"}
"""Figures that every fit has."""

NOT_FITTED = "not fitted yet"
"""Why there are no figures where only those that are kept are wanted."""

NO_PYTHON = "no Python at"
"""How the reason begins where the environment of the rivals is not made."""

Figures = dict[str, Any]
"""What a fit came to: numbers by name, and `topics`; or `not_run`, with the reason, and `for_good` where it is kept."""


@dataclass(frozen=True)
class Fit:
    """One model on one corpus. corpus, settings: by field name; sweeps: LDA's.

    model: a variant of ETM, `lda`, or one of RIVALS.
    labelled: the folder that holds the corpus, if it is one of `experiments.labelled`, known by its folder's name.
    rival_python: that of the rivals' environment, and minutes: the most that a rival may take.
    """

    model: str
    corpus: dict[str, Any]
    num_topics: int = 50
    seed: int = 1
    sweeps: int = SWEEPS
    settings: dict[str, Any] = field(default_factory=dict)
    labelled: str = ""
    rival_python: str = ""
    minutes: float = 15

    def config(self) -> Config:
        """Everything that decides what is computed. Raises UserError where a setting is not allowed."""
        given = {**self.settings, **self.corpus, "num_topics": self.num_topics, "seed": self.seed}
        if self.model != "lda":
            return make_config(self.model, given)
        lda = {"kind": "lda", "lda_engine": "tomotopy", "lda_iterations": self.sweeps}
        return make_config("default", given | lda)

    @property
    def key(self) -> str:
        """The same for fits of the same settings. What LDA does not read is not among its own."""
        if self.labelled and (self.model == "lda" or self.model in RIVALS):
            own = {"sweeps": self.sweeps} if self.model == "lda" else {"minutes": float(self.minutes)}
            decides = {"model": self.model, "labelled": self.corpus, "topics": self.num_topics, "seed": self.seed} | own
            return _digest(decides)
        config = self.config().to_json()
        sections = ("corpus", "lda") if self.model == "lda" else tuple(name for name in config if name != "lda")
        decides = {"topics": self.num_topics, "seed": self.seed} | {name: config[name] for name in sections}
        return _digest(decides | ({"labelled": True} if self.labelled else {}))

    def __str__(self) -> str:
        corpus = " ".join(str(value) if name == "corpus" else f"{name}={value}" for name, value in self.corpus.items())
        settings = "".join(f" {name}={value}" for name, value in self.settings.items())
        return f"{self.model} on {corpus}, K={self.num_topics}, seed {self.seed}{settings}"


def _digest(decides: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def figures_of(fits: Sequence[Fit], folder: Path, kept_only: bool = False) -> list[Figures]:
    """The figures of each fit: kept in `folder`, or fitted now, one after the other, and kept.

    kept_only: nothing is fitted; what is not kept says so.
    """
    file = folder / "fits.jsonl"
    kept = _read(file)
    missing = {fit.key: fit for fit in fits if fit.key not in kept}
    not_run: dict[str, Figures] = {}
    if kept_only:
        not_run = {key: {"not_run": NOT_FITTED} for key in missing}
        missing = {}
    started = time.monotonic()
    for done, (key, fit) in enumerate(missing.items()):
        left = (time.monotonic() - started) / done * (len(missing) - done) if done else 0
        note(f"fit {done + 1} of {len(missing)}: {fit}" + (f"; {duration(left)} left for all" if done else ""))
        figures = _in_fresh_process(fit, folder)
        if "not_run" in figures:
            note(f"not run: {figures['not_run']}")
            if not figures.get("for_good"):
                not_run[key] = figures
                continue
        kept[key] = {"fit": str(fit), **figures}
        lines = (json.dumps({"key": key, **row}, ensure_ascii=False) for key, row in kept.items())
        replace_text(file, "".join(line + "\n" for line in lines))
    return [kept[fit.key] if fit.key in kept else not_run[fit.key] for fit in fits]


def _read(file: Path) -> dict[str, Figures]:
    """The kept figures by key. A line that no fit wrote is left out, and said. Raises UserError for what is no file."""
    if not file.exists():
        return {}
    if not file.is_file():
        raise UserError(f"{file} is no file; it keeps the figures of fits: move it away, or give another --work")
    kept = {}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
            key = row.pop("key")
            if "not_run" not in row and not row.keys() >= ALWAYS:
                raise ValueError("figures are missing")
        except (ValueError, TypeError, KeyError, AttributeError):
            warn(f"line {number} of {file} is damaged and is left out: its fit is made anew where it is needed")
        else:
            kept[key] = row
    return kept


def _in_fresh_process(fit: Fit, folder: Path) -> Figures:
    """Raises UserError where the process fails."""
    root = str(Path(__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if name != COMPILATION_CACHE}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "experiments.fits", json.dumps(dataclasses.asdict(fit)), str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "fit.log"
    with log.open("w", encoding="utf-8") as told:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=told, encoding="utf-8")
    if done.returncode:
        raise UserError(f"the fit of {fit} ended with status {done.returncode}; what it said is in {log}")
    return json.loads(done.stdout.splitlines()[-1])


class Fitted(NamedTuple):
    """A fitted model as it is measured.

    seconds: from counts to topics. share: [K]; theta: [T, K] of the first halves, by the name of the inference, none
    where the model gives words no probability; log_px: where it is no mixture, log p(w | document) at the nonzeros of
    the second halves. train, test: θ of whole documents, of labelled corpora alone. told: more figures.
    """

    seconds: float
    beta: Any
    share: Any
    theta: dict[str, Any]
    train: Any = None
    test: Any = None
    log_px: Any = None
    told: Figures = {}  # noqa: RUF012


def _measure(fit: Fit, folder: Path) -> Figures:
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.metrics.perplexity import completion_perplexity, perplexity_of
    from etm_jax.metrics.relevance import relevant_words
    from etm_jax.metrics.topics import npmi_coherence, top_words, topics_used
    from experiments.relevance import WEIGHTS, word_figures
    from experiments.rival_fits import rival

    built = None
    if fit.labelled:
        from experiments.labelled import build

        built = folder / "labelled" / fit.corpus["corpus"]
        build(Path(fit.labelled) / fit.corpus["corpus"], built)
        fit = dataclasses.replace(fit, corpus=fit.corpus | {"corpus": str(built)})
    config = (dataclasses.replace(fit, model="lda") if fit.model in RIVALS else fit).config()
    corpus = prepare(find_source(config.corpus), config.corpus, folder / "corpus")
    if fit.model in RIVALS:
        assert built, "rivals are fitted to labelled corpora"
        fitted = rival(fit, corpus, built)
    else:
        fitted = _lda(fit, corpus) if fit.model == "lda" else _etm(fit, corpus)
    words = top_words(fitted.beta, 10)
    npmi = npmi_coherence(words, corpus.train.counts)
    figures: Figures = (
        word_figures(words, top_words(fitted.beta, 25), corpus)
        | {
            "seconds": fitted.seconds,
            "vocab": len(corpus.vocabulary),
            "docs": len(corpus.train),
            "tokens": int(corpus.train.counts.sum()),
            "machine": machine(),
        }
        | fitted.told
    )
    if fit.model not in RIVALS:
        share = np.asarray(corpus.train.counts.sum(axis=0)).ravel() / corpus.train.counts.sum()
        figures["relevant"] = [
            {"weight": weight}
            | word_figures(*(relevant_words(fitted.beta, share, n, weight) for n in (10, 25)), corpus)
            for weight in WEIGHTS
        ]
    for name, theta in fitted.theta.items():
        perplexity = completion_perplexity(theta, fitted.beta, corpus.test_h2)
        figures |= {f"ppl_doc{name}": perplexity.by_document, f"ppl_tok{name}": perplexity.by_token}
    if fitted.log_px is not None:
        perplexity = perplexity_of(fitted.log_px, corpus.test_h2)
        figures |= {"ppl_doc": perplexity.by_document, "ppl_tok": perplexity.by_token}
    if fitted.theta:
        figures["used"] = topics_used(fitted.theta[""])
    if built:
        figures |= _labelled_figures(fitted, words, corpus, built)
    figures["topics"] = [
        [float(fitted.share[k]), float(npmi[k]), " ".join(corpus.vocabulary.words[j] for j in words[k])]
        for k in (-fitted.share).argsort(kind="stable")
    ]
    return figures


def _labelled_figures(fitted: Fitted, words: Any, corpus: Corpus, built: Path) -> Figures:
    """What a corpus of `experiments.labelled` adds. words: columns [K, 10]."""
    from etm_jax.metrics.coherence import coherence
    from experiments.label_figures import label_figures, small_topics
    from experiments.labelled import read_labels, training_text

    text, counts = training_text(built), corpus.train.counts
    found = [coherence(name, words, corpus.vocabulary.words, counts, text) for name in ("C_V", "C_NPMI")]
    return {
        **{measure.measure.lower(): measure.value for measure in found},
        "looked_up_in": "windows" if text else "documents",
        "small": small_topics(fitted.train, len(fitted.beta)),
        **label_figures(fitted.train, fitted.test, read_labels(built)),
    }


class SavedModel(NamedTuple):
    """A trained ETM. beta: [K, V]; seconds: from counts to topics; theta: [D, K] of any counts [D, V]."""

    beta: np.ndarray
    seconds: float
    theta: Callable[[sp.csr_matrix], np.ndarray]


def trained(config: Config, corpus: Corpus) -> SavedModel:
    """An ETM of these settings on a prepared corpus, in this process; nothing is kept."""
    import tempfile

    from etm_jax.corpus.inputs import encoder_input
    from etm_jax.inference.theta import infer_theta
    from etm_jax.training.batches import Batcher
    from etm_jax.training.corpus_batches import batch_size_for
    from etm_jax.training.make_trainer import make_trainer
    from etm_jax.training.run_folder import RunFolder
    from etm_jax.training.steps import beta_step

    with tempfile.TemporaryDirectory() as run:
        started = time.perf_counter()
        fitted = make_trainer(config, corpus, RunFolder(Path(run)), RunOptions(variant=config.variant)).train()
        beta = np.asarray(beta_step(fitted.variables, fitted.spec))
        seconds = time.perf_counter() - started

    def theta(counts: sp.csr_matrix) -> np.ndarray:
        kind = "tfidf" if config.model.use_tfidf else config.model.encoder_input
        inputs = encoder_input(counts, kind, corpus.vocabulary)
        return infer_theta(fitted.variables, Batcher(counts, inputs, batch_size_for(config.train, corpus)), fitted.spec)

    return SavedModel(beta, seconds, theta)


def _etm(fit: Fit, corpus: Corpus) -> Fitted:
    from etm_jax.metrics.topics import topic_shares

    found = trained(fit.config(), corpus)
    theta = found.theta(corpus.train.counts)
    share = topic_shares(theta, corpus.train.counts)
    test = found.theta(corpus.test.counts) if fit.labelled else None
    return Fitted(found.seconds, found.beta, share, {"": found.theta(corpus.test_h1)}, theta, test)


def _lda(fit: Fit, corpus: Corpus) -> Fitted:
    """LDA by tomotopy. Loading its documents is not counted; θ by its own inference, and by folding in."""
    from etm_jax.models.lda import LDA, infer_theta, tomotopy_model, tomotopy_theta, topics_of_tomotopy

    LDA.check(fit.config(), ckpt="")
    model = tomotopy_model(corpus.train.counts, fit.num_topics, fit.seed)
    started = time.perf_counter()
    model.train(fit.sweeps, workers=CORES)
    seconds = time.perf_counter() - started
    topics = topics_of_tomotopy(model, len(corpus.vocabulary))
    tokens = np.asarray(model.get_count_by_topics(), np.float64)
    theta = {"": tomotopy_theta(model, corpus.test_h1), "_fold": infer_theta(topics, corpus.test_h1)}
    fitted = Fitted(seconds, topics.beta, tokens / tokens.sum(), theta)
    if not fit.labelled:
        return fitted
    # A labelled corpus has no training document without a word, which tomotopy would lack.
    trained = np.array([document.get_topic_dist() for document in model.docs])
    return fitted._replace(train=trained, test=tomotopy_theta(model, corpus.test.counts))


def main(argv: Sequence[str]) -> None:
    """One fit: its figures as the last line on stdout."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    from experiments.rival_fits import OutOfTimeError

    try:
        figures = _measure(Fit(**json.loads(argv[1])), Path(argv[2]))
    except OutOfTimeError as error:
        figures = {"not_run": str(error), "for_good": True}
    except UserError as error:
        figures = {"not_run": str(error)}
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(cli.run(main))
