"""Meshes of devices: they change where numbers are computed, and no number."""

import json
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import scipy.sparse as sp
from eight_devices import LARGE, B, D

import forked
from conftest import planted_counts
from etm_jax.ops.mesh import MeshLayout, make_mesh, parse_mesh
from etm_jax.training.batches import Batcher
from etm_jax.util.errors import UserError

SCRIPT = Path(__file__).parent / "eight_devices.py"
ALL = ("data:2", "data:4", "data:8", "data:4,vocab:2", "data:2,vocab:4", "vocab:8")


def on_eight_devices(kinds: str, dtype: str, meshes: tuple[str, ...]) -> dict:
    path = os.pathsep.join(str(SCRIPT.parents[i]) for i in (1, 2))
    done = forked.run(
        [sys.executable, SCRIPT, kinds, dtype, ";".join(meshes)],
        env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [*found] == kinds.split(",")
    assert all(tuple(of_kind) == meshes for of_kind in found.values())
    return found


@pytest.mark.parametrize(
    "kinds, dtype, meshes, tolerance",
    [
        ("paper", "float64", ALL, 1e-9),
        ("default", "float64", ("data:8", "data:2,vocab:4"), 1e-9),
        ("default", "float32", ALL, 2e-5),
        ("clipped,ntm,gsm,compact,seeds,content,prevalence,detm", "float64", ("data:2,vocab:4",), 1e-9),
        ("context,context_alone,context_words", "float64", ("data:4,vocab:2",), 1e-9),
    ],
)
def test_every_mesh_trains_the_same_model(kinds, dtype, meshes, tolerance):
    for kind, of_kind in on_eight_devices(kinds, dtype, meshes).items():
        for mesh, differences in of_kind.items():
            assert max(differences.values()) < tolerance, (kind, mesh, differences)


def test_no_program_gathers_what_has_a_row_for_each_word():
    width = 16
    for kind, of_kind in on_eight_devices("paper,clipped,content", "hlo", ("data:8", "data:4,vocab:2")).items():
        for mesh, sizes in of_kind.items():
            assert all(size < LARGE * width / 8 for size in sizes), (kind, mesh, sizes)


def test_a_checkpoint_from_any_mesh_is_the_same_on_any_other():
    found = on_eight_devices("default,paper,ntm,gsm,compact", "moved", ("data:1", *ALL))
    assert all(same for of_kind in found.values() for same in of_kind.values()), found


def test_a_batch_is_dealt_once():
    """Every entry is on one tile, at its own document and word; what fills up is not real."""
    mesh = jax.make_mesh((1, 1), ("data", "vocab"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    counts = planted_counts(7, 10, 2)
    layout = MeshLayout(mesh, 5, 10)
    batch = Batcher(counts, counts, 5, layout=layout).take(np.array([6, 2, 3]))
    dense = np.zeros((5, 10), int)
    nnz = int(batch.pattern.row_starts[0, 0, -1])
    np.add.at(dense, (batch.pattern.rows[0, 0, :nnz], batch.pattern.cols[0, 0, :nnz]), batch.counts[0, 0, :nnz])
    np.testing.assert_array_equal(dense[:3], counts[[6, 2, 3]].toarray())
    np.testing.assert_array_equal(batch.real, [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(batch.pattern.places[0, 0, :nnz], np.arange(nnz))


def test_more_entries_than_were_foreseen_still_make_a_batch():
    counts = sp.csr_matrix(np.ones((4, 300), np.int32))
    batch = Batcher(counts, counts, 4, sizes=(256,)).take(np.arange(4))
    assert batch.counts.sum() == 1200


@pytest.mark.parametrize("text", ["data", "data:0", "data:2,data:4", "words:2", "data:-1", "data:2;vocab:4", "data:²"])
def test_what_is_no_mesh_is_refused(text):
    with pytest.raises(UserError, match=r"--mesh=.*data:4,vocab:2"):
        parse_mesh(text)


def test_a_mesh_is_no_larger_than_what_there_is():
    with pytest.raises(UserError, match="needs 64 devices, and there are 1"):
        make_mesh("data:8,vocab:8", jax.devices()[:1])
    assert make_mesh("", jax.devices()[:1]) is None


def test_the_sizes_here_do_not_come_out_even():
    assert all(B % n and D % n for n in (4, 8))
