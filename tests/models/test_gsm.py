"""NVDM-GSM: its formula, its criteria, torch's numbers, and whole runs of it."""

import json
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from conftest import SMALL, draw_noise, forward, planted_counts, topics_of
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.metrics.perplexity import completion_perplexity, perplexity_of
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.noise import Noise
from etm_jax.models.objective import reconstruction_from_logits
from etm_jax.train import main
from etm_jax.training.batches import Batcher
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.steps import Spec, batch_loss, beta_step, eval_step, new_state, train_step

V, K, B = 40, 4, 8
CRITERIA = ("cross_entropy", "bce_softmax", "bce_sigmoid")


@pytest.fixture
def float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def spec_of(variant="ntm", vocab_size=V, **given) -> Spec:
    small = {"kind": "gsm", "num_topics": K, "hidden": (16, 12), "decoder_hidden": (10,)}
    config = make_config(variant, small | given)
    return Spec(config.model, config.objective, config.optimizer, vocab_size, 0, num_steps=60, train_rho=True)


def fresh(spec) -> Variables:
    return init_variables(jax.random.key(0), spec.module())


def a_batch(num_docs=B, vocab_size=V, dtype=np.float32):
    counts = planted_counts(num_docs, vocab_size, K)
    return counts.toarray(), Batcher(counts, counts.astype(dtype), num_docs).take(np.arange(num_docs))


NOISE = Noise(jax.random.normal(jax.random.key(1), (B, K)))


def affine(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def test_parameters():
    def linear(i, o):
        return {"kernel": (i, o), "bias": (o,)}

    variables = fresh(spec_of(decoder_hidden=(10, 11)))
    assert jax.tree.map(jnp.shape, variables.params) == {
        "hidden_0": linear(V, 16),
        "hidden_1": linear(16, 12),
        "mu": linear(12, K),
        "logvar": linear(12, K),
        "theta_layer": linear(K, K),
        "decoder_0": linear(K, 10),
        "decoder_1": linear(10, 11),
        "decoder_2": linear(11, V),
    }
    assert variables.constants == {}


def test_what_belongs_to_embeddings_is_off_whatever_is_given():
    model = make_config("default", {"kind": "gsm", "skip": True, "theta_layer": False, "warm_start": True}).model
    assert (model.skip, model.theta_layer, model.warm_start) == (False, True, False)


def test_equals_the_dense_formula():
    x, batch = a_batch()
    spec = spec_of()
    variables = fresh(spec)
    p = jax.tree.map(np.asarray, variables.params)
    hidden = np.maximum(affine(np.maximum(affine(x, p["hidden_0"]), 0), p["hidden_1"]), 0)
    mu, logvar = affine(hidden, p["mu"]), affine(hidden, p["logvar"])
    z = affine(mu + np.exp(logvar / 2) * np.asarray(NOISE.eps), p["theta_layer"])
    theta = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    logits = affine(np.maximum(affine(theta, p["decoder_0"]), 0), p["decoder_1"])
    topics = affine(np.maximum(affine(np.eye(K), p["decoder_0"]), 0), p["decoder_1"])
    out = forward(spec.module(), variables, batch, NOISE)
    np.testing.assert_allclose(out.posterior.mu, mu, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(out.theta, theta, rtol=1e-4)
    found = spec.with_variables(variables).logits(out.theta)
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(out.beta, np.exp(topics) / np.exp(topics).sum(1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(topics_of(spec.module(), variables).sum(1), 1, rtol=1e-5)


def test_p_of_w_is_no_mixture_but_at_a_single_topic():
    _, batch = a_batch()
    spec = spec_of()
    variables = fresh(spec)
    out = forward(spec.module(), variables, batch, NOISE)
    model = spec.with_variables(variables)
    px = jnp.exp(model.log_px(out.theta))
    np.testing.assert_allclose(px.sum(1), 1, rtol=1e-5)
    assert np.abs(px - out.theta @ out.beta).max() > 1e-5
    np.testing.assert_allclose(jnp.exp(model.log_px(jnp.eye(K)[:1]))[0], out.beta[0], rtol=1e-5)


def test_criteria_by_hand():
    """Two documents over three words whose logits are log 1, log 1, log 2: softmax ¼ ¼ ½, sigmoid ½ ½ ⅔."""
    counts = sp.csr_matrix(np.array([[3, 0, 1], [0, 1, 0]]))
    batch = Batcher(counts, counts.astype(np.float32), 2).take(np.arange(2))
    logits = jnp.log(jnp.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]]))
    expected = {
        "cross_entropy": [-3 * np.log(1 / 4) - np.log(1 / 2), -np.log(1 / 4)],
        "bce_softmax": [-np.log(1 / 4) - np.log(3 / 4) - np.log(1 / 2), -np.log(3 / 4) - np.log(1 / 4) - np.log(1 / 2)],
        "bce_sigmoid": [-2 * np.log(1 / 2) - np.log(2 / 3), -2 * np.log(1 / 2) - np.log(1 / 3)],
    }
    for criterion, nats in expected.items():
        config = spec_of(criterion=criterion).objective
        got = reconstruction_from_logits(logits, batch.counts, batch.pattern, config)
        np.testing.assert_allclose(got, nats, rtol=1e-5, err_msg=criterion)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_certain_decoder_gives_finite_losses_and_gradients(criterion):
    counts = sp.csr_matrix(np.array([[1, 0]]))
    batch = Batcher(counts, counts.astype(np.float32), 1).take(np.arange(1))
    config = spec_of(criterion=criterion).objective

    def loss(logits):
        return reconstruction_from_logits(logits, batch.counts, batch.pattern, config).sum()

    for logits in ([[300.0, -300.0]], [[-300.0, 300.0]]):
        value, grad = jax.value_and_grad(loss)(jnp.array(logits))
        assert np.isfinite(value)
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_equals_torch_in_float64(criterion, float64):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from etm_jax.parity import torch_models
    from etm_jax.parity.vae_rows import params_from_torch

    def ours(state):
        params = params_from_torch(state)
        return params | {"theta_layer": params.pop("sample_layer")}

    torch.manual_seed(0)
    theirs = torch_models.VAE([V, 16, 12, K], [K, 10, V]).double()
    x, batch = a_batch(dtype=np.float64)
    counts, eps = torch.from_numpy(x.astype(np.float64)), torch.from_numpy(np.array(NOISE.eps, np.float64))
    out = theirs(counts, eps)
    recon = torch_models.reconstruction(out.logits, counts, criterion, normalized=True)
    loss = (recon + torch_models.kl_divergence(out.mu, out.logvar)).sum()
    loss.backward()

    spec = spec_of(criterion=criterion)
    params = jax.tree.map(jnp.asarray, ours(theirs.state_dict()))
    batch, noise = jax.tree.map(
        jnp.asarray, (batch._replace(counts=batch.counts.astype(np.float64)), Noise(eps.numpy()))
    )
    module, variables = spec.module(), Variables(params, {})
    found = forward(module, variables, batch, noise)
    for name, wanted, got in (
        ("mu", out.mu, found.posterior.mu),
        ("logvar", out.logvar, found.posterior.logvar),
        ("theta", out.theta, found.theta),
        ("beta", out.beta, found.beta),
        ("log_px", torch.log_softmax(out.logits, dim=1), module.with_variables(variables).log_px(found.theta)),
    ):
        np.testing.assert_allclose(got, wanted.detach().numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    (our_loss, _), gradients = jax.value_and_grad(batch_loss, has_aux=True)(params, {}, batch, noise, spec)
    assert float(our_loss) == pytest.approx(loss.item(), rel=1e-10)
    wanted = ours({name: p.grad for name, p in theirs.named_parameters()})
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10), gradients, wanted)


def test_gradients_are_those_of_finite_differences(float64):
    _, batch = a_batch(dtype=np.float64)
    spec = spec_of()
    params, batch, noise = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float64 if np.asarray(x).dtype.kind == "f" else None),
        (fresh(spec).params, batch, NOISE),
    )
    loss = jax.jit(lambda p: batch_loss(p, {}, batch, noise, spec)[0])
    grads = jax.grad(loss)(params)
    for layer in params:
        moved = {
            sign: params | {layer: params[layer] | {"bias": params[layer]["bias"].at[0].add(sign * 1e-5)}}
            for sign in (1, -1)
        }
        slope = float(loss(moved[1]) - loss(moved[-1])) / 2e-5
        assert float(grads[layer]["bias"][0]) == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_padding_documents_changes_nothing():
    counts = planted_counts(B, V, K)
    spec = spec_of()
    variables = fresh(spec)
    wide = Batcher(counts, counts.astype(np.float32), 2 * B).take(np.arange(B))
    _, exact = a_batch()
    noise = Noise(jnp.concatenate([NOISE.eps, NOISE.eps]))
    _, padded = batch_loss(*variables, wide, noise, spec)
    _, sums = batch_loss(*variables, exact, NOISE, spec)
    np.testing.assert_allclose(padded, sums, rtol=1e-5)


def test_dropout_reaches_the_decoder_as_published():
    noise = draw_noise(jax.random.key(0), spec_of(dropout=0.5).module(), 50)
    assert [mask.shape for mask in noise.dropout] == [(50, 16), (50, 12), (50, 10)]
    noise = draw_noise(jax.random.key(0), spec_of("default", dropout=0.5).module(), 50)
    assert [mask is not None for mask in noise.dropout] == [False, True]
    counts, batch = a_batch()
    spec = spec_of()
    variables = fresh(spec)
    nothing = NOISE._replace(dropout=(None, None, jnp.zeros((B, 10))))
    model = spec.module().with_variables(variables)
    recon = model.reconstruction(model.forward(model.read(batch), batch, nothing), batch, nothing)
    of_bias = jax.nn.log_softmax(jnp.broadcast_to(variables.params["decoder_1"]["bias"], (B, V)))
    np.testing.assert_allclose(recon, -(counts * of_bias).sum(1), rtol=1e-6)


def trained(spec, epochs, num_docs=384, batch_size=64):
    counts = planted_counts(num_docs, spec.vocab_size, spec.model.num_topics)
    batcher = Batcher(counts, counts.astype(np.float32), batch_size)
    state = new_state(fresh(spec), spec)
    for epoch in range(epochs):
        for batch in batcher.epoch(np.random.default_rng(epoch).permutation(num_docs)):
            state, _ = train_step(state, batch, jax.random.key(0), spec)
    return state.variables


@pytest.mark.parametrize("criterion, nats", [("cross_entropy", 5), ("bce_softmax", 0.5), ("bce_sigmoid", 4)])
def test_every_criterion_lowers_its_bound(criterion, nats):
    spec = spec_of(criterion=criterion, learning_rate=0.02)
    _, whole = a_batch(num_docs=192)
    before, after = (
        eval_step(variables, whole, jax.random.key(9), spec) for variables in (fresh(spec), trained(spec, 20, 192))
    )
    assert (after.recon + after.kl) / 192 < (before.recon + before.kl) / 192 - nats


def test_planted_topics_are_found():
    k, v = 3, 60
    spec = spec_of(vocab_size=v, num_topics=k, hidden=(32, 16), decoder_hidden=(32,), learning_rate=0.02)
    beta = np.asarray(beta_step(trained(spec, 40), spec))
    planted = np.kron(np.eye(k), np.full(v // k, k / v))
    cosine = (beta @ planted.T) / np.linalg.norm(beta, axis=1)[:, None] / np.linalg.norm(planted, axis=1)
    rows, cols = linear_sum_assignment(-cosine)
    assert cosine[rows, cols].mean() > 0.9


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


FLAGS = (*SMALL, "--model=gsm", "--decoder_hidden=16", "--learning_rate=0.02")


def exported(run, name):
    return np.load(run / "export" / f"{name}.npy", allow_pickle=False)


@pytest.mark.parametrize("variant", ["default", "ntm"])
def test_a_whole_run(variant, lines_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train(f"--corpus={lines_file}", f"--variant={variant}", *FLAGS) == 0
    run = tmp_path / "runs" / "故事 lines_gsm"
    names = {path.name for path in (run / "export").iterdir()}
    assert {"beta.npy", "theta_train.npy", "topics.csv"} <= names
    assert not {"rho.npy", "alpha.npy", "background.npy"} & names
    np.testing.assert_allclose(exported(run, "beta").sum(1), 1, rtol=1e-4)
    assert "vectors" not in capsys.readouterr().err


def test_its_perplexity_is_that_of_its_own_distribution(lines_file, tmp_path, capsys):
    from etm_jax.training.checkpoint import Checkpoints
    from etm_jax.training.steps import abstract_state

    assert (
        train(
            f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *FLAGS, "--num_epochs=20", "--export_from=last"
        )
        == 0
    )
    folder = RunFolder(tmp_path / "run")
    state, _ = Checkpoints(folder.checkpoints).restore(abstract_state(folder.record().spec()))
    p = jax.tree.map(np.asarray, state.variables.params)
    theta, half2 = exported(folder.path, "theta_test_h1"), sp.load_npz(folder.export / "test_h2.npz")
    logits = affine(np.maximum(affine(theta, p["decoder_0"]), 0), p["decoder_1"])
    log_px = np.asarray(jax.nn.log_softmax(logits, axis=1))
    entries = half2.tocoo()
    expected = perplexity_of(log_px[entries.row, entries.col], half2)
    assert expected.by_token < 0.98 * completion_perplexity(theta, exported(folder.path, "beta"), half2).by_token
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"completion perplexity {expected.by_document:,.0f} by document, {expected.by_token:,.0f} by token"


def test_a_run_that_goes_on_equals_an_unbroken_one(lines_file, tmp_path):
    flags = (f"--corpus={lines_file}", *FLAGS, "--lr_schedule=constant", "--checkpoint_every=2")
    assert train(*flags, f"--workdir={tmp_path / 'unbroken'}", "--num_epochs=4") == 0
    assert train(*flags, f"--workdir={tmp_path / 'broken'}", "--num_epochs=2") == 0
    assert train(*flags, f"--workdir={tmp_path / 'broken'}", "--num_epochs=4") == 0
    for name in ("beta", "theta_train", "theta_test_h1"):
        np.testing.assert_array_equal(exported(tmp_path / "broken", name), exported(tmp_path / "unbroken", name))
    rows = (tmp_path / "broken" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3, 4]


def test_weights_of_the_other_model_are_refused(lines_file, tmp_path, capsys):
    corpus = f"--corpus={lines_file}"
    assert train(corpus, f"--workdir={tmp_path / 'gsm'}", *FLAGS, "--num_epochs=1") == 0
    again = (corpus, f"--workdir={tmp_path / 'again'}", f"--ckpt={tmp_path / 'gsm'}", *SMALL, "--num_epochs=1")
    assert train(*again, *FLAGS) == 0
    assert train(corpus, f"--workdir={tmp_path / 'etm'}", f"--ckpt={tmp_path / 'gsm'}", *SMALL) == 2
    assert "--model=gsm, and its weights do not fit --model=etm" in capsys.readouterr().err
