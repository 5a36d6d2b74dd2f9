"""Batches of documents of few groups."""

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.training.batches import Batcher
from etm_jax.training.grouped import MOST_TOGETHER, GroupPlan, padded

GROUPS = np.random.default_rng(0).choice([0, 1, 2, 5, 6], 230, p=[0.5, 0.3, 0.1, 0.05, 0.05])


@pytest.mark.parametrize("batch_size", [1, 7, 32, 300])
def test_every_document_comes_once_with_its_group(batch_size: int) -> None:
    plan = GroupPlan(GROUPS, batch_size)
    for batches in (list(plan.in_order()), plan.shuffled(np.random.default_rng(1))):
        assert len(batches) == len(plan)
        np.testing.assert_array_equal(np.sort(np.concatenate([part.rows for part in batches])), np.arange(230))
        for rows, present in batches:
            assert len(rows) <= batch_size
            assert set(GROUPS[rows]) <= set(present)
            assert len(present) <= plan.most_present


def test_a_large_group_stands_alone_and_is_dealt_evenly() -> None:
    plan = GroupPlan(np.repeat([3, 4], [70, 30]), 32)
    sizes = [(len(rows), present.tolist()) for rows, present in plan.in_order()]
    assert sizes == [(24, [3]), (23, [3]), (23, [3]), (30, [4])]


def test_small_groups_stand_together_but_not_too_many() -> None:
    plan = GroupPlan(np.arange(100), 1_000)
    assert [len(present) for _, present in plan.in_order()] == [MOST_TOGETHER] * 6 + [4]
    assert plan.most_present == MOST_TOGETHER
    assert GroupPlan(np.arange(5), 8).most_present == 4


def test_no_documents_are_no_batches() -> None:
    assert len(GroupPlan(np.zeros(0, int), 8)) == 0
    np.testing.assert_array_equal(padded(np.zeros(0, int), 2), [0, 0])
    np.testing.assert_array_equal(padded(np.array([4, 7]), 4), [4, 7, 7, 7])


def test_epochs_differ_and_can_be_taken_up_again() -> None:
    counts = sp.random(230, 40, 0.2, "csr", random_state=0)
    counts.data = np.ceil(counts.data * 3)
    batcher = Batcher(counts, counts, 32, groups=GROUPS)
    first, second = (list(batcher.shuffled(1, epoch)) for epoch in (1, 2))
    assert len(batcher) == len(first) == len(second)
    assert any(
        len(a.counts) != len(b.counts) or (a.counts != b.counts).any() for a, b in zip(first, second, strict=True)
    )
    for step in (0, 3):
        again, rows = batcher.step(1, 1, step)
        np.testing.assert_array_equal(again.counts, first[step].counts)
        np.testing.assert_array_equal(again.counts, next(batcher.shuffled(1, 1, step)).counts)
        assert set(GROUPS[rows]) <= set(np.asarray(again.present).tolist())
