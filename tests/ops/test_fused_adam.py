"""The step of the encoder's first layer, apart from the others and in blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from conftest import planted_counts
from etm_jax.config.build import make_config
from etm_jax.models.layers import init_variables
from etm_jax.ops import fused_adam
from etm_jax.ops.fused_adam import Weights, adam_step
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, TrainState, new_state, single_step, train_step, train_step_wide, update_step

V, H, K, B = 53, 8, 3, 16


def batch_of(dtype: type = np.float64):
    counts = planted_counts(B, V, K)
    return Batcher(counts, counts.astype(dtype), B, dtype=dtype).take(np.arange(B))


def spec_of(variant: str, vocab_size: int = V, **given) -> Spec:
    c = make_config(variant, {"num_topics": K, "hidden": (H, 6), "embed_dim": 5, "learning_rate": 0.02} | given)
    return Spec(c.model, c.objective, c.optimizer, vocab_size, 5, num_steps=20, train_rho=c.vectors.train_rho)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 10, 53, 1000])
def test_it_is_optaxs_adam(rows: int, decay: float, monkeypatch, float64) -> None:
    monkeypatch.setattr(fused_adam, "BLOCK_BYTES", rows * H * 8)
    monkeypatch.setattr(fused_adam, "WHOLE_BYTES", min(rows, V) * H * 8)
    rng, batch = np.random.default_rng(0), batch_of()
    x = np.zeros((B, V))
    real = np.arange(len(batch.counts)) < batch.pattern.row_starts[-1]
    x[batch.pattern.rows[real], batch.pattern.cols[real]] = batch.inputs[real]
    rule = optax.chain(optax.add_decayed_weights(decay), optax.scale_by_adam(), optax.scale_by_learning_rate(0.03))
    by_optax = jnp.asarray(rng.normal(size=(V, H)))
    state, ours = rule.init(by_optax), Weights(by_optax, jnp.zeros((V, H)), jnp.zeros((V, H)))
    for count in range(1, 6):
        behind = jnp.asarray(rng.normal(size=(B, H)))
        ours = adam_step(
            ours, batch.inputs, batch.pattern, behind, jnp.int32(count), jnp.asarray(0.03), decay, jnp.bool_(True)
        )
        updates, state = rule.update(x.T @ behind, state, by_optax)
        by_optax = optax.apply_updates(by_optax, updates)
        np.testing.assert_allclose(ours.kernel, by_optax, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.nu, state[1].nu, rtol=1e-12)


@pytest.mark.parametrize(
    ("variant", "given"),
    [
        ("ntm", {}),
        ("paper", {"dropout": 0.5}),
        ("default", {"read_rho": False, "skip": False}),
        ("default", {"kind": "gsm", "thinning": 0.5}),
        ("ntm", {"adam_moments": "compact"}),
        ("paper", {"adam_moments": "compact", "lr_schedule": "cosine"}),
        ("default", {"adam_moments": "compact", "kind": "gsm"}),
    ],
)
def test_fused_or_by_optax_it_is_the_same_step(variant: str, given: dict, monkeypatch, float64) -> None:
    spec, batch = spec_of(variant, **given), batch_of()
    assert spec.fused_kernel == ("hidden_0", "kernel")

    def steps() -> TrainState:
        state = new_state(init_variables(jax.random.key(1), spec.module()), spec)
        state = state._replace(lr_scale=jnp.asarray(0.5))
        for i in range(4):
            noise = spec.module().draw_noise(jax.random.key(i), batch)
            state, _ = update_step(state, batch, noise, spec)
        return state

    fused = steps()
    monkeypatch.setattr(Spec, "fused_kernel", None)
    together = steps()
    assert jax.tree.structure(fused) == jax.tree.structure(together)
    for one, other in zip(jax.tree.leaves(fused), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("given", [{"optimizer": "sgd"}, {"clip_norm": 1.0}])
def test_other_rules_and_clipping_are_left_to_optax(given: dict) -> None:
    assert not spec_of("ntm", **given).fused_kernel


def test_an_encoder_that_reads_rho_has_no_such_kernel() -> None:
    assert not spec_of("default").fused_kernel


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere the whole layer is one block")
@pytest.mark.parametrize("moments", ["full", "compact"])
def test_no_second_copy_of_the_weights_is_made(moments: str) -> None:
    spec = spec_of("ntm", vocab_size=40_000, hidden=(256, 8), adam_moments=moments)
    counts = planted_counts(B, 40_000, K)
    batch = Batcher(counts, counts.astype(np.float32), B).take(np.arange(B))
    state = new_state(init_variables(jax.random.key(0), spec.module()), spec)
    compiled = single_step().lower(state, batch, jax.random.key(0), spec).compile()
    kernel = state.variables.params["hidden_0"]["kernel"]
    assert compiled.memory_analysis().temp_size_in_bytes < kernel.nbytes / 2


def test_steps_by_wide_and_by_narrow_vectors_are_equal_to_rounding() -> None:
    spec, batch = spec_of("ntm"), batch_of(np.float32)
    ends = []
    for step in (train_step, train_step_wide):
        state = new_state(init_variables(jax.random.key(1), spec.module()), spec)
        for _ in range(3):
            state, _ = step(state, batch, jax.random.key(2), spec)
        ends.append(state)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6), *ends)
