"""The compiled steps: what they compile, what padding does, and that they learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from conftest import draw_noise, planted_counts
from etm_jax.config.build import make_config
from etm_jax.models.layers import init_variables
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import (
    Spec,
    abstract_state,
    beta_step,
    eval_step,
    new_state,
    theta_step,
    topics_by_word,
    train_step,
    update_step,
)
from programs import compiled

V, K, L = 60, 3, 8


def spec_of(variant="paper", **given) -> Spec:
    small = {"num_topics": K, "hidden": (32, 16), "embed_dim": L, "learning_rate": 0.02}
    config = make_config(variant, small | given)
    return Spec(
        config.model, config.objective, config.optimizer, V, L, num_steps=60, train_rho=config.vectors.train_rho
    )


def fresh(spec):
    return new_state(init_variables(jax.random.key(0), spec.module()), spec)


def batcher_of(num_docs=200, batch_size=64):
    counts = planted_counts(num_docs, V, K)
    return Batcher(counts, counts.astype(np.float32), batch_size)


@pytest.mark.parametrize("variant", ["default", "ntm", "paper"])
def test_training_compiles_once_a_static_size(variant):
    counts = planted_counts(300, V, K, length=5)
    counts = type(counts)(np.maximum(counts.toarray() * (np.arange(300) % 7 == 0)[:, None] * 3, counts.toarray()))
    batcher = Batcher(counts, counts.astype(np.float32), 64)
    spec = spec_of(variant, seed=0, clip_norm=5.125)  # of no other test
    state, met = fresh(spec), set()
    with compiled() as names:
        for epoch in range(4):
            for batch in batcher.epoch(np.random.default_rng(epoch).permutation(300)):
                met.add(len(batch.counts))
                state, _ = train_step(state, batch, jax.random.key(0), spec)
    assert names.count("_train_step") == len(met) <= len(batcher.sizes)


def test_topics_that_are_known_are_those_that_a_step_would_make():
    batcher, spec = batcher_of(), spec_of("default")
    variables = fresh(spec).variables
    batch = batcher.take(np.arange(40))
    topics = topics_by_word(variables, spec)
    np.testing.assert_allclose(topics, beta_step(variables, spec).T, rtol=1e-6)
    known = theta_step(variables, batch, spec, topics)
    np.testing.assert_allclose(known, theta_step(variables, batch, spec), rtol=2e-5, atol=1e-7)
    others = np.random.default_rng(0).dirichlet(np.full(len(topics), 0.05), topics.shape[1]).astype(np.float32)
    others = theta_step(variables, batch, spec, jnp.asarray(others.T))
    assert np.abs(known - others).max() > 1e-3
    assert topics_by_word(variables, spec_of("paper")) is None


def test_padding_documents_changes_nothing():
    batcher = batcher_of()
    spec = spec_of()
    variables = fresh(spec).variables
    wide = Batcher(batcher.counts, batcher.inputs, 100)
    rows = np.arange(40)
    np.testing.assert_allclose(
        theta_step(variables, batcher.take(rows), spec)[:40],
        theta_step(variables, wide.take(rows), spec)[:40],
        rtol=1e-5,
    )
    exact = Batcher(batcher.counts, batcher.inputs, 40).take(rows)
    padded = exact._replace(
        counts=np.pad(exact.counts, (0, 512)),
        inputs=np.pad(exact.inputs, (0, 512)),
        pattern=dataclasses.replace(
            exact.pattern,
            **{name: np.pad(getattr(exact.pattern, name), (0, 512)) for name in ("cols", "rows", "order")},
        ),
    )
    for a, b in zip(
        eval_step(variables, exact, jax.random.key(3), spec),
        eval_step(variables, padded, jax.random.key(3), spec),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def in_float64(spec, num_docs=5, batch_size=8):
    """Random variables, and a batch of which the last documents are padding."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: init_variables(jax.random.key(0), spec.module()))
    variables = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape) * 0.3), shapes)
    counts = planted_counts(num_docs, V, K, length=12)
    batch = Batcher(counts, counts, batch_size, dtype=np.float64).take(np.arange(num_docs))
    return variables, jax.tree.map(jnp.asarray, batch)


@pytest.mark.parametrize("variant", ["default", "ntm", "paper"])
def test_the_sum_moves_the_parameters_by_the_documents_times_the_mean(float64, variant):
    given = {"optimizer": "sgd", "overlap_weight": 0.0, "weight_decay": 0.0, "train_rho": True}
    moves = []
    for reduction in ("mean", "sum"):
        spec = spec_of(variant, reduction=reduction, **given)
        variables, batch = in_float64(spec)
        state, _ = update_step(new_state(variables, spec), batch, draw_noise(jax.random.key(0), spec.module(), 8), spec)
        moves.append(jax.tree.map(lambda new, old: new - old, state.variables.params, variables.params))
    # Five are documents and three are padding.
    jax.tree.map(lambda mean, total: np.testing.assert_allclose(total, 5 * mean, rtol=1e-9, atol=1e-14), *moves)


def test_train_step_is_the_update_under_the_noise_of_its_step(float64):
    spec = spec_of("default", dropout=0.3)
    variables, batch = in_float64(spec)
    state = new_state(variables, spec)._replace(step=jnp.asarray(7, jnp.int32))
    noise = spec.module().draw_noise(jax.random.fold_in(jax.random.key(4), 7), batch)
    wanted = jax.tree.map(np.asarray, update_step(state, batch, noise, spec))
    # It takes its state's buffers, which others here hold too.
    got = train_step(jax.tree.map(jnp.copy, state), batch, jax.random.key(4), spec)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), got, wanted)


def test_a_fixed_rho_stays_and_has_no_moments():
    spec = spec_of()._replace(train_rho=False)
    state = fresh(spec)
    rho = np.asarray(state.variables.params["rho"]).copy()
    assert (V, L) not in [leaf.shape for leaf in jax.tree.leaves(state.opt_state)]
    for batch in batcher_of().epoch(np.arange(200)):
        state, _ = train_step(state, batch, jax.random.key(0), spec)
    np.testing.assert_array_equal(state.variables.params["rho"], rho)


def nelbo_per_doc(spec, epochs):
    """The bound before and after some epochs."""
    batcher, state = batcher_of(192), fresh(spec)
    whole = Batcher(batcher.counts, batcher.inputs, 192).take(np.arange(192))
    before = eval_step(state.variables, whole, jax.random.key(9), spec)
    for epoch in range(epochs):
        for batch in batcher.epoch(np.random.default_rng(epoch).permutation(192)):
            state, _ = train_step(state, batch, jax.random.key(0), spec)
    after = eval_step(state.variables, whole, jax.random.key(9), spec)
    return [float((sums.recon + sums.kl) / sums.docs) for sums in (before, after)]


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_compact_moments_lower_the_bound_and_take_a_quarter_of_the_memory(optimizer):
    spec = spec_of("paper", optimizer=optimizer, learning_rate=0.02, adam_moments="compact")
    before, after = nelbo_per_doc(spec, epochs=6)
    assert after < before - 1
    of_words = [x for path, x in jax.tree.leaves_with_path(abstract_state(spec).opt_state) if spec.vocab_axis(path)]
    # Of the encoder's kernel [V, H] and of ρ [V, L] two bytes a weight, and a second moment of four bytes a word.
    width = spec.model.hidden[0]
    assert sum(x.size * x.dtype.itemsize for x in of_words) == 2 * V * (width + L) + 2 * 4 * V


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "adagrad", "rmsprop"])
def test_every_optimizer_lowers_the_bound(optimizer):
    rate = {"sgd": 1.0, "adagrad": 0.1}.get(optimizer, 0.02)
    before, after = nelbo_per_doc(spec_of(optimizer=optimizer, learning_rate=rate, clip_norm=1.0), epochs=6)
    assert after < before - 1


@pytest.mark.parametrize("criterion", ["cross_entropy", "bce_softmax", "bce_sigmoid"])
def test_every_criterion_of_the_report_lowers_its_bound(criterion):
    before, after = nelbo_per_doc(spec_of("ntm", criterion=criterion, train_rho=True, learning_rate=0.05), epochs=8)
    assert after < before - 1


def test_planted_topics_are_found():
    spec = spec_of(lr_schedule="constant", num_topics=K)
    batcher, state = batcher_of(384), fresh(spec)
    for epoch in range(40):
        for batch in batcher.epoch(np.random.default_rng(epoch).permutation(384)):
            state, _ = train_step(state, batch, jax.random.key(0), spec)
    beta = np.asarray(beta_step(state.variables, spec))
    planted = np.kron(np.eye(K), np.full(V // K, K / V))
    cosine = (beta @ planted.T) / np.linalg.norm(beta, axis=1)[:, None] / np.linalg.norm(planted, axis=1)
    rows, cols = linear_sum_assignment(-cosine)
    assert cosine[rows, cols].mean() > 0.95


def test_the_step_number_drives_the_noise():
    spec = spec_of()
    batch = batcher_of().take(np.arange(64))
    at = [
        train_step(fresh(spec)._replace(step=np.int32(n)), batch, jax.random.key(0), spec)[1].recon for n in (0, 0, 1)
    ]
    assert at[0] == at[1] != at[2]


def test_lr_scale_multiplies_the_update():
    spec = spec_of()
    batch = batcher_of().take(np.arange(64))
    start = np.asarray(fresh(spec).variables.params["alpha"])
    moves = []
    for scale in (1.0, 0.25):
        state = fresh(spec)._replace(lr_scale=np.float32(scale))
        moves.append(np.asarray(train_step(state, batch, jax.random.key(0), spec)[0].variables.params["alpha"]) - start)
    np.testing.assert_allclose(moves[1], moves[0] / 4, rtol=1e-2, atol=1e-6)
