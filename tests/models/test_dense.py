"""The whole model on sparse batches equals the same model written densely, for any batch."""

import contextlib
import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import double_precision, forward
from etm_jax.config.build import make_config
from etm_jax.config.settings import ObjectiveConfig
from etm_jax.models.batch import Batch
from etm_jax.models.etm import READ_LIMIT
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.noise import Noise
from etm_jax.models.objective import kl_divergence, log_px_nonzero, reconstruction
from etm_jax.ops import csr
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss

B, V, K, L, SIZE = 6, 9, 3, 4, 64
PRIOR_VARIANCE, OVERLAP, KL_WEIGHT = 4.0, 0.5, 0.7

# Nearly everything that any variant has, at once; by whether the encoder reads words by ρ.
MODELS = {
    read_rho: make_config(
        "default",
        {
            "num_topics": K,
            "hidden": (7, 5),
            "dropout": 0.5,
            "dropout_layers": "all",
            "read_rho": read_rho,
            "theta_layer": True,
            "torch_bias": True,
            "prior_variance": PRIOR_VARIANCE,
            # Newton steps have tests of their own.
            "infer_steps": 0,
            "refine_steps": 0,
        },
    ).model
    for read_rho in (True, False)
}
OBJECTIVES = [
    ObjectiveConfig(overlap_weight=OVERLAP, kl_weight=KL_WEIGHT, refine_steps=0),
    ObjectiveConfig(
        likelihood_eps=1e-6,
        renormalize=True,
        reduction="sum",
        overlap_weight=OVERLAP,
        kl_weight=KL_WEIGHT,
        refine_steps=0,
    ),
    ObjectiveConfig(
        criterion="bce_softmax",
        likelihood_eps=1e-6,
        reduction="sum",
        overlap_weight=OVERLAP,
        kl_weight=KL_WEIGHT,
        refine_steps=0,
    ),
    ObjectiveConfig(
        criterion="bce_sigmoid", likelihood_eps=1e-6, overlap_weight=OVERLAP, kl_weight=KL_WEIGHT, refine_steps=0
    ),
]
OPTIMIZER = make_config("default").optimizer


def spec_of(objective: ObjectiveConfig, read_rho: bool) -> Spec:
    return Spec(MODELS[read_rho], objective, OPTIMIZER, V, L, num_steps=1, train_rho=True)


Tree = TypeVar("Tree")


class Dense(NamedTuple):
    """A batch as [B, V] matrices, in double precision. real: [B]."""

    counts: np.ndarray
    inputs: np.ndarray
    real: np.ndarray


@st.composite
def batches(draw) -> tuple[sp.csr_matrix, sp.csr_matrix, int]:
    """Counts and inputs of 1 to B documents of 0 to 12 entries, words repeated and in any order, and a seed."""
    entry = st.tuples(st.integers(0, V - 1), st.integers(1, 20))
    docs = draw(st.lists(st.lists(entry, max_size=12), min_size=1, max_size=B))
    seed = draw(st.integers(0, 10**6))
    cols = np.array([word for doc in docs for word, _ in doc], np.int64)
    data = np.array([count for doc in docs for _, count in doc], np.float64)
    starts = np.concatenate([[0], np.cumsum([len(doc) for doc in docs])])
    inputs = np.float64(np.float32(np.random.default_rng(seed).uniform(-0.5, 0.5, len(data))))
    return *(sp.csr_matrix((d, cols, starts), shape=(len(docs), V)) for d in (data, inputs)), seed


def both_forms(counts: sp.csr_matrix, inputs: sp.csr_matrix, dtype: type) -> tuple[Batch, Dense]:
    num_docs = counts.shape[0]
    batch = Batcher(counts, inputs, B, (SIZE,), dtype=dtype).take(np.arange(num_docs))
    padding = np.arange(SIZE) >= batch.pattern.row_starts[-1]
    assert padding.any()
    # What stands in the padding must not matter.
    batch = batch._replace(
        counts=np.where(padding, dtype(1e3), batch.counts), inputs=np.where(padding, dtype(-1e3), batch.inputs)
    )
    # Not by scipy's toarray: an entry given twice is added up here by hand.
    whole = [np.zeros((B, V)) for _ in range(2)]
    rows = np.repeat(np.arange(num_docs), np.diff(counts.indptr))
    for out, matrix in zip(whole, (counts, inputs), strict=True):
        np.add.at(out, (rows, matrix.indices), matrix.data)
    return batch, Dense(*whole, np.float64(batch.real))


def random_variables(seed: int, read_rho: bool) -> Variables:
    """Weights with which θ and β are far from uniform, in single precision."""
    shapes = jax.eval_shape(lambda: init_variables(jax.random.key(0), spec_of(OBJECTIVES[0], read_rho).module()))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda s: np.float32(rng.normal(size=s.shape) * 0.4), shapes)


def random_noise(seed: int) -> Noise:
    rng = np.random.default_rng([seed, 1])
    masks = tuple(np.float32(rng.integers(0, 2, (B, width)) * 2) for width in MODELS[True].hidden)
    return Noise(np.float32(rng.normal(size=(B, K))), masks)


def of_type(dtype: type, tree: Tree) -> Tree:
    """The same numbers, as that type writes them."""
    return jax.tree.map(lambda array: np.asarray(array, dtype), tree)


def library_quantities(variables: Variables, batch: Batch, noise: Noise, read_rho: bool) -> dict:
    out = forward(spec_of(OBJECTIVES[0], read_rho).module(), variables, batch, noise)
    found = {
        "mu": out.posterior.mu,
        "logvar": out.posterior.logvar,
        "theta": out.theta,
        "beta": out.beta,
        "log_px": log_px_nonzero(out.theta, out.beta, batch.pattern),
        "kl": kl_divergence(*out.posterior, PRIOR_VARIANCE),
    }
    for i, objective in enumerate(OBJECTIVES):
        found[f"recon {i}"] = reconstruction(out.theta, out.beta, batch.counts, batch.pattern, objective)
        (found[f"loss {i}"], sums), found[f"grad {i}"] = jax.value_and_grad(batch_loss, has_aux=True)(
            variables.params, variables.constants, batch, noise, spec_of(objective, read_rho)
        )
        found |= {f"sum of {name} {i}": value for name, value in sums._asdict().items()}
    return found


def dense_quantities(variables: Variables, batch: Dense, noise: Noise, read_rho: bool) -> dict:
    constants = variables.constants

    def model(p: dict) -> tuple[jax.Array, ...]:
        rho = jax.lax.stop_gradient(p["rho"])
        embedded = batch.inputs @ (rho / jnp.sqrt((rho**2).sum(1, keepdims=True)))
        embedded = embedded * (READ_LIMIT / (READ_LIMIT + batch.inputs.sum(1, keepdims=True)))
        h = (
            jax.nn.relu(
                (embedded if read_rho else batch.inputs) @ p["hidden_0"]["kernel"] + p["hidden_0"]["bias"][None]
            )
            * noise.dropout[0]
        )
        h = jax.nn.relu(h @ p["hidden_1"]["kernel"] + p["hidden_1"]["bias"][None]) * noise.dropout[1]
        mu = h @ p["mu"]["kernel"] + p["mu"]["bias"][None] + embedded @ p["skip_topics"]
        logvar = h @ p["logvar"]["kernel"] + p["logvar"]["bias"][None]
        delta = mu + jnp.sqrt(jnp.exp(logvar)) * noise.eps
        theta = jax.nn.softmax(delta @ p["theta_layer"]["kernel"] + p["theta_layer"]["bias"][None], axis=1)
        beta = jax.nn.softmax(p["alpha"] @ p["rho"].T + constants["background"][None], axis=1)
        kl = 0.5 * (
            jnp.exp(logvar) / PRIOR_VARIANCE + mu**2 / PRIOR_VARIANCE - 1 - logvar + np.log(PRIOR_VARIANCE)
        ).sum(1)
        return mu, logvar, theta, beta, kl

    def recon(theta: jax.Array, beta: jax.Array, objective: ObjectiveConfig) -> jax.Array:
        p = theta @ beta + objective.likelihood_eps
        if objective.criterion == "bce_sigmoid":
            p = jax.nn.sigmoid(jnp.log(p))
        elif objective.criterion == "bce_softmax" or objective.renormalize:
            p = jax.nn.softmax(jnp.log(p), axis=1)
        if objective.criterion == "cross_entropy":
            return -(batch.counts * jnp.log(p)).sum(1)
        present = batch.counts > 0
        return -jnp.where(present, jnp.log(p), jnp.log1p(-p)).sum(1)

    def loss(p: dict, objective: ObjectiveConfig) -> jax.Array:
        _, _, theta, beta, kl = model(p)
        total = (batch.real * (recon(theta, beta, objective) + KL_WEIGHT * kl)).sum()
        if objective.reduction == "mean":
            total = total / batch.real.sum()
        pairs = [(j, k) for j in range(K) for k in range(K) if j != k]
        return total + OVERLAP / K * sum((jnp.sqrt(beta[j] * beta[k]).sum()) ** 2 for j, k in pairs)

    mu, logvar, theta, beta, kl = model(variables.params)
    found = {"mu": mu, "logvar": logvar, "theta": theta, "beta": beta, "kl": kl, "log_px": jnp.log(theta @ beta)}
    for i, objective in enumerate(OBJECTIVES):
        r = recon(theta, beta, objective)
        found[f"recon {i}"] = r
        found[f"loss {i}"], found[f"grad {i}"] = jax.value_and_grad(loss)(variables.params, objective)
        found |= {
            f"sum of recon {i}": (batch.real * r).sum(),
            f"sum of kl {i}": (batch.real * kl).sum(),
            f"sum of docs {i}": batch.real.sum(),
        }
    return found


def assert_same(found: dict, wanted: dict, tolerance: float, gradient_tolerance: float, rounding: float) -> None:
    """Each array to within a share of the largest absolute value of the wanted one.

    rounding: the share of a whole gradient's largest value that is allowed to any weight's. Some weights' gradients are
    differences of much larger numbers and may be as small as the rounding of those: where all topics fit a document
    alike, say, little is left for the layers that choose among them.
    """
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for name, want in wanted.items():
        share, floor = (gradient_tolerance, rounding) if name.startswith("grad") else (tolerance, 0.0)
        whole = max(map(largest_of, jax.tree.leaves(want)))
        for got, exact in zip(jax.tree.leaves(found[name]), jax.tree.leaves(want), strict=True):
            allowed = max(share * largest_of(exact), floor * whole)
            assert largest_of(got - exact) <= allowed, (name, got, exact)


def largest_of(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0))


@pytest.mark.parametrize("read_rho", [True, False], ids=["by-rho", "own-words"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kernel", ["native", "gather"])
def test_sparse_equals_dense_for_any_batch(kernel, precision, read_rho, monkeypatch):
    if kernel == "gather":
        monkeypatch.setattr(csr, "product", csr.gather)
    dtype = getattr(np, precision)
    by_library, densely = (
        jax.jit(functools.partial(made, read_rho=read_rho)) for made in (library_quantities, dense_quantities)
    )

    tolerances = (1e-9, 1e-9, 0.0) if precision == "float64" else (1e-5, 1e-4, 4e-6)

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(batches())
    def agree(drawn) -> None:
        counts, inputs, seed = drawn
        drawn_weights = random_variables(seed, read_rho), random_noise(seed)
        batch, whole = both_forms(counts, inputs, dtype)
        # Double precision in any case: the dense formulas too have errors in single precision.
        with double_precision():
            variables, noise = of_type(np.float64, drawn_weights)
            wanted = jax.tree.map(np.asarray, densely(variables, whole, noise))
        with double_precision() if precision == "float64" else contextlib.nullcontext():
            variables, noise = of_type(dtype, drawn_weights)
            found = jax.tree.map(np.asarray, by_library(variables, batch, noise))
        nnz = batch.pattern.row_starts[-1]
        wanted["log_px"] = wanted["log_px"][batch.pattern.rows[:nnz], batch.pattern.cols[:nnz]]
        found["log_px"] = found["log_px"][:nnz]
        assert found["loss 0"].dtype == dtype
        assert_same(found, wanted, *tolerances)

    agree()
