"""--prevalence: the prior of a document's topics from its metadata."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from conftest import draw_noise, planted_counts, small_etm, themed_lines
from etm_jax.config.settings import ModelConfig, ObjectiveConfig
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.models.etm import ETM
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.prevalence import coefficient_loss
from etm_jax.training.batches import Batcher

THEMES = ["海山城"[i % 3] for i in range(60)]
METADATA = Metadata((MetaColumn("g", "category", ("a", "b")),))
NAMES = [f"d{i}" for i in range(30)]
CONFIG = ModelConfig(num_topics=3, hidden=(8,), prevalence="~ g")


def batch():
    counts = planted_counts(16, 12, 3)
    counts.data[: counts.indptr[1]] = 0
    counts.eliminate_zeros()
    extras = {"g": np.arange(16, dtype=np.int32) % 2}
    return next(iter(Batcher(counts, counts.astype(np.float32), 16, extras=extras).epoch(np.arange(16))))


def model(prevalence: str, gamma: np.ndarray | None = None, refine_steps: int = 2):
    kind = ETM(replace(CONFIG, prevalence=prevalence), 12, 4, ObjectiveConfig(refine_steps=refine_steps), (), METADATA)
    found = init_variables(jax.random.key(0), kind)
    params, constants = dict(found.params), dict(found.constants)
    if prevalence:
        params["gamma"] = jnp.zeros_like(params["gamma"]) if gamma is None else jnp.asarray(gamma, jnp.float32)
        constants |= {"column_mean": jnp.full(1, 0.5), "column_deviation": jnp.full(1, 0.5), "num_docs": jnp.ones(())}
    return kind, Variables(params, constants)


def losses(prevalence: str) -> dict[str, np.ndarray]:
    kind, variables = model(prevalence)
    static = model("")[1]
    # The same weights, whatever order they were drawn in.
    variables = variables._replace(params=variables.params | dict(static.params))
    noise = draw_noise(jax.random.key(1), kind, 16)
    found = kind.with_variables(variables)
    return {name: np.asarray(x) for name, x in found.loss_terms(found.read(batch(), noise), batch(), noise).items()}


def test_without_effects_the_loss_is_that_of_the_model_without_to_the_byte() -> None:
    static, with_prior = losses(""), losses("~ g")
    assert with_prior.pop("coefficients") == 0
    assert static.keys() == with_prior.keys()
    for name, values in static.items():
        assert values.tobytes() == with_prior[name].tobytes(), name


def test_a_document_without_words_has_the_topics_of_its_prior() -> None:
    gamma = np.array([[0.5, 0, -0.5], [1, -1, 0]])
    kind, variables = model("~ g", gamma)
    theta = np.asarray(kind.with_variables(variables).infer(batch()))
    # Group a is −1 once its column is scaled.
    expected = np.exp(gamma[0] - gamma[1])
    np.testing.assert_allclose(theta[0], expected / expected.sum(), rtol=1e-5)


def test_the_prior_of_the_coefficients_is_that_of_two_normal_distributions() -> None:
    gamma = jnp.asarray([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert float(coefficient_loss(gamma, 2.0, 5.0, jnp.asarray(10.0))) == pytest.approx(0.5 * (10 / 2 + 5 / 5) / 10)


def test_the_coefficients_get_the_gradient_of_the_likelihood() -> None:
    kind, variables = model("~ g")
    noise = draw_noise(jax.random.key(1), kind, 16)

    def loss(gamma: jax.Array) -> jax.Array:
        found = kind.with_variables(variables._replace(params=dict(variables.params) | {"gamma": gamma}))
        return found.loss_terms(found.read(batch(), noise), batch(), noise)["recon"].sum()

    gradient = np.asarray(jax.grad(loss)(variables.params["gamma"]))
    assert np.abs(gradient).max() > 1e-3
    # What is the same in all topics moves no proportion.
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-3)


def test_themes_move_the_prior_of_documents() -> None:
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32, "prevalence": "~ theme"}
    fitted = small_etm(num_epochs=30, settings=settings).fit(themed_lines(60), meta={"theme": THEMES})
    nothing = fitted.transform([[]] * 3, meta={"theme": list("海山城")})
    own = np.array([fitted.theta_[i::3].mean(axis=0) for i in range(3)])
    assert np.ptp(nothing, axis=0).max() > 0.05
    for i in range(3):
        assert nothing[:, own[i].argmax()].argmax() == i


def test_more_columns_than_documents_are_refused() -> None:
    settings = {"prevalence": "~ one + other"}
    with pytest.raises(ValueError, match="makes 58 columns, and there are 30 documents"):
        small_etm(settings=settings).fit(themed_lines(30), meta={"one": NAMES, "other": NAMES[::-1]})


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="metadata field 'theme'"):
        small_etm(settings={"prevalence": "~ theme"}).fit(themed_lines(30))
