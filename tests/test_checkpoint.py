"""Checkpoints: what comes back, what is kept, and what a killed process may leave behind."""

import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from etm_jax.checkpoint import Checkpoints, Progress
from etm_jax.config import make_config
from etm_jax.errors import UserError
from etm_jax.model import Variables, init_variables
from etm_jax.steps import Spec, TrainState, abstract_state, new_state


def state_of(value: float) -> TrainState:
    """A small state, every number of which says which one it is."""
    return TrainState(
        step=jnp.int32(value),
        variables=Variables({"rho": jnp.full((3, 2), value)}, {"background": jnp.zeros(3)}),
        opt_state={"count": jnp.int32(value)},
        lr_scale=jnp.ones(()),
    )


def progress_of(*nelbos: float) -> Progress:
    return Progress(len(nelbos), [math.inf, *nelbos], list(nelbos[-1:]))


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def save_all(checkpoints: Checkpoints, *nelbos: float) -> None:
    for epoch in range(len(nelbos) + 1):
        checkpoints.save(state_of(epoch), progress_of(*nelbos[:epoch]))


def assert_same(a: object, b: object) -> None:
    """The same bits and dtypes in the same tree."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert left.dtype == right.dtype
        assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad", "rmsprop"])
@pytest.mark.parametrize("train_rho", [True, False])
def test_every_leaf_comes_back_bit_for_bit(checkpoints, optimizer, train_rho):
    given = {"num_topics": 3, "hidden": (4,), "embed_dim": 2, "optimizer": optimizer, "clip_norm": 1.0}
    config = make_config("default", given)
    spec = Spec(config.model, config.objective, config.optimizer, 5, 2, num_steps=9, train_rho=train_rho)
    state = new_state(init_variables(jax.random.key(1), spec.module()), spec)
    # Values that do not survive a detour over text or another float: the smallest, the largest, a third, a zero's sign.
    odd = jnp.array([1e-45, 3.4e38, 1 / 3, -0.0, 0.1], jnp.float32)
    state.variables.constants["background"] = odd
    state = state._replace(step=jnp.int32(2**31 - 1), lr_scale=jnp.float32(1 / 64))
    checkpoints.save(state, progress_of(0.1 + 0.2, 1 / 3))
    restored, progress = checkpoints.restore(abstract_state(spec))
    assert_same(restored, state)
    assert progress == Progress(2, [math.inf, 0.1 + 0.2, 1 / 3], [1 / 3])


def test_the_newest_and_the_best_are_kept_and_nothing_else(checkpoints):
    kept = []
    for epoch in range(6):
        checkpoints.save(state_of(epoch), progress_of(*[5.0, 3.0, 4.0, 6.0, 2.0][:epoch]))
        kept.append(sorted(path.name for path in checkpoints.folder.iterdir()))
    assert kept == [["0"], ["1"], ["2"], ["2", "3"], ["2", "4"], ["5"]]


def test_the_best_is_of_lowest_nelbo(checkpoints):
    save_all(checkpoints, -1.0, -3.0, -2.0)
    best, progress = checkpoints.restore(state_of(0), "best")
    last, _ = checkpoints.restore(state_of(0), "last")
    assert (int(best.step), int(last.step)) == (2, 3)
    assert progress == progress_of(-1.0, -3.0)


def test_epoch_0_is_never_the_best_of_several(checkpoints):
    save_all(checkpoints, 1e30)
    assert checkpoints.epochs() == [1]
    assert int(checkpoints.restore(state_of(0), "best")[0].step) == 1


def test_epoch_0_alone_can_be_restored(checkpoints):
    save_all(checkpoints)
    assert [int(checkpoints.restore(state_of(9), which)[0].step) for which in ("best", "last")] == [0, 0]


def test_nothing_to_restore(checkpoints):
    assert checkpoints.epochs() == []
    with pytest.raises(UserError, match=r"checkpoints holds no checkpoint"):
        checkpoints.restore(state_of(0))
    assert not checkpoints.folder.exists()


def test_an_epoch_already_there_is_left_alone(checkpoints):
    save_all(checkpoints, 2.0)
    checkpoints.save(state_of(7), progress_of(1.0))
    restored, progress = checkpoints.restore(state_of(0))
    assert_same(restored, state_of(1))
    assert progress == progress_of(2.0)


def test_restoring_writes_nothing(checkpoints):
    save_all(checkpoints, 1.0, 2.0)
    (checkpoints.folder / "3.orbax-checkpoint-tmp").mkdir()
    before = sorted(checkpoints.folder.rglob("*"))
    checkpoints.restore(state_of(0))
    assert sorted(checkpoints.folder.rglob("*")) == before


def test_what_a_killed_process_leaves_is_no_checkpoint_and_goes(checkpoints):
    save_all(checkpoints, 1.0, 2.0)
    # Killed in the save of epoch 3, before it could delete epoch 0, and while it deleted another.
    half = checkpoints.folder / "3.orbax-checkpoint-tmp"
    shutil.copytree(checkpoints.folder / "2" / "state", half / "state")
    shutil.copytree(checkpoints.folder / "2" / "state", checkpoints.folder / ".deleted" / "1" / "state")
    earlier = Checkpoints(checkpoints.folder.with_name("earlier"))
    save_all(earlier)
    (earlier.folder / "0").rename(checkpoints.folder / "0")

    assert checkpoints.epochs() == [0, 1, 2]
    assert int(checkpoints.restore(state_of(0))[0].step) == 2
    assert int(checkpoints.restore(state_of(0), "best")[0].step) == 1
    checkpoints.sweep()
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["1", "2"]
    checkpoints.save(state_of(3), progress_of(1.0, 2.0, 3.0))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["1", "3"]
