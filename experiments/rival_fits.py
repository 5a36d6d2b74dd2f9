"""Fits of other people's packages: `experiments.rivals`, run by the Python of an environment that holds them."""

import json
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.topics import topic_shares
from etm_jax.util.errors import UserError
from experiments.fits import NO_PYTHON, Figures, Fit, Fitted

SCRIPT = ("-m", "experiments.rivals")

BY_VECTORS = ("fastopic", "combinedtm", "bertopic", "bertopic_kmeans", "keynmf")
"""Those that read the documents' vectors, which are computed once a corpus."""


class OutOfTimeError(UserError):
    """A rival took longer than it may, and would again."""


def rival(fit: Fit, corpus: Corpus, built: Path) -> Fitted:
    """The rival `fit.model` on the counts in `built`. Raises UserError where it fails; OutOfTimeError is of these."""
    if not fit.rival_python or not Path(fit.rival_python).is_file():
        where = fit.rival_python or "--rival_python"
        raise UserError(f"{NO_PYTHON} {where}; `make rivals` makes the environment of the rivals")
    if fit.model in BY_VECTORS:
        _run(fit, [fit.rival_python, *SCRIPT, "vectors", str(built), str(built)])
    with tempfile.TemporaryDirectory() as out:
        options = [f"--n_topic={fit.num_topics}", f"--seed={fit.seed}", f"--minutes={fit.minutes}"]
        _run(fit, [fit.rival_python, *SCRIPT, fit.model, str(built), out, *options])
        return _read(Path(out), corpus, fit.num_topics)


def _run(fit: Fit, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode == -signal.SIGXCPU:
        raise OutOfTimeError(f"it took more than {fit.minutes:g} minutes")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise UserError(f"{fit.model} failed: {last}")


def _read(out: Path, corpus: Corpus, asked: int) -> Fitted:
    """What the script left. The topics' own columns of θ alone count for their shares and for perplexity."""
    told = json.loads((out / "told.json").read_text("utf-8"))
    beta = np.load(out / "beta.npy")
    half1, train, test = (np.load(out / f"theta_{part}.npy") for part in ("test_h1", "train", "test"))
    assert beta.shape[1] == len(corpus.vocabulary), (beta.shape, len(corpus.vocabulary))
    assert len(train) == len(corpus.train), (train.shape, len(corpus.train))
    assert len(test) == len(half1) == len(corpus.test), (test.shape, half1.shape, len(corpus.test))
    share = topic_shares(train, corpus.train.counts)[: len(beta)]
    log_px = np.load(out / "log_px.npy") if (out / "log_px.npy").is_file() else None
    more: Figures = {"found": len(beta), "asked": asked} | ({"stopped": told["stopped"]} if told["stopped"] else {})
    theta = {"": half1} if told["mixture"] else {}
    return Fitted(told["seconds"], beta, share, theta, train, test, log_px, more)
