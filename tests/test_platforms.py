"""Every program lowers for CPUs, GPUs and TPUs, on a machine that need not have them.

`jax.export` runs each platform's own lowering rules, unlike the argument `lowering_platforms`, and fails where one has
none. Whether a chip's compiler takes the program is another matter.
"""

import jax
import numpy as np
import pytest
from jax import export

from conftest import planted_counts
from etm_jax.batches import Batcher
from etm_jax.config import make_config
from etm_jax.steps import Spec, abstract_state, beta_step, eval_step, posterior_step, theta_step, train_step

V, L, B = 200, 8, 16
KINDS = {
    "default": ("default", {"hidden": (16,)}),
    "own words": ("default", {"hidden": (16,), "read_rho": False}),
    "report": ("report", {"hidden": (16, 8)}),
    "paper": ("paper", {"hidden": (16, 16), "dropout": 0.5}),
    "gsm": ("default", {"kind": "gsm", "hidden": (16,)}),
    "bce": ("report", {"hidden": (16, 8), "criterion": "bce_softmax"}),
}
NATIVE = export.DisabledSafetyCheck.custom_call("cpu_csr_sparse_dense_ffi")
"""jaxlib's kernel for CPUs, which is there in every version that we run on but is not promised to stay."""


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_program_lowers(kind, platform):
    variant, given = KINDS[kind]
    config = make_config(variant, {"num_topics": 5, "embed_dim": L} | given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, num_steps=10, train_rho=True)
    counts = planted_counts(B, V, 5)
    batch = jax.tree.map(np.asarray, Batcher(counts, counts.astype(np.float32), B).take(np.arange(B)))
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch)
    state, key = abstract_state(spec), jax.eval_shape(lambda: jax.random.key(0))
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
        native = "cpu_csr_sparse_dense_ffi" in lowered.mlir_module()
        assert native == (platform == "cpu" and step is not beta_step)
