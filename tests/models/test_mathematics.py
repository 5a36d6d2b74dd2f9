"""The model as mathematics: finite differences, permutations of topics, and the scaling rules of each reduction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from conftest import draw_noise, forward
from etm_jax.config.build import make_config
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.noise import Noise
from etm_jax.models.objective import log_px_nonzero
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss, new_state, update_step

V, K, L, DOCS = 14, 4, 5, 6

CASES = {
    # Straight through a refinement, the gradient is none of the loss.
    "default": ("default", {"refine_steps": 0}),
    "default, words of its own": ("default", {"refine_steps": 0, "read_rho": False, "skip": False}),
    "ntm": ("ntm", {"train_rho": True}),
    "ntm, bce_softmax": ("ntm", {"train_rho": True, "criterion": "bce_softmax"}),
    "ntm, bce_sigmoid": ("ntm", {"train_rho": True, "criterion": "bce_sigmoid"}),
    "paper, dropout": ("paper", {"dropout": 0.5}),
    "gsm": ("ntm", {"kind": "gsm"}),
}


def spec_of(variant: str, given: dict) -> Spec:
    config = make_config(variant, {"num_topics": K, "hidden": (7, 6), "decoder_hidden": (5,), "embed_dim": L} | given)
    embed_dim = L if config.model.kind == "etm" else 0
    return Spec(config.model, config.objective, config.optimizer, V, embed_dim, 10, True)


def batch_of(counts: np.ndarray, batch_size: int = DOCS):
    matrix = sp.csr_matrix(counts.astype(float))
    inputs = matrix.copy()
    inputs.data = np.log1p(inputs.data)
    return Batcher(matrix, inputs, batch_size, dtype=np.float64).take(np.arange(len(counts)))


def drawn_counts(seed: int = 0) -> np.ndarray:
    counts = np.random.default_rng(seed).poisson(0.8, (DOCS, V))
    counts[2] = 3 * (np.arange(V) == 4)
    return counts


def random_variables(spec: Spec, seed: int = 1) -> Variables:
    shapes = jax.eval_shape(lambda: init_variables(jax.random.key(0), spec.module()))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape)), shapes)


@pytest.fixture(params=CASES, ids=lambda name: name.replace(", ", "-"))
def spec(request, float64):
    return spec_of(*CASES[request.param])


def test_gradients_equal_finite_differences(spec):
    variables, batch = random_variables(spec), batch_of(drawn_counts())
    noise = draw_noise(jax.random.key(2), spec.module(), DOCS)
    loss = jax.jit(lambda params: batch_loss(params, variables.constants, batch, noise, spec)[0])
    gradients = jax.jit(jax.grad(loss))(variables.params)
    rng, step = np.random.default_rng(3), 1e-6
    leaves, tree = jax.tree.flatten(variables.params)
    names = ["/".join(key.key for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(variables.params)]
    for i, (leaf, gradient) in enumerate(zip(leaves, jax.tree.leaves(gradients), strict=True)):
        if names[i] == "rho" and (spec.model.read_rho or spec.model.skip):
            continue  # the encoder reads ρ as a constant, so its gradient is none of the loss: see test_dense.py
        direction = rng.normal(size=leaf.shape)
        up, down = (
            float(loss(jax.tree.unflatten(tree, [*leaves[:i], leaf + sign * step * direction, *leaves[i + 1 :]])))
            for sign in (1, -1)
        )
        along = float((gradient * direction).sum())
        assert (up - down) / (2 * step) == pytest.approx(along, rel=1e-6, abs=2e-6), i


def permuted(params: dict, order: np.ndarray) -> dict:
    """The same model with its topics in another order."""
    new = dict(params)
    for head in ("mu", "logvar"):
        new[head] = {"kernel": params[head]["kernel"][:, order], "bias": params[head]["bias"][order]}
    if "theta_layer" in params:
        layer = params["theta_layer"]
        new["theta_layer"] = {"kernel": layer["kernel"][order][:, order], "bias": layer["bias"][order]}
    if "skip_topics" in params:
        new["skip_topics"] = params["skip_topics"][:, order]
    for name in ("alpha", "alpha_bias"):
        if name in params:
            new[name] = params[name][order]
    if "decoder_0" in params:
        new["decoder_0"] = params["decoder_0"] | {"kernel": params["decoder_0"]["kernel"][order]}
    return new


def test_permuting_topics_permutes_theta_and_beta_and_nothing_else(spec):
    variables, batch, order = random_variables(spec), batch_of(drawn_counts()), np.array([2, 0, 3, 1])
    noise = draw_noise(jax.random.key(2), spec.module(), DOCS)
    others = Variables(permuted(variables.params, order), variables.constants)
    moved = Noise(noise.eps[:, order], noise.dropout)
    a, b = (forward(spec.module(), v, batch, n) for v, n in ((variables, noise), (others, moved)))
    np.testing.assert_allclose(np.asarray(b.theta), np.asarray(a.theta)[:, order], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(b.beta), np.asarray(a.beta)[order], rtol=1e-12)
    np.testing.assert_allclose(a.theta.sum(1), 1, rtol=1e-13)
    np.testing.assert_allclose((a.theta @ a.beta).sum(1), 1, rtol=1e-13)
    if spec.module().is_mixture:
        log_px = (np.asarray(log_px_nonzero(out.theta, out.beta, batch.pattern)) for out in (a, b))
        np.testing.assert_allclose(*log_px, rtol=1e-12)
    losses = [batch_loss(v.params, v.constants, batch, n, spec)[0] for v, n in ((variables, noise), (others, moved))]
    assert float(losses[0]) == pytest.approx(float(losses[1]), rel=1e-12)


def sums_and_loss(spec, counts, eps, batch_size=DOCS):
    """Of documents without dropout, padded to `batch_size`."""
    variables = random_variables(spec)
    noise = Noise(jnp.asarray(np.resize(eps, (batch_size, K))))
    loss, sums = batch_loss(variables.params, variables.constants, batch_of(counts, batch_size), noise, spec)
    return float(loss), {name: float(value) for name, value in sums._asdict().items()}


def bare(reduction: str, **given) -> Spec:
    return spec_of(
        "default", {"overlap_weight": 0.0, "refine_steps": 0, "kl_weight": 1.0, "reduction": reduction} | given
    )


@pytest.mark.parametrize("batch_size", [DOCS, DOCS + 3])
def test_the_sum_is_the_mean_times_the_documents(float64, batch_size):
    counts, eps = drawn_counts(), np.random.default_rng(5).normal(size=(batch_size, K))
    total, sums = sums_and_loss(bare("sum"), counts, eps, batch_size)
    mean, same = sums_and_loss(bare("mean"), counts, eps, batch_size)
    assert sums == same
    assert sums["docs"] == DOCS
    assert total == pytest.approx(sums["recon"] + sums["kl"], rel=1e-14)
    assert mean * DOCS == pytest.approx(total, rel=1e-14)


def test_doubled_counts_double_the_reconstruction_alone(float64):
    spec, noise = bare("sum"), Noise(jnp.asarray(np.random.default_rng(5).normal(size=(DOCS, K))))
    variables, batch = random_variables(spec), batch_of(drawn_counts())
    once, twice = (
        batch_loss(variables.params, variables.constants, b, noise, spec)[1]
        for b in (batch, batch._replace(counts=2 * batch.counts))
    )
    np.testing.assert_allclose(twice.recon, 2 * once.recon, rtol=1e-14)
    assert twice.kl == once.kl


def test_a_document_three_times_counts_three_times(float64):
    eps = np.random.default_rng(5).normal(size=(1, K))
    document = drawn_counts()[:1]
    _, once = sums_and_loss(bare("sum"), document, eps)
    _, thrice = sums_and_loss(bare("sum"), np.repeat(document, 3, 0), np.repeat(eps, 3, 0))
    for name, value in once.items():
        assert thrice[name] == pytest.approx(3 * value, rel=1e-13)


@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
def test_a_step_of_sgd_is_the_gradient_clipped_as_torch_does(float64, clip_norm):
    flags = {"optimizer": "sgd", "learning_rate": 0.1, "lr_schedule": "constant", "rho_lr": 1.0, "alpha_lr": 1.0}
    spec = bare("mean", clip_norm=clip_norm, **flags)
    variables, batch = random_variables(spec), batch_of(drawn_counts())
    noise = draw_noise(jax.random.key(2), spec.module(), DOCS)
    gradient = jax.grad(batch_loss, has_aux=True)(variables.params, variables.constants, batch, noise, spec)[0]
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradient)))
    assert norm > 0.1
    scale = clip_norm / (norm + 1e-6) if clip_norm else 1.0
    state, _ = update_step(new_state(variables, spec), batch, noise, spec)
    for new, old, leaf in zip(*map(jax.tree.leaves, (state.variables.params, variables.params, gradient)), strict=True):
        np.testing.assert_allclose(new, old - 0.1 * scale * leaf, rtol=1e-12, atol=1e-15)


def test_the_reports_unused_bias_never_moves_and_alphas_decays_alone(float64):
    """torch gives ρ's bias no gradient at all, so that weight decay passes it by; α's cancels in the softmax."""
    spec = spec_of("ntm", {"weight_decay": 1e-2, "train_rho": True})
    variables, batch = random_variables(spec), batch_of(drawn_counts())
    state, _ = update_step(new_state(variables, spec), batch, draw_noise(jax.random.key(2), spec.module(), DOCS), spec)
    np.testing.assert_array_equal(state.variables.params["rho_bias"], variables.params["rho_bias"])
    moved = state.variables.params["alpha_bias"] - variables.params["alpha_bias"]
    # Adam's first step is the sign of the gradient, here of the decay alone.
    step = spec.optimizer.learning_rate * np.sign(variables.params["alpha_bias"])
    np.testing.assert_allclose(moved, -step, rtol=1e-3)
