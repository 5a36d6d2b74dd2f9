"""On documents drawn from a generative process, ETM finds their topics; in shuffled ones it finds nothing."""

from itertools import permutations

import numpy as np
import pytest

from etm_jax.metrics.recovery import recovery
from experiments import recovery as experiment

SIZES = {
    "lda": {"num_docs": 2000, "vocab_size": 500, "num_topics": 10, "doc_length": 60},
    "etm": {"num_docs": 2000, "vocab_size": 1000, "num_topics": 5, "doc_length": 200, "logit_std": 2.0},
}
"""The smallest at which it holds for every seed; experiments/recovery.py says why they differ."""


def test_topics_are_matched_one_to_one_for_the_largest_sum():
    rng = np.random.default_rng(1)
    true_beta, beta = rng.dirichlet(np.ones(6), 4), rng.dirichlet(np.ones(6), 4)
    true_theta, theta = rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4), 30)

    def cosine(a, b):
        return a @ b / np.sqrt((a @ a) * (b @ b))

    def mean_cosine(order):
        return np.mean([cosine(true_beta[i], beta[j]) for i, j in enumerate(order)])

    best = max(permutations(range(4)), key=mean_cosine)
    found = recovery(beta, theta, true_beta, true_theta)
    assert found.cosine == pytest.approx(mean_cosine(best))
    correlations = [np.corrcoef(true_theta[:, i], theta[:, j])[0, 1] for i, j in enumerate(best)]
    assert found.correlation == pytest.approx(np.mean(correlations))


def test_the_truth_is_found_in_any_order():
    beta, theta = np.eye(3)[:, [0, 1, 1, 2]] + 0.1, np.random.default_rng(1).dirichlet(np.ones(3), 20)
    assert recovery(beta[[2, 0, 1]], theta[:, [2, 0, 1]], beta, theta) == pytest.approx((1, 1))
    # A topic that is everywhere alike says nothing of documents.
    assert recovery(beta, np.full((20, 3), 1 / 3), beta, theta) == pytest.approx((1, 0))


def test_etm_finds_the_topics_that_documents_were_drawn_from():
    truth = experiment.PROCESSES["etm"](2, **SIZES["etm"])
    found = experiment.trained(truth.counts, truth, 2)
    assert found.cosine > 0.95
    assert found.correlation > 0.9


# Those of LDA's process.
def test_the_experiment_shows_them_found_and_the_control_without(monkeypatch, capsys):
    process = "lda"
    monkeypatch.setattr(experiment, "SIZES", {process: SIZES[process]})
    monkeypatch.setattr(experiment, "SEEDS", (1,))
    experiment.main()
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[:2] == [process, "1"]
    cosine, correlation, control_cosine, control_correlation = map(float, row[2:6])
    assert cosine > 0.95
    assert correlation > 0.9
    assert control_cosine < 0.5
    assert abs(control_correlation) < 0.1
