"""Checkpoints: what comes back, what is kept, and what a killed process may leave behind."""

import gc
import logging
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import forked
from etm_jax.config.build import make_config
from etm_jax.models.layers import Variables, init_variables
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.progress import Progress
from etm_jax.training.steps import Spec, TrainState, abstract_state, new_state
from etm_jax.util.errors import UserError
from etm_jax.util.temporary import name_beside

ROOT = Path(__file__).parents[2]
FLIPS = 200


def state_of(value: float) -> TrainState:
    """A small state, every number of which says which one it is."""
    return TrainState(
        step=jnp.int32(value),
        variables=Variables({"rho": jnp.full((3, 2), value, jnp.float32)}, {"background": jnp.zeros(3)}),
        opt_state={"count": jnp.int32(value)},
        lr_scale=jnp.ones(()),
    )


def progress_of(*nelbos: float) -> Progress:
    return Progress(len(nelbos), [math.inf, *nelbos], [nelbos[-1] if nelbos else math.inf])


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


@pytest.mark.parametrize("optimizer", ["adam", "compact", "sgd", "adagrad", "rmsprop"])
@pytest.mark.parametrize("train_rho", [True, False])
def test_every_leaf_comes_back_bit_for_bit(checkpoints, optimizer, train_rho):
    given = {"num_topics": 3, "hidden": (4,), "embed_dim": 2, "clip_norm": 1.0}
    rule = {"adam_moments": "compact"} if optimizer == "compact" else {"optimizer": optimizer}
    config = make_config("default", given | rule)
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


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_the_two_newest_and_the_best_are_kept_and_nothing_else(checkpoints):
    kept = []
    for epoch in range(7):
        checkpoints.save(state_of(epoch), progress_of(*[5.0, 3.0, 4.0, 6.0, 7.0, 2.0][:epoch]))
        kept.append(names(checkpoints))
    assert kept == [["0"], ["0", "1"], ["1", "2"], ["2", "3"], ["2", "3", "4"], ["2", "4", "5"], ["5", "6"]]


def test_a_state_within_an_epoch_is_newer_than_the_epochs_end_and_never_the_best(checkpoints):
    save_all(checkpoints, 2.0, 1.0)
    within = progress_of(2.0, 1.0)._replace(step_sums=([1 / 3, 0.1, 4.0], [math.nan, 2.0, 4.0]))
    checkpoints.save(state_of(7), within)
    assert names(checkpoints) == ["2", "2+2"]
    last, progress = checkpoints.restore(state_of(0))
    assert_same(last, state_of(7))
    assert str(progress) == str(within)
    best, progress = checkpoints.restore(state_of(0), "best")
    assert_same(best, state_of(2))
    assert progress == progress_of(2.0, 1.0)


def test_the_best_is_of_lowest_nelbo(checkpoints):
    save_all(checkpoints, -1.0, -3.0, -2.0)
    best, progress = checkpoints.restore(state_of(0), "best")
    last, _ = checkpoints.restore(state_of(0), "last")
    assert (int(best.step), int(last.step)) == (2, 3)
    assert progress == progress_of(-1.0, -3.0)


def test_epoch_0_is_never_the_best_of_several(checkpoints):
    save_all(checkpoints, 1e30)
    assert checkpoints.epochs() == [0, 1]
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
    name_beside(checkpoints.folder / "3").mkdir()
    before = sorted(checkpoints.folder.rglob("*"))
    checkpoints.restore(state_of(0))
    assert sorted(checkpoints.folder.rglob("*")) == before


def test_what_a_killed_process_leaves_is_no_checkpoint_and_goes(checkpoints):
    save_all(checkpoints, 1.0, 2.0, 3.0)
    # Killed in the save of epoch 4, before it could delete epoch 0, and while it deleted another.
    for name in ("4", "1"):
        half = name_beside(checkpoints.folder / name)
        shutil.copytree(checkpoints.folder / "2" / "state", half / "state")
    earlier = Checkpoints(checkpoints.folder.with_name("earlier"))
    save_all(earlier)
    (earlier.folder / "0").rename(checkpoints.folder / "0")

    assert checkpoints.epochs() == [0, 1, 2, 3]
    assert int(checkpoints.restore(state_of(0))[0].step) == 3
    assert int(checkpoints.restore(state_of(0), "best")[0].step) == 1
    (checkpoints.folder / "notes.txt").write_text("not ours")
    checkpoints.sweep(progress_of(1.0, 2.0, 3.0))
    assert names(checkpoints) == ["1", "2", "3", "notes.txt"]
    checkpoints.save(state_of(4), progress_of(1.0, 2.0, 3.0, 4.0))
    assert names(checkpoints) == ["1", "3", "4", "notes.txt"]


def test_what_a_damaged_checkpoint_says_decides_nothing(checkpoints):
    save_all(checkpoints, 1.0, 2.0, 3.0)
    newest = checkpoints.folder / "3" / "progress.json"
    newest.write_text(newest.read_text().replace("1.0", "9.0"))
    _, progress = checkpoints.restore(state_of(0), or_older=True)
    checkpoints.sweep(progress)
    assert names(checkpoints) == ["1", "2", "3"]
    assert int(checkpoints.restore(state_of(0), "best", or_older=True)[0].step) == 1


def flip(path: Path, position: int) -> None:
    """Turn over one bit of a file."""
    content = bytearray(path.read_bytes())
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)


def test_any_flipped_bit_is_found_and_the_one_before_is_taken(checkpoints, capsys):
    save_all(checkpoints, 2.0, 1.0)
    files = [path for path in sorted((checkpoints.folder / "2").rglob("*")) if path.is_file() and path.stat().st_size]
    bits, chosen = [8 * path.stat().st_size for path in files], random.Random(1)
    assert {"SHA256SUMS", "progress.json"} < {path.name for path in files}
    tries = [(path, chosen.randrange(size)) for path, size in zip(files, bits, strict=True)]
    tries += [(path, chosen.randrange(8 * path.stat().st_size)) for path in chosen.choices(files, bits, k=FLIPS)]
    for path, position in tries:
        flip(path, position)
        for which in ("last", "best"):
            with pytest.raises(UserError, match=r"checkpoints.2 is damaged .*resumes from that of epoch 1"):
                checkpoints.restore(state_of(0), which)
            restored, progress = checkpoints.restore(state_of(0), which, or_older=True)
            assert_same(restored, state_of(1))
            assert progress == progress_of(2.0)
            assert f"checkpoints{os.sep}2 is damaged" in capsys.readouterr().err
        flip(path, position)
    assert_same(checkpoints.restore(state_of(0))[0], state_of(2))


@pytest.mark.parametrize("kept", [0, 0.5, None])
def test_a_file_that_was_cut_off_or_is_gone_is_found(checkpoints, kept):
    save_all(checkpoints, 2.0, 1.0)
    for path in sorted(path for path in (checkpoints.folder / "2").rglob("*") if path.is_file()):
        content = path.read_bytes()
        if kept is None:
            path.unlink()
        elif content:
            path.write_bytes(content[: int(kept * len(content))])
        else:
            continue
        assert_same(checkpoints.restore(state_of(0), or_older=True)[0], state_of(1))
        path.write_bytes(content)


def test_what_is_damaged_is_written_again(checkpoints):
    save_all(checkpoints, 2.0, 1.0)
    (checkpoints.folder / "2" / "state" / "_METADATA").write_text("")
    checkpoints.save(state_of(2), progress_of(2.0, 1.0))
    assert_same(checkpoints.restore(state_of(0))[0], state_of(2))


def test_none_is_whole(checkpoints):
    save_all(checkpoints)
    (checkpoints.folder / "0" / "progress.json").write_text("{}")
    with pytest.raises(UserError, match=r"progress.json is not as it was written\); there is no other"):
        checkpoints.restore(state_of(0), or_older=True)


@contextmanager
def small_files(limit: int = 2**14) -> Iterator[None]:
    """Within the block this process can write no file larger than `limit` bytes, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_save_is_one_error_and_leaves_the_process_as_it_was(checkpoints, capfd):
    def of_process() -> list[object]:
        loggers = [logging.getLogger(name).disabled for name in ("absl", "asyncio")]
        return [sys.unraisablehook, list(warnings.filters), *loggers]

    save_all(checkpoints, 1.0)
    large = state_of(2)
    large.variables.params["rho"] = jnp.asarray(np.random.default_rng(1).normal(size=2**16))
    before = of_process()
    with small_files(), pytest.raises(UserError, match=r"2 cannot be written .*; that of 1 is whole"):
        checkpoints.save(large, progress_of(1.0, 2.0))
    assert of_process() == before
    gc.collect()
    assert capfd.readouterr() == ("", "")
    assert names(checkpoints) == ["0", "1"]


def test_other_shapes_and_dtypes_are_refused_by_name_and_value(checkpoints):
    save_all(checkpoints)
    for other, said in (
        (jnp.zeros((4, 2)), r"variables.params.rho as float32\[3, 2\], and this run has it as float32\[4, 2\]"),
        (
            jnp.zeros((3, 2), jnp.float16),
            r"variables.params.rho as float32\[3, 2\], and this run has it as float16\[3, 2\]",
        ),
    ):
        like = state_of(0)
        like.variables.params["rho"] = other
        with pytest.raises(UserError, match=said):
            checkpoints.restore(like)


def test_the_digests_are_those_of_sha256sum(checkpoints):
    save_all(checkpoints)
    folder = checkpoints.folder / "0"
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert checked.returncode == 0
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}


SHARDED = """
import sys
from pathlib import Path
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from etm_jax.models.layers import Variables
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.progress import Progress
from etm_jax.training.steps import TrainState

mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
def place(x, *axes):
    return jax.device_put(x, NamedSharding(mesh, P(*axes)))
rho = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
state = TrainState(
    place(np.int32(3)), Variables({"rho": place(rho, "data")}, {"background": place(np.arange(8.0, dtype="f4"))}),
    {"mu": place(rho.T, None, "data")}, place(np.float32(0.25)),
)
assert len(state.variables.params["rho"].sharding.device_set) == 4
Checkpoints(Path(sys.argv[1])).save(state, Progress(1, [float("inf"), 1.0], [1.0]))
"""


def test_what_four_devices_wrote_one_reads(checkpoints):
    assert len(jax.devices()) == 1
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "PYTHONPATH": str(ROOT)}
    forked.run([sys.executable, "-c", SHARDED, checkpoints.folder], env=env, check=True)
    rho = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    wanted = TrainState(
        step=jnp.int32(3),
        variables=Variables({"rho": jnp.asarray(rho)}, {"background": jnp.arange(8.0)}),
        opt_state={"mu": jnp.asarray(rho.T)},
        lr_scale=jnp.float32(0.25),
    )
    restored, progress = checkpoints.restore(jax.eval_shape(lambda: wanted))
    assert_same(restored, wanted)
    assert progress == progress_of(1.0)


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path):
    ours = {"corpus": "a" * 64, "vocabulary": "b", "model": "etm", "seed": 1}
    folder = tmp_path / "checkpoints"
    Checkpoints(folder, ours).save(state_of(1), progress_of(2.0))
    state, _ = Checkpoints(folder, ours).restore(state_of(0))
    assert_same(state, state_of(1))
    # Whoever says nothing of the run asks for nothing, and what an earlier version wrote says nothing.
    Checkpoints(folder).restore(state_of(0))
    Checkpoints(tmp_path / "earlier").save(state_of(1), progress_of(2.0))
    Checkpoints(tmp_path / "earlier", ours).restore(state_of(0))
    for which in ("last", "best"):
        with pytest.raises(UserError, match=r"/1 is of another run \(its corpus, seed differs\); restore those"):
            Checkpoints(folder, {**ours, "corpus": "c", "seed": 2}).restore(state_of(0), which)
