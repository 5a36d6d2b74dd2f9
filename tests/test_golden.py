"""What torch computed, by tests/golden/make.py, and what we compute from the same weights. It runs without torch."""

import importlib.util
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

from etm_jax.batches import Batch, Batcher
from etm_jax.config import make_config
from etm_jax.interop import from_torch
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.topics import diversity, npmi_coherence, top_words
from etm_jax.model import Noise, Params, Variables, forward
from etm_jax.objective import log_px_nonzero
from etm_jax.steps import Spec, batch_loss, new_state, update_step

GOLDEN = Path(__file__).parent / "golden"
MODELS = {
    "report": ("report", {}),
    "paper": ("paper", {}),
    "gsm": ("report", {}),
    "embedded_topic_model_package": ("paper", {}),
    "topmost_package": ("paper", {"likelihood_eps": 1e-12}),
}
"""Variant and settings of each file's model; sizes and kind are read off its weights."""

ADAM = {"plain": {}, "decay and clip": {"weight_decay": 0.01, "clip_norm": 0.25}}
CANCELS = "alpha.bias"
PADDED = 8
"""Documents of a batch, of which the last three are padding."""


def read(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def assert_close(got: Any, want: np.ndarray, tolerance: float = 1e-9) -> None:
    """To within a share of the largest magnitude."""
    got = np.asarray(got)
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


def state_of(golden: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key.removeprefix("state/"): value for key, value in golden.items() if key.startswith("state/")}


def params_of(flat: np.ndarray, golden: dict[str, np.ndarray]) -> Params:
    """A golden vector as a tree of ours; 0 for what it leaves out."""
    state = {key: np.zeros_like(value) for key, value in state_of(golden).items()}
    start = 0
    for name in map(str, golden["names"]):
        end = start + state[name].size
        state[name] = flat[start:end].reshape(state[name].shape)
        start = end
    assert start == len(flat)
    return from_torch(state).params


def ours(name: str, golden: dict[str, np.ndarray], **given: Any) -> tuple[Spec, Variables, Batch]:
    weights = from_torch(state_of(golden))
    variant, own = MODELS[name]
    config = make_config(variant, weights.settings | own | {"train_rho": True, "weight_decay": 0.0} | given)
    vocab_size = golden["counts"].shape[1]
    embed_dim = weights.settings.get("embed_dim", 0)
    spec = Spec(config.model, config.objective, config.optimizer, vocab_size, embed_dim, num_steps=10, train_rho=True)
    constants = {"background": jnp.zeros(vocab_size)} if spec.model.kind == "etm" else {}
    counts, inputs = (sp.csr_matrix(golden[key]) for key in ("counts", "inputs"))
    batch = Batcher(counts, inputs, PADDED, dtype=np.float64).take(np.arange(counts.shape[0]))
    return spec, Variables(jax.tree.map(jnp.asarray, weights.params), constants), jax.tree.map(jnp.asarray, batch)


def noise_of(golden: dict[str, np.ndarray], step: int) -> Noise:
    """The padding's noise is something that would show."""

    def padded(x: np.ndarray) -> jax.Array:
        return jnp.pad(x, ((0, PADDED - len(x)), (0, 0)), constant_values=1.5)

    masks = tuple(padded(golden[f"mask_{i}"][step]) if f"mask_{i}" in golden else None for i in range(2))
    return Noise(padded(golden["eps"][step]), masks)


def assert_same_tree(got: Params, want: Params) -> None:
    """All but α's bias: its gradient is rounding in torch, which Adam makes steps of, and exactly 0 here."""
    got, want = ({key: value for key, value in tree.items() if key != "alpha_bias"} for tree in (got, want))
    jax.tree.map(assert_close, got, want)


@pytest.mark.parametrize("name", MODELS)
def test_a_pass_is_torchs(float64, name):
    golden = read(name)
    spec, variables, batch = ours(name, golden)
    out = forward(spec.module(), variables, batch.inputs, batch.pattern, noise_of(golden, 0))
    num_docs, nnz = len(golden["counts"]), np.count_nonzero(golden["counts"])
    assert_close(out.posterior.mu[:num_docs], golden["mu"])
    assert_close(out.posterior.logvar[:num_docs], golden["logvar"])
    assert_close(jnp.exp(out.log_theta)[:num_docs], golden["theta"])
    assert_close(jnp.exp(out.log_beta), golden["beta"])
    if out.logits is None:
        eps = spec.objective.likelihood_eps
        log_px = log_px_nonzero(out.log_theta, out.log_beta, batch.pattern, eps)[:nnz]
        log_px = log_px - jnp.log1p(spec.vocab_size * eps) if spec.objective.renormalize else log_px
    else:
        log_px = jax.nn.log_softmax(out.logits, axis=1)[np.nonzero(golden["counts"])]
    assert_close(log_px, golden["log_px"])


CRITERIA = [(name, key.split("/")[0]) for name in MODELS for key in read(name) if key.endswith("/loss")]
TRAINED = [(name, regime) for name in MODELS for regime in ADAM if f"adam/{regime}/1/params" in read(name)]


@pytest.mark.parametrize("name, criterion", CRITERIA)
def test_losses_and_gradients_are_torchs(float64, name, criterion):
    golden = read(name)
    spec, variables, batch = ours(name, golden, criterion=criterion)
    value_and_grad = jax.value_and_grad(batch_loss, has_aux=True)
    (loss, sums), gradients = value_and_grad(*variables, batch, noise_of(golden, 0), spec)
    share = sums.docs if spec.objective.reduction == "mean" else 1
    assert_close(sums.recon / share, golden[f"{criterion}/recon"])
    assert_close(sums.kl / share, golden[f"{criterion}/kl"])
    assert_close(loss, golden[f"{criterion}/loss"])
    assert_same_tree(gradients, params_of(golden[f"{criterion}/gradient"], golden))
    if "alpha_bias" in gradients:
        np.testing.assert_array_equal(gradients["alpha_bias"], 0.0)
        np.testing.assert_allclose(golden[f"{criterion}/gradient of {CANCELS}"], 0.0, atol=1e-12)


@pytest.mark.parametrize("name, regime", TRAINED)
def test_parameters_and_moments_after_steps_of_adam_are_torchs(float64, name, regime):
    golden = read(name)
    spec, variables, batch = ours(name, golden, **ADAM[regime])
    update, state = jax.jit(update_step, static_argnames="spec"), new_state(variables, spec)
    for step in range(10):
        state, _ = update(state, batch, noise_of(golden, step), spec)
        key = f"adam/{regime}/{step + 1}"
        if f"{key}/params" not in golden:
            continue
        want = {what: params_of(golden[f"{key}/{what}"], golden) for what in ("params", "first", "second")}
        assert_same_tree(state.variables.params, want["params"])
        for what, moments in adam_moments(state.opt_state).items():
            # The optimiser has none for ρ's bias, which takes part in nothing.
            kept = {name: tree for name, tree in want[what].items() if name != "rho_bias"}
            assert_same_tree({name: moments[name] for name in kept}, kept)


def adam_moments(opt_state: Any) -> dict[str, Params]:
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda leaf: isinstance(leaf, optax.ScaleByAdamState))
    (adam,) = (leaf for leaf in leaves if isinstance(leaf, optax.ScaleByAdamState))
    return {"first": adam.mu, "second": adam.nu}


def test_figures_are_embedded_topic_models():
    golden = read("figures_package")
    train, half2 = (sp.csr_matrix(golden[key]) for key in ("train", "half2"))
    theta, beta = golden["theta"], golden["beta"]
    for n in (5, 10):
        assert npmi_coherence(top_words(beta, n), train).mean() == pytest.approx(golden[f"coherence {n}"], rel=1e-9)
    for n in (5, 25):
        assert diversity(top_words(beta, n)) == pytest.approx(golden[f"diversity {n}"], rel=1e-12)
    # Computed in float32 there.
    assert completion_perplexity(theta, beta, half2).by_document == pytest.approx(golden["perplexity"], rel=1e-5)


def maker() -> Any:
    """tests/golden/make.py as a module."""
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", [*MODELS, "figures_package"])
def test_torch_still_makes_the_same_files(name, tmp_path):
    make = maker()
    if name not in make.makeable():
        pytest.skip(f"the package that {name}.npz is of is not installed")
    np.savez_compressed(tmp_path / "made.npz", **make.make(name))
    made, golden = dict(np.load(tmp_path / "made.npz", allow_pickle=False)), read(name)
    assert list(made) == list(golden)
    for key, want in golden.items():
        if key in ("counts", "inputs", "eps", "names", "train", "half2") or key.startswith(("state/", "mask_")):
            np.testing.assert_array_equal(made[key], want, err_msg=key)
        elif key.endswith(CANCELS):
            np.testing.assert_allclose(made[key], 0.0, atol=1e-12)
        else:
            # The package's figures come from float32.
            assert_close(made[key], want, 1e-6 if name == "figures_package" else 1e-12)


def test_golden_files_are_small_and_all_of_them_are_read():
    files = {file.stem: file.stat().st_size for file in GOLDEN.glob("*.npz")}
    assert set(files) == {*MODELS, "figures_package"}
    assert sum(files.values()) < 100_000
