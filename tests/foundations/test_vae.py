"""The variational auto-encoder: its losses by hand, beside torch's, and on real digits."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import forked
from etm_jax.foundations.vae import (
    VAEConfig,
    VAEObjective,
    VAESpec,
    decode,
    draw_vae_noise,
    figure_2,
    init_vae,
    new_vae_state,
    reconstruct,
    sample_images,
    vae_forward,
    vae_loss,
    vae_step,
)
from etm_jax.models.noise import Noise

ROOT = Path(__file__).parents[2]
SMALL = figure_2(image_size=5, h_dim=4, z_dim=2)


@pytest.fixture
def float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def one_to_one(mu=0.6, logvar=0.0, out=0.0) -> dict:
    """Parameters of figure_2(1, 1, 1) whose hidden units pass on the input, and whose heads are constants."""
    zero, one = jnp.zeros((1, 1)), jnp.ones((1, 1))
    linear = {"mu": (zero, mu), "logvar": (zero, logvar), "hidden_0": (one, 0), "decoder_0": (one, 0)}
    linear["decoder_1"] = (zero, out)
    return {name: {"kernel": kernel, "bias": jnp.array([float(bias)])} for name, (kernel, bias) in linear.items()}


def loss_of(x, objective, config=None, **params):
    spec = VAESpec(config or figure_2(1, 1, 1), objective)
    return vae_loss(one_to_one(**params), jnp.array(x), Noise(jnp.zeros((len(x), 1))), spec)


def test_kl_by_hand():
    _, terms = loss_of([[0.5], [0.5]], VAEObjective(), mu=0.6, logvar=np.log(4.0))
    assert terms.kl == pytest.approx(2 * 0.5 * (4 + 0.36 - 1 - np.log(4)), rel=1e-6)


def test_kl_is_zero_at_the_prior():
    assert loss_of([[0.5]], VAEObjective(), mu=0, logvar=0)[1].kl == 0


def test_bce_by_hand():
    _, terms = loss_of([[1.0], [0.25]], VAEObjective(), out=np.log(3.0))  # σ(log 3) = 3/4
    expected = -np.log(0.75) - 0.25 * np.log(0.75) - 0.75 * np.log(0.25)
    assert terms.recon == pytest.approx(expected, rel=1e-6)


def test_bce_of_extreme_logits_is_finite():
    _, terms = loss_of([[1.0], [0.0]], VAEObjective(), out=200.0)
    assert terms.recon == pytest.approx(200)


def test_gaussian_by_hand():
    _, terms = loss_of([[1.0], [0.5]], VAEObjective("gaussian", c=0.1), out=np.log(3.0))
    assert terms.recon == pytest.approx((0.25**2 + 0.25**2) / 0.2, rel=1e-6)


def test_gaussian_without_a_sigmoid_compares_with_the_output_itself():
    config = replace(figure_2(1, 1, 1), sigmoid=False)
    _, terms = loss_of([[1.0]], VAEObjective("gaussian", c=0.5), config, out=3.0)
    assert terms.recon == pytest.approx(4.0)


@pytest.mark.parametrize("slope, expected", [(0.2, -0.4), (0.0, 0.0)])
def test_the_slope_is_that_of_the_encoder(slope, expected):
    params = one_to_one()
    params["mu"]["kernel"] = jnp.ones((1, 1))
    posterior, _ = vae_forward(
        params, jnp.array([[-2.0]]), Noise(jnp.zeros((1, 1))), replace(figure_2(1, 1, 1), slope=slope)
    )
    assert posterior.mu == pytest.approx(0.6 + expected)


def random_case(objective=VAEObjective(), config=SMALL):  # noqa: B008 — frozen
    rng = np.random.default_rng(0)
    spec = VAESpec(config, objective)
    x = jnp.asarray(rng.uniform(size=(3, 5)), jnp.float32)
    return init_vae(jax.random.key(0), config), x, Noise(jax.random.normal(jax.random.key(1), (3, 2))), spec


def test_c_divides_the_reconstruction_alone():
    once, tenth = (vae_loss(*random_case(VAEObjective("gaussian", c=c)))[1] for c in (1.0, 10.0))
    assert once.recon == pytest.approx(10 * float(tenth.recon), rel=1e-5)
    assert once.kl == tenth.kl


@pytest.mark.parametrize("weight", [0.0, 0.5, 4.0])
def test_kl_weight_weighs_the_kl_alone(weight):
    loss, terms = vae_loss(*random_case(VAEObjective(kl_weight=weight)))
    _, plain = vae_loss(*random_case())
    assert (terms.recon, terms.kl) == (plain.recon, plain.kl)
    assert loss == pytest.approx(float(plain.recon + weight * plain.kl), rel=1e-6)


def test_sums_run_over_the_batch():
    params, x, noise, spec = random_case()
    whole = vae_loss(params, x, noise, spec)[0]
    single = sum(float(vae_loss(params, x[i : i + 1], Noise(noise.eps[i : i + 1]), spec)[0]) for i in range(3))
    assert whole == pytest.approx(single, rel=1e-5)


def test_gradients_are_those_of_finite_differences(float64):
    params, x, noise, spec = random_case(config=replace(SMALL, sample_layer=True))
    params, x, noise = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (params, x, noise))
    loss = jax.jit(lambda p: vae_loss(p, x, noise, spec)[0])
    grads = jax.jit(jax.grad(loss))(params)
    for layer in params:
        moved = {
            sign: params | {layer: params[layer] | {"bias": params[layer]["bias"].at[0].add(sign * 1e-6)}}
            for sign in (1, -1)
        }
        slope = float(loss(moved[1]) - loss(moved[-1])) / 2e-6
        assert float(grads[layer]["bias"][0]) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_parameters_of_both_configurations():
    def shapes(config):
        return jax.tree.map(jnp.shape, init_vae(jax.random.key(0), config))

    def linear(i, o):
        return {"kernel": (i, o), "bias": (o,)}

    assert shapes(figure_2()) == {
        "hidden_0": linear(784, 400),
        "mu": linear(400, 20),
        "logvar": linear(400, 20),
        "decoder_0": linear(20, 400),
        "decoder_1": linear(400, 784),
    }
    assert shapes(VAEConfig()) == {
        "hidden_0": linear(2000, 1024),
        "hidden_1": linear(1024, 512),
        "mu": linear(512, 20),
        "logvar": linear(512, 20),
        "sample_layer": linear(20, 20),
        "decoder_0": linear(20, 1024),
        "decoder_1": linear(1024, 2000),
    }


def test_dropout_falls_on_every_hidden_layer():
    config = VAEConfig((5, 60, 50, 2), (2, 40, 5), dropout=0.5)
    noise = draw_vae_noise(jax.random.key(0), config, 30)
    assert [mask.shape for mask in noise.dropout] == [(30, 60), (30, 50), (30, 40)]
    assert all(set(np.unique(mask)) == {0.0, 2.0} for mask in noise.dropout)
    params = init_vae(jax.random.key(0), config)
    x = jnp.ones((30, 5))
    nothing = noise._replace(dropout=(None, None, jnp.zeros((30, 40))))
    _, output = vae_forward(params, x, nothing, config)
    np.testing.assert_allclose(output, jnp.broadcast_to(params["decoder_1"]["bias"], (30, 5)), rtol=1e-6)


def test_reconstruction_is_the_decoded_mean():
    params, x, noise, spec = random_case()
    posterior, _ = vae_forward(params, x, noise, spec.config)
    np.testing.assert_allclose(
        reconstruct(params, x, spec.config), decode(params, posterior.mu, spec.config), rtol=1e-6
    )
    samples = sample_images(params, jax.random.key(2), 7, spec.config)
    assert samples.shape == (7, 5)
    assert ((samples > 0) & (samples < 1)).all()


@pytest.mark.parametrize(
    "make, part",
    [
        (lambda: VAEObjective("mse"), "mse"),
        (lambda: VAEObjective(c=0.0), "c=0.0"),
        (lambda: VAEObjective(kl_weight=-1.0), "kl_weight=-1.0"),
        (lambda: VAEConfig((10, 5, 2), (2, 5, 9)), "end with 10"),
        (lambda: VAEConfig((10, 2), (2, 10)), "3 widths"),
        (lambda: VAEConfig(dropout=1.0), "dropout=1.0"),
        (lambda: vae_loss(*random_case(config=replace(SMALL, sigmoid=False))), "sigmoid=True"),
    ],
)
def test_what_makes_no_sense_is_refused(make, part):
    with pytest.raises(ValueError, match=part):
        make()


def test_training_on_digits_beats_the_mean_image():
    from experiments.digits_vae import digits, fit, mean_image_nats

    train, held_out = digits()
    spec = VAESpec(figure_2(64, h_dim=64, z_dim=8), VAEObjective("gaussian", c=0.05), learning_rate=3e-3)
    params, curve = fit(train, held_out, spec, epochs=12, batch_size=128, seed=1)
    assert curve.held_out[-1] < curve.held_out[0] - 10
    assert curve.held_out[-1] < mean_image_nats(train, held_out, spec.objective) - 5
    error = ((reconstruct(params, held_out, spec.config) - held_out) ** 2).mean()
    assert error < 0.6 * ((train.mean(0) - held_out) ** 2).mean()


def test_the_steps_are_deterministic():
    params, x, noise, spec = random_case()
    copies = [jax.tree.map(jnp.copy, params) for _ in range(2)]
    once, again = (vae_step(new_vae_state(copy, spec), x, noise, spec)[0].params for copy in copies)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), once, again)))


def test_equals_torch_in_float64(float64):
    pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    from etm_jax.parity.vae_rows import vae_rows

    rows = list(vae_rows("float64"))
    assert len({row.case for row in rows}) == 5
    for row in rows:
        scale = np.abs(row.theirs).max()
        np.testing.assert_allclose(
            row.ours, row.theirs, rtol=1e-9, atol=1e-9 * scale, err_msg=f"{row.case} {row.quantity}"
        )


def run_example(*flags: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(
        [sys.executable, "-m", "experiments.digits_vae", *flags], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_the_example_draws_its_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    done = run_example(f"--out={tmp_path}", "--epochs=2", "--h_dim=16", "--z_dim=4")
    assert done.returncode == 0, done.stderr
    assert "epoch    2/2  nelbo" in done.stdout
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_example_says_so(tmp_path):
    hidden = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'matplotlib' else find(name, *a)\n"
        "from etm_jax.cli import flags as cli; from experiments.digits_vae import main; sys.exit(cli.run(main, ['x']))"
    )
    done = forked.run([sys.executable, "-c", hidden], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    said = "error: the picture needs matplotlib, which is not installed; pip install 'etm_jax[figures]'\n"
    assert done.stderr == said


def test_a_number_out_of_range_is_named():
    done = run_example("--c=0")
    assert done.returncode == 2
    assert "argument --c: invalid positive float value: '0'" in done.stderr


def test_a_mistake_is_one_line(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra: figures)")
    (tmp_path / "file").touch()
    done = run_example(f"--out={tmp_path / 'file'}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --out=")
    assert done.stderr.count("\n") == 1
