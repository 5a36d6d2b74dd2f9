"""The experiment on trees of topics: agreement of branches and groups, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from experiments.hierarchy import FIRST_WORDS, SUBJECTS, agreement, rules, truth_of


def run_of(labels, theta, alpha):
    """A run of which the experiment reads these. labels: of the test documents."""
    beta = np.full((len(alpha), 8), 1 / 8)
    model = SimpleNamespace(theta_test=np.array(theta), alpha=np.array(alpha), beta=beta)
    return SimpleNamespace(model=model, corpus=SimpleNamespace(test=SimpleNamespace(meta={"label": labels})))


def test_branches_that_are_the_groups_agree_and_branches_across_them_do_not():
    """Topics 0 and 1 are joined, and 2 and 3; a document is of the branch whose topics sum to most."""
    theta = [[0.3, 0.3, 0.4, 0.0], [0.1, 0.5, 0.2, 0.2], [0.4, 0.0, 0.3, 0.3], [0.1, 0.2, 0.1, 0.6]]
    shared = np.kron(np.eye(2), np.ones((2, 2)))
    run = run_of(["a", "a", "b", "b"], theta, np.eye(4))
    assert agreement(run, shared, truth_of(run, None)) == pytest.approx(1)
    assert agreement(run, shared, ["a", "b", "a", "b"]) == pytest.approx(0)


def test_labels_are_numbers_of_groups():
    run = run_of(["0", "19", "1", "5", "6"], [[1.0]] * 5, [[1.0]])
    assert truth_of(run, SUBJECTS) == [0, 0, 1, 1, 2]
    assert truth_of(run, FIRST_WORDS) == [0, 6, 1, 1, 2]
    assert (len(SUBJECTS), len(set(SUBJECTS)), len(FIRST_WORDS), len(set(FIRST_WORDS))) == (20, 6, 20, 7)


def test_every_rule_gives_products_of_points_of_length_one():
    run = run_of(["a"], [[1.0, 0, 0]], np.random.default_rng(0).normal(size=(3, 5)))
    found = dict(rules(run))
    assert len(found) == 5
    for shared in found.values():
        np.testing.assert_allclose(np.diag(shared), 1)
        np.testing.assert_allclose(shared, shared.T)
        assert (np.abs(shared) <= 1 + 1e-12).all()
