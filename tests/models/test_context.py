"""--context: a vector of each whole document in the encoder's input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conftest import draw_noise, planted_counts
from etm_jax.config.build import make_config
from etm_jax.models import context
from etm_jax.models.batch import Batch
from etm_jax.models.context import of_documents, principal_axes
from etm_jax.models.layers import Variables, init_variables
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, posterior_step, theta_step

D, V, K, L, C = 12, 12, 3, 4, 5
COUNTS = planted_counts(D, V, K)
VECTORS = np.random.default_rng(0).normal(size=(D, C)).astype(np.float32)


def spec_of(**given: object) -> Spec:
    config = make_config("default", {"num_topics": K, "embed_dim": L, "hidden": (8,)} | given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, num_steps=1, train_rho=True)
    return spec._replace(context_dim=C if config.model.context else 0)


def variables_of(spec: Spec) -> Variables:
    found = init_variables(jax.random.key(0), spec.module())
    constants = dict(found.constants)
    if spec.model.context:
        constants |= {"context_mean": jnp.full(C, 0.1), "context_axes": jnp.eye(C)[:, : spec.model.context_axes] / 2}
    if spec.model.context == "ppmi":
        constants["context_words"] = jnp.asarray(np.random.default_rng(1).normal(size=(V, C)), jnp.float32)
    return Variables(found.params, constants)


def batch_of(
    vectors: np.ndarray | None = VECTORS, counts=COUNTS, size: int = D, rows: np.ndarray | None = None
) -> Batch:
    batcher = Batcher(counts, counts.astype(np.float32), size, context=vectors)
    return batcher.take(np.arange(D) if rows is None else rows)


@pytest.mark.parametrize("encoder", ["counts", "context"])
@pytest.mark.parametrize("kind", ["etm", "gsm"])
def test_the_vectors_get_a_gradient_on_every_path(kind: str, encoder: str) -> None:
    spec = spec_of(context="use", encoder=encoder, kind=kind)
    variables, batch = variables_of(spec), batch_of()
    noise = draw_noise(jax.random.key(1), spec.module(), D)

    def loss(params: dict) -> jax.Array:
        model = spec.with_variables(Variables(params, variables.constants))
        terms = model.loss_terms(model.read(batch, noise), batch, noise)
        return terms["recon"].sum() + terms["kl"].sum()

    found = jax.grad(loss)(variables.params)
    paths = [found["context_topics"], found["context_kernel" if encoder == "counts" else "hidden_0"]]
    for each in map(jnp.asarray, jax.tree.leaves(paths)):
        assert np.isfinite(each).all()
        assert np.abs(each).max() > 1e-4


def test_without_vectors_a_model_has_the_parameters_it_had() -> None:
    spec = spec_of()
    assert sorted(init_variables(jax.random.key(0), spec.module()).params) == [
        "alpha", "hidden_0", "logvar", "mu", "rho", "skip_topics"
    ]  # fmt: skip
    assert batch_of(None).context is None


@pytest.mark.parametrize("encoder", ["counts", "context"])
def test_a_document_has_its_own_vector_wherever_it_stands(encoder: str) -> None:
    spec = spec_of(context="use", encoder=encoder)
    variables = variables_of(spec)
    # Of a model that has learned nothing, the linear path is 0.
    variables.params["context_topics"] = jnp.asarray(np.random.default_rng(2).normal(size=(C, K)), jnp.float32)
    order = np.random.default_rng(3).permutation(D)
    whole = np.asarray(theta_step(variables, batch_of(), spec))
    np.testing.assert_allclose(theta_step(variables, batch_of(rows=order), spec), whole[order], atol=2e-6)
    moved = np.asarray(theta_step(variables, batch_of(VECTORS[order]), spec))
    assert np.abs(moved - whole).max() > 0.01


def test_rows_that_are_padding_have_zeros() -> None:
    batch = batch_of(size=D + 4)
    assert np.asarray(batch.context).shape == (D + 4, C)
    np.testing.assert_array_equal(np.asarray(batch.context)[:D], VECTORS)
    assert not np.asarray(batch.context)[D:].any()


def test_by_the_vectors_alone_words_change_nothing() -> None:
    spec = spec_of(context="use", encoder="context")
    assert (spec.model.infer_steps, spec.model.skip) == (0, False)
    other = planted_counts(D, V, K, seed=9)
    variables = variables_of(spec)
    theta = [np.asarray(theta_step(variables, batch_of(counts=counts), spec)) for counts in (COUNTS, other)]
    np.testing.assert_array_equal(*theta)
    beside = spec_of(context="use")
    theta = [np.asarray(theta_step(variables_of(beside), batch_of(counts=c), beside)) for c in (COUNTS, other)]
    assert np.abs(theta[0] - theta[1]).max() > 0.01


def test_vectors_are_read_less_their_mean_over_their_deviation() -> None:
    spec = spec_of(context="use", encoder="context")
    variables = variables_of(spec)
    of_scaled = variables._replace(
        constants=variables.constants | {"context_mean": jnp.zeros(C), "context_axes": jnp.eye(C)}
    )
    found = posterior_step(variables, batch_of(), spec)
    expected = posterior_step(of_scaled, batch_of((VECTORS - 0.1) / 2), spec)
    np.testing.assert_allclose(found.mu, expected.mu, atol=1e-6)


def test_axes_by_hand_and_none_along_which_nothing_changes() -> None:
    mean, axes = principal_axes(np.array([[1, 2], [1, 6]], np.float32), 5)
    np.testing.assert_array_equal(mean, [1, 4])
    np.testing.assert_allclose(axes, [[0, 0], [0.5, 0]])


def test_numbers_on_the_axes_do_not_vary_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    mean, axes = principal_axes(vectors, 4)
    on_axes = (vectors - mean) @ axes
    np.testing.assert_allclose(on_axes.T @ on_axes / 500, np.eye(4), atol=1e-4)
    # The axes of the largest singular values, by another way.
    _, values, directions = np.linalg.svd(vectors - mean.astype(np.float64), full_matrices=False)
    cosines = np.abs((directions[:4] * axes.T).sum(axis=1)) * values[:4] / np.sqrt(500)
    np.testing.assert_allclose(cosines, 1, rtol=1e-4)
    monkeypatch.setattr(context, "ROWS_AT_ONCE", 64)
    np.testing.assert_allclose(principal_axes(vectors, 4).axes, axes, rtol=1e-5)


@pytest.mark.parametrize("encoder", ["counts", "context"])
def test_an_encoder_reads_so_many_axes(encoder: str) -> None:
    spec = spec_of(context="file:x.npy", encoder=encoder, context_axes=2)
    params, constants = variables_of(spec)
    assert params["context_topics"].shape == (2, K)
    assert constants["context_axes"].shape == (C, 2)
    first = params["context_kernel"] if encoder == "counts" else params["hidden_0"]["kernel"]
    assert first.shape[0] == 2


def test_the_mean_of_words_vectors_is_made_of_the_counts() -> None:
    spec = spec_of(context="ppmi")
    variables = variables_of(spec)
    model = spec.with_variables(variables)
    words = np.asarray(variables.constants["context_words"])
    expected = (of_documents(COUNTS, words) - 0.1) / 2
    np.testing.assert_allclose(model.read(batch_of(None)).context, expected, atol=1e-5)
