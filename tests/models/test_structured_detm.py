"""The dynamic model as published: its walks and its LSTM by hand, periods, and what it does without dates or words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.config.build import Config, make_config
from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.interop.layouts import from_state, to_state
from etm_jax.models.detm_paper import StructuredDETM
from etm_jax.models.layers import init_variables
from etm_jax.models.structured import VARIANCE_EPS, Affine, eta_walk, lstm, walk_kl
from etm_jax.ops import sparse
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, batch_loss, new_state, theta_step, train_step
from etm_jax.util.errors import UserError

V, K, L, H, E, D, T = 12, 3, 4, 6, 5, 10, 4


def layer(kernel, bias) -> Affine:
    return Affine(jnp.asarray(kernel, float), jnp.asarray(bias, float))


class Fitting:
    """A small model on documents of periods 0, 1 and 3; the last two documents have no date and no word."""

    def __init__(self, **given) -> None:
        sizes = {"num_topics": K, "hidden": (H, H), "embed_dim": L, "eta_hidden_size": E}
        self.config = make_config("paper", {"kind": "detm", "time_field": "when", "vectors": "random"} | sizes | given)
        counts = planted_counts(D, V, K, length=8).tolil()
        counts[D - 1] = 0
        self.counts = sp.csr_matrix(counts.tocsr(), dtype=float)
        self.when = np.array([0, 0, 1, 1, 1, 3, 3, 3, np.nan, 3], np.float32)
        quantiles = tuple(np.linspace(0, T - 1, QUANTILES).tolist())
        self.metadata = Metadata((MetaColumn("when", "number", quantiles=quantiles),))
        self.spec = Spec(
            self.config.model,
            self.config.objective,
            self.config.optimizer,
            V,
            L,
            10,
            True,
            metadata=self.metadata,
        )
        self.model = self.spec.module()
        assert isinstance(self.model, StructuredDETM)
        constants = self.model.constants_of(self.counts, np.asarray(self.model.axis.period_of(self.when)), D)
        self.variables = init_variables(jax.random.key(0), self.model)._replace(constants=constants)

    def batch(self, rows=range(D)):
        shares = self.counts.copy()
        shares.data /= np.repeat(np.asarray(self.counts.sum(axis=1)).ravel(), np.diff(self.counts.indptr))
        batcher = Batcher(self.counts, shares, D, dtype=np.float64, extras={"when": self.when})
        return jax.tree.map(jnp.asarray, batcher.take(np.array(rows)))


@pytest.fixture
def fitting(float64):
    return Fitting()


def test_the_walks_divergence_is_the_one_worked_out_by_hand():
    mean = jnp.array([[[0.5, -1.0]], [[1.0, 0.0]]])
    logvar = jnp.log(jnp.array([[[1.0, 2.0]], [[0.5, 0.25]]]))
    sample = jnp.array([[[1.0, -2.0]], [[7.0, 7.0]]])
    one, s = 1 + VARIANCE_EPS, 0.5 + VARIANCE_EPS
    first = ((1 + 0.25) / one - 1) + ((2 + 1) / one - 1 - np.log(2))
    second = (0.5 / s - 1) + ((0.25 + 4) / s - 1 + np.log(0.5) - np.log(0.25))
    assert float(walk_kl(mean, logvar, sample, 0.5)) == pytest.approx((first + second) / 2, rel=1e-6)


def test_a_walk_that_is_its_prior_has_no_divergence(float64):
    sample = jnp.cumsum(jnp.ones((3, 2)), axis=0)
    mean, logvar = sample - 1, jnp.log(jnp.array([1, 0.01, 0.01]))[:, None] * jnp.ones((3, 2))
    assert float(walk_kl(mean, logvar, sample, 0.01)) == pytest.approx(0, abs=1e-3)


def test_an_lstm_of_one_unit_is_the_one_worked_out_by_hand(float64):
    # Gates that read nothing: input, forget, cell and output from the biases alone, in torch's order.
    i, f, g, o = (1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(0.5)), np.tanh(0.7), 1 / (1 + np.exp(-2.0)))
    inputs = layer(np.zeros((1, 4)), [0.5, -1.0, 0.3, 1.0])
    states = layer(np.zeros((1, 4)), [0.5, 0.5, 0.4, 1.0])
    first = i * g
    wanted = [o * np.tanh(first), o * np.tanh(f * first + i * g)]
    np.testing.assert_allclose(lstm(jnp.zeros((2, 1)), [inputs], [states])[:, 0], wanted, rtol=1e-12)


def test_eta_goes_on_from_the_sample_before(float64):
    # The mean is half the sample before plus what the LSTM gives; the variance is 1.
    mu, logvar = layer([[1.0], [0.5]], [0.0]), layer([[0.0], [0.0]], [0.0])
    walk = eta_walk(jnp.array([[1.0], [0.0]]), mu, logvar, jnp.array([[2.0], [-1.0]]), 1.0)
    np.testing.assert_allclose(walk.sample[:, 0], [3.0, 0.5], rtol=1e-12)
    assert float(walk.kl) == pytest.approx(0.5 * (1.0 + (1.5 - 3.0) ** 2), rel=1e-5)


def test_split_columns_meet_the_rows_of_their_own_group(float64):
    rng = np.random.default_rng(0)
    counts = planted_counts(6, V, K, length=5)
    batch = Batcher(counts, counts, 8, dtype=np.float64).take(np.arange(6))
    group = jnp.asarray(rng.integers(0, T, 8), jnp.int32)
    left, right = jnp.asarray(rng.normal(size=(8, K))), jnp.asarray(rng.normal(size=(V, T, K)))
    weights = jnp.asarray(rng.normal(size=batch.counts.shape)) * (batch.counts > 0)
    real = int(batch.pattern.row_starts[-1])
    rows, cols = (np.asarray(x)[:real] for x in (batch.pattern.rows, batch.pattern.cols))

    def ours(left, right):
        split = sparse.split_columns(batch.pattern, group, T)
        return (weights * sparse.sddmm(left, right.reshape(-1, K), split)).sum()

    def dense(left, right):
        return (weights[:real] * (left[rows] * right[cols, group[rows]]).sum(-1)).sum()

    wanted, found = (jax.value_and_grad(f, (0, 1))(left, right) for f in (dense, ours))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), wanted, found)


def test_the_loss_is_of_the_whole_corpus(fitting):
    batch, model = fitting.batch(range(5)), fitting.spec.with_variables(fitting.variables)
    noise = fitting.model.draw_noise(jax.random.key(1), batch)
    terms = model.loss_terms(model.read(batch, noise), batch, noise)
    loss, _ = batch_loss(*fitting.variables, batch, noise, fitting.spec)
    documents = ((terms["recon"] + terms["kl"]) * batch.real).sum() * D / 5
    assert float(loss) == pytest.approx(float(documents + terms["kl_alpha"] + terms["kl_eta"]), rel=1e-12)


def test_each_document_is_told_by_the_topics_of_its_own_period(fitting):
    batch, model = fitting.batch(), fitting.spec.with_variables(fitting.variables)
    noise = fitting.model.draw_noise(jax.random.key(1), batch)._replace(own={})
    out = model.dated_pass(model.read(batch, noise), batch, noise)
    terms = model.loss_terms(model.read(batch, noise), batch, noise)
    topics, periods = [*model.beta_at(jnp.arange(T)), model.beta()], np.asarray(model.period_of(batch))
    for row, period in enumerate(periods):
        px = out.theta[row] @ topics[period] + fitting.config.objective.likelihood_eps
        wanted = -(fitting.counts[[row]].toarray()[0] * np.log(px)).sum()
        assert float(terms["recon"][row]) == pytest.approx(wanted, rel=1e-9)
    assert set(periods.tolist()) == {0, 1, 3, T}


def test_what_is_known_of_the_periods_is_the_mean_of_their_documents(fitting):
    constants = fitting.variables.constants
    dense = fitting.counts.toarray()
    np.testing.assert_allclose(constants["period_words"][1], dense[2:5].mean(axis=0))
    np.testing.assert_array_equal(constants["period_words"][2], 0)
    assert float(constants["num_docs"]) == D


def test_gradients_are_finite_without_dates_words_and_documents_of_a_period(fitting):
    batch = fitting.batch()
    noise = fitting.model.draw_noise(jax.random.key(1), batch)
    gradients = jax.grad(batch_loss, has_aux=True)(*fitting.variables, batch, noise, fitting.spec)[0]
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


def test_documents_are_inferred_one_by_one_and_by_their_period_where_they_say_nothing(fitting):
    theta = theta_step(fitting.variables, fitting.batch(), fitting.spec)
    reversed_theta = theta_step(fitting.variables, fitting.batch(range(D)[::-1]), fitting.spec)
    np.testing.assert_allclose(theta, reversed_theta[::-1], rtol=1e-9)
    eta = fitting.spec.with_variables(fitting.variables).eta_walk().sample
    np.testing.assert_allclose(theta[D - 1], jax.nn.softmax(eta[3]), rtol=1e-12)


def test_training_lowers_the_loss(fitting):
    state, losses = new_state(fitting.variables, fitting.spec), []
    batch = fitting.batch()
    for _ in range(40):
        state, sums = train_step(state, batch, jax.random.key(0), fitting.spec)
        losses.append(float(sums.recon))
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_it_asks_for_the_field_of_time():
    config = make_config("paper", {"kind": "detm"})
    assert config.model.kind == "detm_paper"
    assert (config.train.num_epochs, config.optimizer.learning_rate) == (400, 0.005)
    with pytest.raises(UserError, match="--time_field=FIELD"):
        StructuredDETM.check(config, "")


def test_its_settings_are_stored_and_read_again():
    config = make_config("paper", {"kind": "detm", "time_field": "when", "eta_layers": 2})
    assert Config.from_json(config.to_json()) == config


def test_the_export_has_the_topics_of_each_period(fitting):
    model = fitting.spec.with_variables(fitting.variables)
    own = StructuredDETM.exported(fitting.variables.params | fitting.variables.constants)
    logits = own["alpha_time"] @ own["rho"].T + own["background"]
    np.testing.assert_allclose(model.beta_at(jnp.arange(T)), jax.nn.softmax(logits, axis=-1), rtol=1e-9)
    np.testing.assert_allclose(own["eta"], model.eta_walk().sample, rtol=1e-12)
    np.testing.assert_allclose(model.one_beta(model.beta_of(fitting.batch())), model.beta(), rtol=1e-9)


def test_weights_go_to_both_torch_codes_and_back_bit_by_bit(fitting):
    params = jax.tree.map(np.asarray, fitting.variables.params)
    theirs = to_state(params, "detm")
    assert theirs["q_theta.0.weight"].shape == (H, V + K)
    assert theirs["q_eta.weight_hh_l2"].shape == (4 * E, E)
    unused = {f"decoder_bn.{name}": np.ones(V) for name in ("weight", "bias", "running_mean", "running_var")}
    unused["decoder_bn.num_batches_tracked"] = np.array(0)
    for state, layout, eps in ((theirs, "detm", None), (theirs | unused, "topmost_d", 1e-12)):
        weights = from_state(state)
        assert (weights.layout, weights.variant) == (layout, "paper")
        assert weights.settings.get("likelihood_eps") == eps
        assert (weights.settings["eta_hidden_size"], weights.settings["eta_layers"]) == (E, 3)
        jax.tree.map(np.testing.assert_array_equal, weights.params, params)


def test_weights_of_fixed_word_embeddings_take_them_from_outside(fitting):
    params = jax.tree.map(np.asarray, fitting.variables.params)
    theirs = to_state(params, "detm")
    rho = theirs.pop("rho.weight")
    jax.tree.map(np.testing.assert_array_equal, from_state(theirs, rho).params, params)


def test_a_weight_that_is_missing_or_of_another_shape_is_named(fitting):
    theirs = to_state(jax.tree.map(np.asarray, fitting.variables.params), "detm")
    with pytest.raises(UserError, match=r"no 'q_eta.weight_hh_l1'"):
        from_state({name: x for name, x in theirs.items() if name != "q_eta.weight_hh_l1"})
    with pytest.raises(UserError, match=r"'logsigma_q_alpha' has shape \[3, 3, 4\]"):
        from_state(theirs | {"logsigma_q_alpha": theirs["logsigma_q_alpha"][:, :3]})
