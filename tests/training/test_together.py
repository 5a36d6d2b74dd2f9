"""Steps that are taken by one program: what they compute, and where they stop."""

import jax
import numpy as np
import pytest
from test_trainer import BATCH, COUNTS, K, L, V, settings, train

from conftest import planted_counts
from etm_jax.models.layers import init_variables
from etm_jax.training import together, trainer
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, new_state, train_step
from etm_jax.training.together import groups, steps_together, train_group


def batches(num_docs: int):
    counts = planted_counts(num_docs, V, K, length=8)
    return list(Batcher(counts, counts.astype(np.float32), BATCH).epoch())


def test_a_group_ends_where_the_shape_changes_and_at_the_end():
    counts = planted_counts(5 * BATCH, V, K, length=8)
    short, long = (Batcher(counts, counts.astype(np.float32), BATCH, sizes=(size,)) for size in (256, 512))
    in_turn = [*list(short.epoch())[:3], *list(long.epoch())[:3], *list(short.epoch())[:1]]
    assert [[len(batch.counts) for batch in group] for group in groups(in_turn, 2)] == [
        [256, 256], [256], [512, 512], [512], [256],
    ]  # fmt: skip
    assert [len(group) for group in groups(in_turn, 1)] == [1] * 7


def test_steps_by_one_program_are_those_one_by_one():
    config = settings()
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 12, config.vectors.train_rho)
    key, group = jax.random.key(3), batches(4 * BATCH)
    ends = []
    for size in (1, 4):
        state = new_state(init_variables(jax.random.key(0), spec.module()), spec)
        ends.append(train_group(train_step, state, group, key, spec, size))
    (one_by_one, sums), (together_, sums_together) = ends
    assert int(together_.step) == int(one_by_one.step) == 4
    assert len(sums) == len(sums_together) == 4
    for mine, theirs in zip(
        jax.tree.leaves((together_, sums_together)), jax.tree.leaves((one_by_one, sums)), strict=True
    ):
        np.testing.assert_allclose(np.asarray(mine, np.float64), np.asarray(theirs, np.float64), rtol=2e-5, atol=2e-6)


def test_a_run_whose_steps_go_together_is_the_run_whose_steps_go_one_by_one(tmp_path, monkeypatch):
    alone = train(tmp_path / "alone", 3, counts=COUNTS)
    monkeypatch.setattr(trainer, "steps_together", lambda *_: 2)
    pairs = train(tmp_path / "pairs", 3, counts=COUNTS)
    for name, value in alone.variables.params.items():
        for mine, theirs in zip(jax.tree.leaves(pairs.variables.params[name]), jax.tree.leaves(value), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)
    assert pairs.nelbos == pytest.approx(alone.nelbos, rel=1e-5)


def test_only_an_accelerator_with_many_steps_left_takes_them_together(monkeypatch):
    assert steps_together(10**6, num_seeds=1, on_mesh=False) == 1
    monkeypatch.setattr(together.jax, "default_backend", lambda: "gpu")
    assert steps_together(10**6, num_seeds=1, on_mesh=False) == together.TOGETHER
    assert steps_together(together.MANY_STEPS - 1, num_seeds=1, on_mesh=False) == 1
    assert steps_together(10**6, num_seeds=2, on_mesh=False) == 1
    assert steps_together(10**6, num_seeds=1, on_mesh=True) == 1
