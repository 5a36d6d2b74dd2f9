"""The model's invariances and its published variants, against dense formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conftest import draw_noise, forward, planted_counts, topics_of
from etm_jax.config.build import make_config
from etm_jax.models import layers
from etm_jax.models.etm import ETM, READ_LIMIT
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.noise import Noise, Posterior, reparameterize
from etm_jax.training.batches import Batcher

V, K, L, B = 40, 5, 7, 8


def make(variant, **given):
    config = make_config(variant, {"num_topics": K, "hidden": (16, 12)} | given).model
    module = ETM(config, V, L)
    return module, init_variables(jax.random.key(0), module)


def a_batch():
    counts = planted_counts(B, V, K)
    batch = Batcher(counts, counts.astype(np.float32), B).take(np.arange(B))
    return counts.toarray().astype(np.float64), batch


NOISE = Noise(jax.random.normal(jax.random.key(1), (B, K)))


def test_report_equals_the_dense_formula(float64):
    x, batch = a_batch()
    module, variables = make("ntm")
    p = jax.tree.map(np.asarray, variables.params)
    hidden = x
    for name in ("hidden_0", "hidden_1"):
        hidden = np.maximum(hidden @ p[name]["kernel"] + p[name]["bias"], 0)
    mu, logvar = (hidden @ p[head]["kernel"] + p[head]["bias"] for head in ("mu", "logvar"))
    z = mu + np.exp(logvar / 2) * np.asarray(NOISE.eps)
    theta = jax.nn.softmax(z @ p["theta_layer"]["kernel"] + p["theta_layer"]["bias"], axis=1)
    beta = jax.nn.softmax(p["rho"] @ p["alpha"].T + p["alpha_bias"], axis=0).T
    out = forward(module, variables, batch, NOISE)
    np.testing.assert_allclose(out.posterior.mu, mu, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(out.posterior.logvar, logvar, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(out.theta, theta, rtol=1e-11)
    np.testing.assert_allclose(out.beta, beta, rtol=1e-11)


def test_parameters_of_the_published_variants():
    def shapes(variant):
        return jax.tree.map(jnp.shape, make(variant)[1].params)

    linear = {
        "hidden_0": {"kernel": (V, 16), "bias": (16,)},
        "hidden_1": {"kernel": (16, 12), "bias": (12,)},
        "mu": {"kernel": (12, K), "bias": (K,)},
        "logvar": {"kernel": (12, K), "bias": (K,)},
    }
    embeddings = {"rho": (V, L), "alpha": (K, L)}
    fc1 = {"theta_layer": {"kernel": (K, K), "bias": (K,)}}
    assert shapes("paper") == linear | embeddings
    assert shapes("ntm") == linear | embeddings | fc1 | {"rho_bias": (V,), "alpha_bias": (K,)}


def test_a_word_without_a_vector_leaves_numbers():
    """A file of vectors may hold zeros; and the word's count may be large."""
    _, batch = a_batch()
    module, variables = make("default")
    params = variables.params | {"rho": jnp.asarray(variables.params["rho"]).at[:].set(0)}
    batch = batch._replace(inputs=1e4 * np.asarray(batch.inputs))
    found = forward(module, Variables(params, variables.constants), batch, NOISE).posterior
    assert jnp.isfinite(found.mu).all()
    assert jnp.isfinite(found.logvar).all()


def test_a_long_document_is_read_by_its_direction_alone():
    """However often its words are there, its vector is less than READ_LIMIT long, and by then it turns no more."""
    _, batch = a_batch()
    module, variables = make("default")

    def embedded(scale: float) -> np.ndarray:
        inputs = scale * np.asarray(batch.inputs)
        return np.asarray(module.with_variables(variables).document_vectors(inputs, batch.pattern))

    short, long, longer = embedded(1e-4), embedded(1e4), embedded(1e6)
    assert np.linalg.norm(long, axis=1).max() < READ_LIMIT
    np.testing.assert_allclose(longer, long, rtol=2e-3, atol=1e-3)
    # A short one's is the sum of its words', and so twice as long for twice the words.
    np.testing.assert_allclose(embedded(2e-4), 2 * short, rtol=1e-3)


def test_background_is_an_extra_coordinate_of_rho_whose_alpha_is_one(float64):
    module, variables = make("default")
    background = np.random.default_rng(0).normal(size=V)
    with_background = Variables(variables.params, {"background": jnp.asarray(background)})
    rho = np.concatenate([variables.params["rho"], background[:, None]], axis=1)
    alpha = np.concatenate([variables.params["alpha"], np.ones((K, 1))], axis=1)
    np.testing.assert_allclose(topics_of(module, with_background), jax.nn.softmax(alpha @ rho.T, axis=1), rtol=1e-11)


def test_one_document_does_not_change_another():
    counts = planted_counts(B, V, K)
    batcher = Batcher(counts, counts.astype(np.float32), B)
    module, variables = make("default")
    whole, part = (
        forward(module, variables, batch, NOISE).posterior.mu
        for batch in (batcher.take(np.arange(B)), batcher.take(np.arange(3)))
    )
    np.testing.assert_allclose(whole[:3], part[:3], rtol=1e-5)


def test_reparameterize_by_hand():
    posterior = Posterior(jnp.array([[1.0]]), jnp.array([[2 * np.log(3.0)]]))
    assert reparameterize(posterior, jnp.array([[-2.0]])) == pytest.approx(-5.0, rel=1e-5)


@pytest.mark.parametrize("variant, masked", [("ntm", [True, True]), ("paper", [False, True])])
def test_dropout_falls_where_the_published_code_has_it(variant, masked):
    module, _ = make(variant, dropout=0.5, hidden=(300, 200))
    noise = draw_noise(jax.random.key(0), module, 50)
    assert [mask is not None for mask in noise.dropout] == masked
    assert set(np.unique(noise.dropout[1])) == {0.0, 2.0}
    assert noise.dropout[1].mean() == pytest.approx(1, abs=0.05)


def test_initialisation_is_torch_linears():
    _, variables = make("ntm")
    assert np.abs(variables.params["hidden_0"]["kernel"]).max() == pytest.approx(1 / np.sqrt(V), rel=0.05)
    assert np.abs(variables.params["rho"]).max() == pytest.approx(1 / np.sqrt(L), rel=0.05)


def test_many_initial_values_are_never_there_twice(monkeypatch):
    monkeypatch.setattr(layers, "DRAW_LIMIT", 2**18)
    config = make_config("ntm", {"num_topics": K, "hidden": (64, 8)}).model
    compiled = init_variables.lower(jax.random.key(0), ETM(config, 20_001, 30)).compile().memory_analysis()
    assert compiled.temp_size_in_bytes < 20_001 * 64 * 4 / 2


def test_many_initial_values_are_drawn_in_parts_that_differ(monkeypatch):
    class Plain(layers.Module):
        def setup(self):
            self.a = self.param("a", layers.declare(2.0), (300, 7))
            self.b = self.param("b", layers.declare(0.5), (8000,))
            self.c = self.param("c", layers.declare(3.0), (5,))
            self.d = self.param("d", layers.declare(1.0), (2, 60))
            self.e = self.param("e", layers.declare(0.1), (257,))

        @layers.needs_no_parameters
        def example(self):
            return ()

        def __call__(self):
            return sum(x.sum() for x in (self.a, self.b, self.c, self.d, self.e))

    monkeypatch.setattr(layers, "DRAW_LIMIT", 4096)
    found = init_variables(jax.random.key(0), Plain()).params
    shapes = {"a": (300, 7), "b": (8000,), "c": (5,), "d": (2, 60), "e": (257,)}
    assert {name: leaf.shape for name, leaf in found.items()} == shapes
    # One after the other in blocks of 256, of which arrays need not begin or end one.
    keys = jax.random.split(jax.random.key(0), -(-10482 // 256))
    drawn = jnp.concatenate([jax.random.uniform(key, (256,), minval=-1, maxval=1) for key in keys])[:10482]
    widths = np.repeat(np.float32([2, 0.5, 3, 1, 0.1]), [2100, 8000, 5, 120, 257])
    np.testing.assert_array_equal(np.concatenate([leaf.ravel() for leaf in found.values()]), widths * drawn)
    values = np.concatenate([found["a"].ravel() / 2, found["b"] / 0.5])
    assert len(np.unique(values)) > 0.99 * len(values)
    assert np.abs(values).max() <= 1
    # A uniform's standard deviation, 1/√3; the mean of as many is within four of its own from 0.
    assert abs(values.mean()) < 4 / np.sqrt(3 * len(values))
    assert values.std() == pytest.approx(3**-0.5, rel=0.02)
