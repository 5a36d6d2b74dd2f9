"""Newton steps up a document's posterior, and what training and inference make of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from conftest import draw_noise, posterior_of, topics_of
from etm_jax.config.build import make_config
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.refine import DAMPING, LARGEST_GAP, LEAST_CURVATURE, amortization_gap, refine
from etm_jax.ops import sparse
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss, eval_step, theta_step
from etm_jax.util.errors import UserError

V, K, PRIOR = 30, 4, 5.0


def topics(seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).dirichlet(np.full(V, 0.1), K), jnp.float32)


def batch_of(counts: np.ndarray, batch_size: int = 8):
    matrix = sp.csr_matrix(counts.astype(np.int32))
    return Batcher(matrix, matrix.astype(np.float32), batch_size).take(np.arange(len(counts)))


def rows_of(beta: jax.Array, batch: Batch) -> jax.Array:
    return sparse.word_rows(beta.T, batch.pattern)


def drawn_counts(num_docs: int = 8) -> np.ndarray:
    rng = np.random.default_rng(1)
    theta = rng.dirichlet(np.full(K, 0.5), num_docs)
    return np.stack([rng.multinomial(20, row / row.sum()) for row in theta @ np.asarray(topics(), np.float64)])


def log_posterior(delta: jax.Array, counts: np.ndarray) -> jax.Array:
    px = jax.nn.softmax(delta, axis=-1) @ topics()
    return jnp.where(counts > 0, counts * jnp.log(jnp.maximum(px, 1e-30)), 0).sum() - (delta**2).sum() / (2 * PRIOR)


def test_many_steps_end_at_the_mode() -> None:
    counts = drawn_counts()
    batch = batch_of(counts)
    start = jnp.asarray(np.random.default_rng(2).normal(size=(8, K)), jnp.float32)
    mode, _ = refine(start, rows_of(topics(), batch), batch.counts, batch.pattern, 0.0, PRIOR, steps=1000)
    np.testing.assert_allclose(jax.grad(log_posterior)(mode, counts), 0, atol=2e-4)
    curvature = jax.hessian(lambda one: log_posterior(one[None], counts[:1]))(mode[0])
    assert np.linalg.eigvalsh(np.asarray(curvature)).max() < 0


def test_a_step_climbs() -> None:
    counts = drawn_counts()
    batch, start = batch_of(counts), jnp.zeros((8, K))
    rows = rows_of(topics(), batch)
    heights = [
        float(log_posterior(refine(start, rows, batch.counts, batch.pattern, 0.0, PRIOR, n)[0], counts))
        for n in (0, 1, 2, 4, 8, 16)
    ]
    assert all(low < high for low, high in itertools.pairwise(heights))


def test_a_step_is_newtons_by_the_true_diagonal_within_its_bounds() -> None:
    counts = drawn_counts()
    batch = batch_of(counts)
    start = jnp.asarray(np.random.default_rng(3).normal(size=(8, K)), jnp.float32)
    stepped, bound = refine(start, rows_of(topics(), batch), batch.counts, batch.pattern, 0.0, PRIOR, steps=1)
    gradient = jax.grad(log_posterior)(start, counts)
    floored = 0
    for i in range(8):
        true = -np.diag(jax.hessian(lambda one, i=i: log_posterior(one[None], counts[i : i + 1]))(start[i]))
        assert (bound[i] >= true - 1e-4).all()
        curvature = np.maximum(true, LEAST_CURVATURE * bound[i])
        floored += (curvature > true).sum()
        np.testing.assert_allclose(stepped[i], start[i] + DAMPING * gradient[i] / curvature, rtol=1e-4, atol=1e-5)
    assert 0 < floored < 8 * K


def test_a_document_of_one_topics_words_goes_to_that_topic() -> None:
    """With two topics of disjoint words δ₁ = −δ₂ = d, and the mode solves n(1 − σ(2d)) = d / s²: by bisection."""
    disjoint = jnp.asarray(np.repeat(np.eye(2), V // 2, axis=1) / (V // 2), jnp.float32)
    counts = np.zeros((1, V))
    counts[0, :5] = 2
    batch = batch_of(counts, batch_size=1)
    mode, _ = refine(jnp.zeros((1, 2)), rows_of(disjoint, batch), batch.counts, batch.pattern, 0.0, PRIOR, steps=300)
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 10 / (1 + np.exp(2 * middle)) > middle / PRIOR else (low, middle)
    np.testing.assert_allclose(mode[0], [low, -low], rtol=1e-3)


@pytest.mark.parametrize("centre", [0.0, np.linspace(-1, 2, 2 * K).reshape(2, K).astype(np.float32)])
def test_an_empty_document_goes_to_the_centre(centre: float | np.ndarray) -> None:
    batch = batch_of(np.zeros((2, V)), batch_size=2)
    mode, _ = refine(
        jnp.full((2, K), 3.0), rows_of(topics(), batch), batch.counts, batch.pattern, centre, PRIOR, steps=60
    )
    np.testing.assert_allclose(mode, np.broadcast_to(centre, (2, K)), atol=1e-6)


@pytest.mark.parametrize("share", [0, 1e-17, 1e-30])
def test_words_that_no_topic_holds_leave_numbers(share: float) -> None:
    hollow = topics().at[:, 0].set(share)
    counts = np.zeros((2, V))
    counts[:, 0] = 3
    batch = batch_of(counts, batch_size=2)
    mode, curvature = refine(
        jnp.zeros((2, K)), rows_of(hollow, batch), batch.counts, batch.pattern, 0.0, PRIOR, steps=20
    )
    assert jnp.isfinite(mode).all()
    assert jnp.isfinite(curvature).all()


def test_the_amortization_gap_is_half_the_weighted_square_and_bounded() -> None:
    mu, refined = jnp.asarray([[1.0, 0.0], [9.0, 0.0]]), jnp.asarray([[0.0, 2.0], [0.0, 0.0]])
    curvature = jnp.asarray([[2.0, 3.0], [2.0, 3.0]])
    np.testing.assert_allclose(amortization_gap(mu, refined, curvature), [0.5 * (2 + 12), LARGEST_GAP**2])
    np.testing.assert_allclose(
        jax.grad(lambda x: amortization_gap(x, refined, curvature).sum())(mu), [[2.0, -6.0], [0.0, 0.0]]
    )


def spec_of(**given) -> Spec:
    few = {"num_topics": K, "hidden": (16,), "embed_dim": 6, "prior_variance": PRIOR, "infer_sif": 0.0}
    config = make_config("default", few | given)
    return Spec(config.model, config.objective, config.optimizer, V, 6, num_steps=10, train_rho=True)


def fresh(spec: Spec) -> Variables:
    return init_variables(jax.random.key(5), spec.module())


def test_inference_ends_at_the_mode_about_the_encoders_guess() -> None:
    spec, batch = spec_of(infer_steps=1000, infer_variance=2.0), batch_of(counts := drawn_counts())
    variables = fresh(spec)
    module = spec.module()
    mu = posterior_of(module, variables, batch).mu
    theta, topics = theta_step(variables, batch, spec), topics_of(module, variables)
    # δ is known from θ up to a constant, and at the mode of this prior Σ_k (δ_k − μ_k) = 0.
    delta = jnp.log(theta)
    delta += (mu - delta).mean(axis=-1, keepdims=True)

    def height(delta: jax.Array) -> jax.Array:
        px = jax.nn.softmax(delta, axis=-1) @ topics
        return (counts * jnp.log(px)).sum() - ((delta - mu) ** 2).sum() / (2 * 2.0)

    np.testing.assert_allclose(jax.grad(height)(delta), 0, atol=2e-4)
    assert np.abs(delta - mu).max() > 0.1
    np.testing.assert_allclose(theta_step(variables, batch, spec_of(infer_steps=0)), jax.nn.softmax(mu), rtol=1e-5)


def test_a_word_counts_the_less_in_inference_the_more_of_the_text_it_is() -> None:
    counts = drawn_counts()
    share = np.linspace(1, V, V) / np.linspace(1, V, V).sum()
    spec = spec_of(infer_steps=6, infer_sif=0.02, background=0.5, temperature=1.25)
    # As the end of training leaves it: a half of the logarithm, over the temperature.
    background = jnp.asarray(0.5 * np.log(share) / 1.25, jnp.float32)
    variables = fresh(spec)._replace(constants={"background": background})
    module, batch = spec.module(), batch_of(counts)
    mu = posterior_of(module, variables, batch).mu
    weighted = batch_of(counts)
    weighted = weighted._replace(counts=np.asarray(weighted.counts) * 0.02 / (0.02 + share[weighted.pattern.cols]))
    topics = topics_of(module, variables)
    mode, _ = refine(mu, rows_of(topics, weighted), weighted.counts, weighted.pattern, mu, spec.model.infer_variance, 6)
    np.testing.assert_allclose(theta_step(variables, batch, spec), jax.nn.softmax(mode), rtol=2e-4)
    assert not np.allclose(theta_step(variables, batch, spec), theta_step(variables, batch, spec_of(infer_steps=6)))


def test_the_less_the_variance_the_closer_to_the_encoder() -> None:
    batch, found = batch_of(drawn_counts()), []
    for variance in (1e-4, 1.0, 100.0):
        spec = spec_of(infer_steps=50, infer_variance=variance)
        encoders = theta_step(fresh(spec), batch, spec_of(infer_steps=0))
        found.append(float(jnp.abs(theta_step(fresh(spec), batch, spec) - encoders).max()))
    assert found[0] < 1e-3 < found[1] < found[2]


def test_the_refined_bound_is_tighter() -> None:
    """More steps in training and validation: less reconstruction loss and KL together, from the same encoder."""
    batch = batch_of(drawn_counts())
    bounds = []
    for steps in (0, 3):
        spec = spec_of(refine_steps=steps, prior_variance=1.0)
        variables = fresh(spec)
        quiet = variables.params["logvar"]
        still = {"kernel": 0 * quiet["kernel"], "bias": 0 * quiet["bias"] - 12}
        variables = variables._replace(params=variables.params | {"logvar": still})
        sums = eval_step(variables, batch, jax.random.key(0), spec)
        bounds.append(float(sums.recon + sums.kl))
    assert bounds[1] < bounds[0]


def test_the_encoder_learns_from_the_bound_at_the_refined_mean_and_from_the_gap() -> None:
    """The gradient for mu's bias, straight through, against one put together by hand."""
    spec, batch = spec_of(refine_steps=2, overlap_weight=0.0), batch_of(drawn_counts())
    params, constants = fresh(spec)
    noise = draw_noise(jax.random.key(1), spec.module(), 8)
    found = jax.grad(batch_loss, has_aux=True)(params, constants, batch, noise, spec)[0]["mu"]["bias"]
    guess = posterior_of(spec.module(), Variables(params, constants), batch)
    by_topic = topics_of(spec.module(), Variables(params, constants))
    refined, curvature = refine(guess.mu, rows_of(by_topic, batch), batch.counts, batch.pattern, 0.0, PRIOR, 2)
    counts = jnp.asarray(drawn_counts())

    def bound(mean: jax.Array) -> jax.Array:
        theta = jax.nn.softmax(mean + jnp.exp(guess.logvar / 2) * noise.eps, axis=-1)
        kl = 0.5 * (mean**2 / PRIOR).sum()
        return -(counts * jnp.log(theta @ by_topic)).sum() + spec.objective.kl_weight * kl

    towards = jax.grad(lambda mu: amortization_gap(mu, refined, curvature).sum())(guess.mu)
    np.testing.assert_allclose(found, (jax.grad(bound)(refined) + towards).sum(0) / 8, rtol=2e-4, atol=1e-5)


def test_thinning_hides_a_uniform_share_of_a_documents_entries() -> None:
    counts = sp.csr_matrix(np.ones((200, 400), np.int32))
    batch = Batcher(counts, counts, 200, (counts.nnz,)).take(np.arange(200))
    visible = spec_of(thinning=0.6).module().draw_noise(jax.random.key(0), batch).visible
    shares = np.asarray(visible).reshape(200, 400).mean(1)
    assert set(np.unique(visible)) == {0, 1}
    assert 0.33 < shares.min() < 0.45
    assert shares.max() > 0.95
    assert shares.mean() == pytest.approx(0.7, abs=4 * 0.6 / np.sqrt(12 * 200))
    assert spec_of(thinning=0.0).module().draw_noise(jax.random.key(0), batch).visible is None


def test_thinning_is_of_what_the_encoder_reads_and_not_of_what_is_explained() -> None:
    spec, counts = spec_of(thinning=0.5, refine_steps=0), drawn_counts()
    batch = batch_of(counts)
    noise = spec.module().draw_noise(jax.random.key(1), batch)
    hidden = batch._replace(inputs=batch.inputs * noise.visible)
    thinned = batch_loss(*fresh(spec), batch, noise, spec)[1]
    by_hand = batch_loss(*fresh(spec), hidden, noise._replace(visible=None), spec)[1]
    np.testing.assert_allclose(thinned.recon, by_hand.recon, rtol=1e-6)
    whole = batch_loss(*fresh(spec), batch, noise._replace(visible=None), spec)[1]
    assert thinned.recon != whole.recon


@pytest.mark.parametrize("flag", ["refine_steps", "infer_steps"])
def test_newton_steps_need_theta_to_be_the_softmax_of_delta(flag: str) -> None:
    with pytest.raises(UserError, match=f"--{flag}=3 .*--notheta_layer"):
        make_config("ntm", {flag: 3})


def test_published_variants_have_none_of_it() -> None:
    for variant in ("ntm", "paper"):
        config = make_config(variant)
        ours = (config.model.thinning, config.model.infer_steps, config.objective.refine_steps)
        assert ours == (0, 0, 0)
        assert config.objective.kl_weight == 1
