"""Every program lowers for CPUs, GPUs and TPUs, on a machine that need not have them.

`jax.export` runs each platform's own lowering rules, unlike the argument `lowering_platforms`, and fails where one has
none. Whether a chip's compiler takes the program is another matter.
"""

from functools import partial

import jax
import numpy as np
import pytest
from jax import ShapeDtypeStruct, export
from jax.sharding import AbstractMesh, AxisType
from jax.sharding import PartitionSpec as P

from conftest import planted_counts
from etm_jax.config.build import make_config
from etm_jax.models.batch import Batch
from etm_jax.ops.mesh import AXES, DOCS, EVERYWHERE, TILES, Grid
from etm_jax.ops.sparse import Pattern
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, abstract_state, beta_step, eval_step, posterior_step, theta_step, train_step

V, L, B = 200, 8, 16
KINDS = {
    "default": ("default", {"hidden": (16,)}),
    "own words": ("default", {"hidden": (16,), "read_rho": False}),
    "ntm": ("ntm", {"hidden": (16, 8)}),
    "paper": ("paper", {"hidden": (16, 16), "dropout": 0.5}),
    "gsm": ("default", {"kind": "gsm", "hidden": (16,)}),
    "bce": ("ntm", {"hidden": (16, 8), "criterion": "bce_softmax"}),
}
NATIVE = export.DisabledSafetyCheck.custom_call("cpu_csr_sparse_dense_ffi")
"""jaxlib's kernel for CPUs, which is there in every version that we run on but is not promised to stay."""


GRID = Grid(AbstractMesh((2, 2), AXES, axis_types=(AxisType.Auto,) * 2), B, V)


def batch_on_one_device() -> Batch:
    counts = planted_counts(B, V, 5)
    batch = next(Batcher(counts, counts.astype(np.float32), B).epoch())
    return jax.tree.map(lambda x: ShapeDtypeStruct(x.shape, x.dtype), batch)


def batch_on_a_grid(nnz: int = 64) -> Batch:
    def tiles(size, dtype=np.int32):
        return ShapeDtypeStruct((GRID.rows, GRID.columns, size), dtype, sharding=GRID.sharding(TILES))

    starts = tiles(GRID.docs_each + 1), tiles(GRID.words_each + 1)
    pattern = Pattern(tiles(nnz), tiles(nnz), starts[0], tiles(nnz), starts[1], tiles(nnz), GRID)
    real = ShapeDtypeStruct((B,), np.float32, sharding=GRID.sharding(DOCS))
    return Batch(tiles(nnz, np.float32), tiles(nnz, np.float32), pattern, real)


def lying(grid: Grid, spec: Spec, path, leaf) -> ShapeDtypeStruct:
    words = spec.vocab_axis(path)
    lie = P(*[None] * (len(leaf.shape) + words.axis), "vocab") if words else EVERYWHERE
    return ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=grid.sharding(lie))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("grid", [None, GRID], ids=["one device", "data:2,vocab:2"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_program_lowers(kind, grid, platform):
    variant, given = KINDS[kind]
    config = make_config(variant, {"num_topics": 5, "embed_dim": L} | given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, num_steps=10, train_rho=True).on(grid)
    batch = batch_on_a_grid() if grid else batch_on_one_device()
    state, key = abstract_state(spec), jax.eval_shape(partial(jax.random.key, 0))
    if grid:
        state = jax.tree.map_with_path(partial(lying, grid, spec), state)
        key = ShapeDtypeStruct(key.shape, key.dtype, sharding=grid.sharding(EVERYWHERE))
    variables = state.variables
    programs = {
        train_step: (state, batch, key),
        eval_step: (variables, batch, key),
        theta_step: (variables, batch),
        posterior_step: (variables, batch),
        beta_step: (variables,),
    }
    checks = [NATIVE] if platform == "cpu" else []
    for step, arguments in programs.items():
        program = jax.jit(step, static_argnames="spec")
        lowered = export.export(program, platforms=[platform], disabled_checks=checks)(*arguments, spec=spec)
        assert lowered.platforms == (platform,)
        assert lowered.nr_devices == (4 if grid else 1)
        native = "cpu_csr_sparse_dense_ffi" in lowered.mlir_module()
        assert native == (platform == "cpu" and step is not beta_step)
