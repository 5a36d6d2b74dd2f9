"""Adam with compact moments: what is kept of a matrix of words, and the steps that come of it."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.ops import compact_moments, fused_adam
from etm_jax.ops.fused_adam import B1, B2, EPS, LARGEST_MOVE, Weights, adam_step
from etm_jax.ops.mesh import VocabAxis
from etm_jax.training.batches import Batcher
from etm_jax.training.compact_adam import scale_by_compact_adam

V, H, B = 53, 8, 16


def weights_of(kernel: np.ndarray) -> Weights:
    kernel = jnp.asarray(kernel)
    return Weights(kernel, jnp.zeros(kernel.shape, compact_moments.BITS), jnp.zeros((len(kernel), 1), kernel.dtype))


def step_of(weights: Weights, batch, behind, count: int = 1, rate: float = 0.5, decay: float = 0.0, finite=True):
    scalars = jnp.int32(count), jnp.asarray(rate), decay, jnp.bool_(finite)
    return adam_step(weights, batch.inputs, batch.pattern, jnp.asarray(behind), *scalars)


def test_bits_are_those_of_the_nearest_bfloat16() -> None:
    values = jnp.float32([1, 1 / 3, -0.0, 1 + 2**-8, 1 + 3 * 2**-8, -2.5, 0.1])
    # A third is 0x3eaaaaab. Halfway between two numbers the even one is taken, below and above.
    bits = [0x3F80, 0x3EAB, 0x8000, 0x3F80, 0x3F82, 0xC020, 0x3DCD]
    np.testing.assert_array_equal(compact_moments.to_bits(values), np.uint16(bits))
    back = compact_moments.from_bits(jnp.asarray(np.uint16(bits)), jnp.dtype("float32"))
    assert list(back) == [1, 0.333984375, 0, 1, 1.015625, -2.5, 0.10009765625]
    rng = np.random.default_rng(0)
    many = (rng.normal(size=1000) * 10.0 ** rng.integers(-30, 30, 1000)).astype(np.float32)
    wanted = many.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(compact_moments.to_bits(jnp.asarray(many)), wanted.view(np.uint16))
    every = jnp.arange(0x7F80, dtype=jnp.uint16)  # all that are finite, and not below 0
    widened = compact_moments.from_bits(every, jnp.dtype("float32"))
    np.testing.assert_array_equal(np.asarray(widened).view(np.uint32), np.arange(0x7F80, dtype=np.uint32) << 16)


GRAD = np.float32([[1, 2, 2], [0, -6, 0]])
FIRST_BITS = [[0x3DCD, 0x3E4D, 0x3E4D], [0, 0xBF1A, 0]]
"""0.1 and 0.2 are kept as 0.10009765625 and 0.2001953125, -0.6 as -0.6015625."""
SECOND = [[0.001 * 3], [0.001 * 12]]
"""(1 + 4 + 4) / 3 and 36 / 3 are the mean squares."""
# 1 - 0.999 in single precision is 1.3e-5 off, in optax too: hence the tolerance of the steps.
MOVED = [[1.0009765625 / 3**0.5, 2.001953125 / 3**0.5, 2.001953125 / 3**0.5], [0, -6.015625 / 12**0.5, 0]]


def test_a_first_step_by_hand() -> None:
    one_word_each = sp.csr_matrix(np.eye(2, dtype=np.int32))
    batch = Batcher(one_word_each, one_word_each.astype(np.float32), 2).take(np.arange(2))
    after = step_of(weights_of(np.ones((2, 3), np.float32)), batch, GRAD, rate=0.5)
    np.testing.assert_array_equal(after.mu, np.uint16(FIRST_BITS))
    np.testing.assert_allclose(after.nu, SECOND, rtol=1e-6)
    np.testing.assert_allclose(after.kernel, 1 - 0.5 * np.array(MOVED), rtol=2e-5)


@pytest.mark.parametrize("axis", [-2, -1])
def test_a_first_step_by_hand_as_optax_has_it(axis: int) -> None:
    """Words by row or by column; a vector keeps both moments whole, as does a matrix without words."""

    def turned(values: object) -> np.ndarray:
        return np.asarray(values) if axis == -2 else np.asarray(values).T

    rule = scale_by_compact_adam(lambda path: None if "plain" in str(path) else VocabAxis(axis))
    grads = {"words": jnp.asarray(turned(GRAD)), "bias": jnp.float32([4, -2]), "plain": jnp.asarray(GRAD)}
    moves, state = rule.update(grads, rule.init(grads))
    np.testing.assert_array_equal(state.mu["words"], turned(np.uint16(FIRST_BITS)))
    np.testing.assert_allclose(state.nu["words"], turned(SECOND), rtol=1e-6)
    np.testing.assert_allclose(moves["words"], turned(MOVED), rtol=2e-5)
    others = {name: grads[name] for name in ("bias", "plain")}
    adam = optax.scale_by_adam()
    by_optax, optax_state = adam.update(others, adam.init(others))
    for name in others:
        np.testing.assert_allclose(moves[name], by_optax[name], rtol=1e-6)
        np.testing.assert_allclose(state.nu[name], optax_state.nu[name], rtol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 10, 53, 1000])
def test_steps_are_those_of_the_formula_in_any_blocks(rows: int, decay: float, monkeypatch, float64) -> None:
    monkeypatch.setattr(fused_adam, "BLOCK_BYTES", rows * H * 8)
    monkeypatch.setattr(fused_adam, "WHOLE_BYTES", min(rows, V) * H * 8)
    rng, counts = np.random.default_rng(0), planted_counts(B, V, 3)
    batch = Batcher(counts, counts.astype(np.float64), B, dtype=np.float64).take(np.arange(B))
    kernel, first, second = rng.normal(size=(V, H)), np.zeros((V, H)), np.zeros((V, 1))
    ours = weights_of(kernel)
    for count in range(1, 6):
        behind = rng.normal(size=(B, H))
        ours = step_of(ours, batch, behind, count, rate=0.03, decay=decay)
        grad = counts.T @ behind + decay * kernel
        first = (B1 * first + (1 - B1) * grad).astype(np.float32).astype(ml_dtypes.bfloat16).astype(np.float64)
        second = B2 * second + (1 - B2) * (grad**2).mean(axis=1, keepdims=True)
        move = (first / (1 - B1**count)) / (np.sqrt(second / (1 - B2**count)) + EPS)
        kernel = kernel - 0.03 * np.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
    np.testing.assert_allclose(ours.kernel, kernel, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.nu, second, rtol=1e-12)
    np.testing.assert_array_equal(compact_moments.from_bits(ours.mu, jnp.dtype("float64")), first)


def test_no_weight_moves_by_more_than_adams_bound() -> None:
    """A gradient of 1 in one of 16 weights has a mean square of 1/16: the move would be 4 step sizes."""
    np.testing.assert_allclose(LARGEST_MOVE, 0.1 / 0.001**0.5, rtol=1e-12)
    grad = np.zeros((2, 16), np.float32)
    grad[0, 3], grad[1] = 1, 1
    one_word_each = sp.csr_matrix(np.eye(2, dtype=np.int32))
    batch = Batcher(one_word_each, one_word_each.astype(np.float32), 2).take(np.arange(2))
    after = step_of(weights_of(np.zeros((2, 16), np.float32)), batch, grad, rate=0.5)
    wanted = np.zeros((2, 16))
    wanted[0, 3], wanted[1] = -0.5 * LARGEST_MOVE, -0.5 * 1.0009765625
    np.testing.assert_allclose(after.kernel, wanted, rtol=2e-5)
    rule = scale_by_compact_adam(lambda path: VocabAxis(-2))
    moves, _ = rule.update({"words": jnp.asarray(grad)}, rule.init({"words": jnp.asarray(grad)}))
    np.testing.assert_allclose(-0.5 * moves["words"], wanted, rtol=2e-5)


def test_words_in_another_order_have_the_same_moments() -> None:
    rng, counts = np.random.default_rng(1), planted_counts(B, V, 3)
    kernel, behind = rng.normal(size=(V, H)).astype(np.float32), rng.normal(size=(B, H)).astype(np.float32)
    order = rng.permutation(V)

    def after(counts: sp.csr_matrix, kernel: np.ndarray) -> Weights:
        batch = Batcher(counts, counts.astype(np.float32), B).take(np.arange(B))
        return step_of(step_of(weights_of(kernel), batch, behind), batch, -behind, count=2)

    one, other = after(counts, kernel), after(counts[:, order], kernel[order])
    for there, permuted in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.asarray(there)[order], permuted)


def test_a_step_that_is_not_finite_moves_nothing() -> None:
    counts = planted_counts(B, V, 3)
    batch = Batcher(counts, counts.astype(np.float32), B).take(np.arange(B))
    before = jax.tree.map(
        np.asarray, step_of(weights_of(np.ones((V, H), np.float32)), batch, np.ones((B, H), np.float32))
    )
    after = step_of(Weights(*before), batch, np.full((B, H), np.nan, np.float32), count=2, finite=False)
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_the_first_moment_does_not_stand_still_and_the_second_would() -> None:
    """A step moves the first moment by 10% of its distance to the gradient, and neighbours in bfloat16 are 0.4 to 0.8%
    of a number apart: it stands still only where the distance is below half of that, times ten. The second would move
    by 0.1%, which is below the half: it would keep a large gradient's square for good. Hence it is in single precision.
    """

    def after(steps: int, moment: float, grad: float, rate: float) -> float:
        bits = compact_moments.to_bits(jnp.float32([moment]))
        for _ in range(steps):
            there = compact_moments.from_bits(bits, jnp.dtype("float32"))
            bits = compact_moments.to_bits(rate * there + (1 - rate) * grad)
        return float(compact_moments.from_bits(bits, jnp.dtype("float32"))[0])

    for grad in (0.5, -0.5, 3e-5):
        assert after(150, 1.0, grad, B1) == pytest.approx(grad, rel=0.04)
    # 0.9 ** 150 is 1.4e-7; rounding makes a little of it.
    assert 0 < after(150, 1.0, 0.0, B1) < 1e-6
    assert after(150, 1.0, 0.0, B2) == 1
