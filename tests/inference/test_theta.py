"""Topic proportions of many documents: the same however they are packed, and what a person sees meanwhile."""

import jax
import numpy as np

from conftest import planted_counts
from etm_jax.config.build import make_config
from etm_jax.inference.theta import infer_theta
from etm_jax.models.layers import init_variables
from etm_jax.ops.sparse import PIECE
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec
from etm_jax.util import console


def spec_of() -> Spec:
    config = make_config("default", {"num_topics": 3, "hidden": (8,), "embed_dim": 4})
    return Spec(config.model, config.objective, config.optimizer, 24, 4, 1, train_rho=False)


def test_documents_that_are_filled_up_have_the_same_topics():
    counts = planted_counts(100, 24, 3, length=11)
    counts.data[counts.indptr[7] : counts.indptr[8]] = 0
    counts.eliminate_zeros()
    inputs, variables = counts.astype(np.float32), init_variables(jax.random.key(0), spec_of().module())
    assert (np.diff(counts.indptr) % PIECE > 0).any()
    plain, filled = (
        infer_theta(variables, Batcher(counts, inputs, 16, multiple=multiple), spec_of()) for multiple in (1, PIECE)
    )
    np.testing.assert_allclose(filled, plain, rtol=2e-5, atol=1e-7)


def test_a_long_inference_shows_that_it_moves(monkeypatch, capsys):
    monkeypatch.setattr(console, "SECONDS_BEFORE_FIRST_LINE", 0.0)
    counts = planted_counts(100, 24, 3, length=8)
    spec = spec_of()
    variables = init_variables(jax.random.key(0), spec.module())
    theta = infer_theta(variables, Batcher(counts, counts.astype(np.float32), 4), spec)
    np.testing.assert_allclose(theta.sum(axis=1), 1, rtol=1e-5)
    assert "topic proportions, " in capsys.readouterr().err
