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
from etm_jax.ops.mesh import AXES, DOCS, REPLICATED, TILES, MeshLayout
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


LAYOUT = MeshLayout(AbstractMesh((2, 2), AXES, axis_types=(AxisType.Auto,) * 2), B, V)


def batch_on_one_device() -> Batch:
    counts = planted_counts(B, V, 5)
    batch = next(Batcher(counts, counts.astype(np.float32), B).epoch())
    return jax.tree.map(lambda x: ShapeDtypeStruct(x.shape, x.dtype), batch)


def batch_on_a_mesh(nnz: int = 64) -> Batch:
    def tiles(size, dtype=np.int32):
        return ShapeDtypeStruct((LAYOUT.rows, LAYOUT.columns, size), dtype, sharding=LAYOUT.sharding(TILES))

    starts = tiles(LAYOUT.docs_per_row + 1), tiles(LAYOUT.words_per_column + 1)
    pattern = Pattern(tiles(nnz), tiles(nnz), starts[0], tiles(nnz), starts[1], tiles(nnz), LAYOUT)
    real = ShapeDtypeStruct((B,), np.float32, sharding=LAYOUT.sharding(DOCS))
    return Batch(tiles(nnz, np.float32), tiles(nnz, np.float32), pattern, real)


def lying(layout: MeshLayout, spec: Spec, path, leaf) -> ShapeDtypeStruct:
    words = spec.vocab_axis(path)
    lie = P(*[None] * (len(leaf.shape) + words.axis), "vocab") if words else REPLICATED
    return ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=layout.sharding(lie))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("layout", [None, LAYOUT], ids=["one device", "data:2,vocab:2"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_program_lowers(kind, layout, platform):
    variant, given = KINDS[kind]
    config = make_config(variant, {"num_topics": 5, "embed_dim": L} | given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, num_steps=10, train_rho=True).on(layout)
    batch = batch_on_a_mesh() if layout else batch_on_one_device()
    state, key = abstract_state(spec), jax.eval_shape(partial(jax.random.key, 0))
    if layout:
        state = jax.tree.map_with_path(partial(lying, layout, spec), state)
        key = ShapeDtypeStruct(key.shape, key.dtype, sharding=layout.sharding(REPLICATED))
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
        assert lowered.nr_devices == (4 if layout else 1)
        native = "cpu_csr_sparse_dense_ffi" in lowered.mlir_module()
        assert native == (platform == "cpu" and step is not beta_step)
