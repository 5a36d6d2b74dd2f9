"""The bounds that rounding gives a step of training: no exact program leaves them, and none is wide without need."""

import numpy as np
import pytest

from etm_jax.parity.rows import compare_elements, rms_apart

torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")

UNIT = 2.0**-53


def test_the_element_that_is_furthest_out_of_its_bound_is_shown():
    theirs, ours = np.array([4.0, 1.0, 2.0]), np.array([4.5, 1.1, 2.0])
    absolute, relative, bound = compare_elements(theirs, ours, np.array([1.0, 0.01, 0.0]))
    assert (absolute, relative, bound) == pytest.approx((0.1, 0.1 / 4, 0.01))


@pytest.mark.parametrize("found", [np.nan, 1.0 + 1e-15])
def test_an_element_that_is_no_number_or_has_no_room_is_out_of_its_bound(found):
    from etm_jax.parity.rows import Row

    bounds = np.array([1.0, 0.0])
    row = Row("", "", "", "", *compare_elements(np.array([2.0, 1.0]), np.array([2.5, found]), bounds), is_absolute=True)
    assert not row.passed
    assert row.tolerance == 0


def test_trainings_are_apart_by_root_mean_square():
    assert rms_apart(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == (0.5, 0.1)
    assert rms_apart(np.zeros(2), np.zeros(2)) == (0.0, 0.0)


def stepped(adam, before, gradient):
    """torch.optim.Adam's state after a step by this gradient."""
    parameter = torch.nn.Parameter(torch.from_numpy(before.params["w"].copy()))
    optimizer = torch.optim.Adam([parameter], adam.learning_rate, adam.betas, adam.eps, adam.weight_decay)
    moments = {"exp_avg": before.first["w"], "exp_avg_sq": before.second["w"]}
    optimizer.state[parameter] = {"step": torch.tensor(adam.number - 1.0)} | {
        name: torch.from_numpy(array.copy()) for name, array in moments.items()
    }
    parameter.grad = torch.from_numpy(gradient)
    optimizer.step()
    state = optimizer.state[parameter]
    return parameter.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()


@pytest.mark.parametrize("number", [1, 10, 200])
@pytest.mark.parametrize("decay", [0.0, 1.2e-6])
def test_no_gradient_within_its_bound_takes_adam_out_of_his(number, decay):
    from etm_jax.parity.rounding import Adam, Moments, step_bounds

    rng = np.random.default_rng(number)
    size = 10_000
    gradient = rng.normal(size=size) * 10.0 ** rng.uniform(-22, 2, size)
    off = 10.0 ** rng.uniform(-22, -12, size) * (rng.random(size) < 0.9)
    root = np.abs(rng.normal(size=size)) * 10.0 ** rng.uniform(-20, 0, size) * (number > 1)
    before = Moments({"w": rng.normal(size=size)}, {"w": 0.5 * root}, {"w": root**2})
    adam = Adam(number, 0.01, (0.9, 0.999), 1e-8, decay, UNIT)
    bounds = step_bounds(adam, before, {"w": gradient}, {"w": off})
    reference = stepped(adam, before, gradient)
    for sign in (1, -1, rng.choice((-1, 1), size)):
        for exact, found, bound in zip(reference, stepped(adam, before, gradient + sign * off), bounds, strict=True):
            assert (np.abs(found - exact) <= bound["w"]).all()
    # Where the gradient is exact, rounding is left, of which 1 - β2 has most.
    exact, moved = off == 0, np.abs(reference[0] - before.params["w"])
    assert (bounds.params["w"] <= 1e-14 * np.abs(before.params["w"]) + 1e-11 * moved + 1e-16)[exact].all()
    assert (bounds.params["w"] > 1e-10 * moved)[~exact].any()


def test_float32_stays_within_the_bounds_of_a_gradient_and_absent_words_have_none():
    from etm_jax.parity.cases import CASES
    from etm_jax.parity.judges import Shape, TorchBatch, rendering
    from etm_jax.parity.passes import flat, torch_quantities
    from etm_jax.parity.rounding import gradient_bounds, roundings

    shape = Shape(vocab_size=40, hidden=(16, 16), num_topics=4, embed_dim=8, decoder_hidden=())
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, (8, 40)).astype(np.float32)
    counts[:, :5] = 0
    eps = rng.normal(size=(8, 4)).astype(np.float32)

    def judged(dtype):
        torch.manual_seed(0)
        batch = TorchBatch(*(torch.from_numpy(array).to(dtype) for array in (counts, counts, eps)), [None, None])
        return rendering(CASES[0].config(), shape, dtype), batch

    size = 2.0**-24 * roundings(shape, 8)
    exact, bounds = gradient_bounds(*judged(torch.float64), size)
    rounded = flat(torch_quantities(*judged(torch.float32))[1])
    for name, bound in bounds.items():
        assert (np.abs(rounded[name] - exact[name]) <= bound).all(), name
    assert not bounds["hidden_0.kernel"][:5].any()
    assert bounds["hidden_0.kernel"][5:].any()
    assert bounds["rho"].max() < 0.1 * np.abs(exact["rho"]).max()
