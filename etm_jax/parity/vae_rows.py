"""The VAE compared with torch: one pass, the gradient of every parameter, and ten steps of Adam.

JAX computes in float64 only with `jax_enable_x64`, which the caller sets.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from etm_jax.foundations.vae import (
    VAEConfig,
    VAEObjective,
    VAESpec,
    figure_2,
    new_vae_state,
    reconstruct,
    vae_forward,
    vae_loss,
    vae_step,
)
from etm_jax.models.layers import Params
from etm_jax.models.noise import Noise
from etm_jax.parity import torch_models

BATCH, STEPS = 32, 10

_forward = jax.jit(vae_forward, static_argnames="config")
_loss_and_gradients = jax.jit(jax.value_and_grad(vae_loss, has_aux=True), static_argnames="spec")


class Compared(NamedTuple):
    """A quantity on both sides, of the same shape. case: which VAE and which loss."""

    case: str
    quantity: str
    theirs: np.ndarray
    ours: np.ndarray


class Case(NamedTuple):
    """A VAE with a loss. dropped: share of the encoder's hidden units that the masks drop."""

    name: str
    spec: VAESpec
    dropped: float = 0.0


IMAGES = figure_2(image_size=64, h_dim=48, z_dim=6)
BASE = VAEConfig(encode_dims=(64, 40, 24, 6), decode_dims=(6, 24, 64))
CASES = (
    Case("VAE Figure 2, BCE", VAESpec(IMAGES)),
    Case("VAE Figure 2, BCE, kl_weight 0.5", VAESpec(IMAGES, VAEObjective(kl_weight=0.5))),
    Case("VAE Figure 2, Gaussian, c 0.1", VAESpec(IMAGES, VAEObjective("gaussian", c=0.1))),
    Case("VAE base class, Gaussian, c 0.5", VAESpec(BASE, VAEObjective("gaussian", c=0.5))),
    Case("VAE base class, Gaussian, dropout", VAESpec(BASE, VAEObjective("gaussian")), dropped=0.5),
)


def vae_rows(dtype: str) -> Iterator[Compared]:
    """mu, logvar, reconstruction, recon, kl, loss, gradients, and the parameters after STEPS steps, for every case."""
    for case in CASES:
        yield from _rows_of(case, dtype)


def params_from_torch(state: Mapping[str, Tensor]) -> Params:
    """Weights or gradients of `torch_models.ImageVAE` or `torch_models.VAE` as ours.

    state: by torch's names, [out, in].
    """
    arrays = {name: tensor.detach().numpy().copy() for name, tensor in state.items()}
    found: Params = {}
    for name in sorted({name.rpartition(".")[0] for name in arrays}):
        kernel, bias = arrays[f"{name}.weight"].T, arrays[f"{name}.bias"]
        if name == "encoder.2":
            # Figure 2 has both heads in one layer.
            kernels, biases = np.split(kernel, 2, axis=1), np.split(bias, 2)
            found |= {head: {"kernel": kernels[i], "bias": biases[i]} for i, head in enumerate(("mu", "logvar"))}
        else:
            found[_ours(name)] = {"kernel": kernel, "bias": bias}
    return found


def _ours(name: str) -> str:
    """Our name of a layer of torch's."""
    fixed = {
        "fc_mu": "mu",
        "fc_logvar": "logvar",
        "fc1": "sample_layer",
        "encoder.0": "hidden_0",
        "decoder.0": "decoder_0",
        "decoder.2": "decoder_1",
    }
    return fixed.get(name) or name.replace("encoder.enc_", "hidden_").replace("decoder.dec_", "decoder_")


def _rows_of(case: Case, dtype: str) -> Iterator[Compared]:
    """All quantities of one case."""
    spec, rng = case.spec, np.random.default_rng(0)
    torch.manual_seed(0)
    module = _torch_module(spec.config).to(getattr(torch, dtype))
    x = rng.uniform(size=(BATCH, spec.config.encode_dims[0])).astype(dtype)
    noises = [_noise(case, rng, dtype) for _ in range(STEPS)]
    params = jax.tree.map(jnp.asarray, params_from_torch(module.state_dict()))

    theirs = _torch_pass(module, spec, x, noises[0])
    theirs["loss"].backward()
    gradients = params_from_torch({name: _gradient(p) for name, p in module.named_parameters()})
    (loss, terms), our_gradients = _loss_and_gradients(params, jnp.asarray(x), noises[0], spec)
    posterior, output = _forward(params, jnp.asarray(x), noises[0], spec.config)
    ours = {
        "mu": posterior.mu,
        "logvar": posterior.logvar,
        "reconstruction": jax.nn.sigmoid(output) if spec.config.sigmoid else output,
        "recon": terms.recon,
        "kl": terms.kl,
        "loss": loss,
    }
    still = Noise(jnp.zeros_like(noises[0].eps))
    theirs["reconstruction at the mean"] = _torch_pass(module, spec, x, still)["reconstruction"]
    ours["reconstruction at the mean"] = reconstruct(params, x, spec.config)
    for name, value in ours.items():
        yield Compared(case.name, name, theirs[name].detach().numpy(), np.asarray(value))
    yield from _leaves(case, "gradient of {}", gradients, our_gradients)

    optimizer = torch.optim.Adam(module.parameters(), lr=spec.learning_rate)
    state = new_vae_state(params, spec)
    for noise in noises:
        optimizer.zero_grad()
        _torch_pass(module, spec, x, noise)["loss"].backward()
        optimizer.step()
        state, _ = vae_step(state, x, noise, spec)
    trained = params_from_torch(module.state_dict())
    yield from _leaves(case, f"{{}} after {STEPS} steps", trained, state.params)


def _torch_module(config: VAEConfig) -> nn.Module:
    """The torch module of a configuration."""
    if config.sample_layer:
        return torch_models.VAE(config.encode_dims, config.decode_dims)
    return torch_models.ImageVAE(*config.encode_dims)


def _noise(case: Case, rng: np.random.Generator, dtype: str) -> Noise:
    """Noise of a step: ε [B, latent] and, if the case has dropout, masks [B, width]."""
    eps = rng.normal(size=(BATCH, case.spec.config.encode_dims[-1])).astype(dtype)
    if not case.dropped:
        return Noise(jnp.asarray(eps))
    keep = 1 - case.dropped
    masks = [(rng.random((BATCH, h)) < keep).astype(dtype) / keep for h in case.spec.config.encode_dims[1:-1]]
    return Noise(jnp.asarray(eps), tuple(jnp.asarray(mask) for mask in masks))


def _torch_pass(module: nn.Module, spec: VAESpec, x: np.ndarray, noise: Noise) -> dict[str, Tensor]:
    """The quantities of a pass in torch, by name. x: [B, data]."""
    images, eps = torch.from_numpy(x), torch.from_numpy(np.array(noise.eps))
    if isinstance(module, torch_models.VAE):
        mu, logvar, z = module.sample(images, eps, [torch.from_numpy(np.array(mask)) for mask in noise.dropout])
        output = module.decode(z)
    else:
        mu, logvar, output = module(images, eps)
    if spec.objective.recon == "bce":
        recon = functional.binary_cross_entropy(output, images, reduction="sum")
    else:
        recon = (images - output).square().sum() / (2 * spec.objective.c)
    kl = torch_models.kl_divergence(mu, logvar).sum()
    loss = recon + spec.objective.kl_weight * kl
    return {"mu": mu, "logvar": logvar, "reconstruction": output, "recon": recon, "kl": kl, "loss": loss}


def _gradient(parameter: Tensor) -> Tensor:
    """The gradient of a parameter, in its shape."""
    assert parameter.grad is not None
    return parameter.grad


def _leaves(case: Case, quantity: str, theirs: Params, ours: Params) -> Iterator[Compared]:
    """A row for each parameter, named by the pattern `quantity`."""
    assert set(theirs) == set(ours)
    for layer, arrays in theirs.items():
        for name, array in arrays.items():
            yield Compared(case.name, quantity.format(f"{layer}.{name}"), array, np.asarray(ours[layer][name]))
