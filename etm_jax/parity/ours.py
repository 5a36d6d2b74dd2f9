"""Our side of the comparison: the functions of this package, on the batch and noise that torch gets."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata
from etm_jax.interop import from_torch
from etm_jax.models.batch import Batch
from etm_jax.models.detm_paper import StructuredDETM
from etm_jax.models.layers import Params, Variables
from etm_jax.models.noise import Noise
from etm_jax.models.objective import Sums, log_px_nonzero
from etm_jax.parity.judges import Judge, Shape
from etm_jax.training.steps import Spec, batch_loss


class OfCorpus(NamedTuple):
    """What the dynamic model knows of all documents: the field of their periods, and its constants by name."""

    metadata: Metadata
    constants: dict[str, np.ndarray]


class Weights(NamedTuple):
    """Parameters from torch, and the static specification of our compiled programs."""

    spec: Spec
    variables: Variables


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Within the block, compute in `dtype`, with full precision of matrix products on every platform."""
    wide = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", dtype == "float64")
    try:
        with jax.default_matmul_precision("highest"):
            yield
    finally:
        jax.config.update("jax_enable_x64", wide)


def weights_of(
    judge: Judge, config: Config, shape: Shape, num_steps: int, of_corpus: OfCorpus | None = None
) -> Weights:
    """The judge's parameters under our names and in our shapes, with the specification that fits them.

    of_corpus: what the dynamic model knows of the documents.
    """
    spec = Spec(
        model=config.model,
        objective=config.objective,
        optimizer=config.optimizer,
        vocab_size=shape.vocab_size,
        embed_dim=shape.embed_dim,
        num_steps=num_steps,
        train_rho=config.vectors.train_rho,
        metadata=of_corpus.metadata if of_corpus else Metadata(),
    )
    params = jax.tree.map(jnp.array, params_of(judge.state()))
    if of_corpus:
        return Weights(spec, Variables(params, jax.tree.map(jnp.asarray, of_corpus.constants)))
    background = jnp.zeros(shape.vocab_size, params["mu"]["kernel"].dtype)
    return Weights(spec, Variables(params, {"background": background} if spec.module().has_embeddings else {}))


def params_of(state: Any) -> Params:
    """Arrays by torch's names, be they parameters, gradients or moments, under our names."""
    return from_torch({name: tensor.detach().numpy() for name, tensor in state.items()}).params


def quantities(weights: Weights, batch: Batch, noise: Noise) -> tuple[dict[str, np.ndarray], Params]:
    """The quantities of `Judge.run`, with log_px at the nonzeros, [nnz]; and the gradient of every parameter."""
    spec, variables = weights
    eps, num_docs = spec.objective.likelihood_eps, int(batch.real.sum())

    batch, noise = jax.tree.map(jnp.asarray, (batch, noise))
    (loss, sums), gradients = jax.value_and_grad(batch_loss, has_aux=True)(*variables, batch, noise, spec)
    model = spec.with_variables(variables)
    if isinstance(model, StructuredDETM):
        return _dated_quantities(model, batch, noise, loss, sums), gradients
    out = model.forward(model.read(batch, noise), batch, noise)
    if not model.is_mixture:
        log_px = model.log_px(out.theta)[batch.pattern.rows, batch.pattern.cols]
    else:
        log_px = log_px_nonzero(out.theta, out.beta, batch.pattern, eps)
        if spec.objective.renormalize:
            log_px = log_px - jnp.log1p(spec.vocab_size * eps)
    share = num_docs if spec.objective.reduction == "mean" else 1
    found = {
        "mu": out.posterior.mu[:num_docs],
        "logvar": out.posterior.logvar[:num_docs],
        "theta": out.theta[:num_docs],
        "beta": out.beta,
        "log_px": log_px[: batch.pattern.row_starts[-1]],
        "recon": sums.recon / share,
        "kl": sums.kl / share,
        "loss": loss,
    }
    return {name: np.asarray(value) for name, value in found.items()}, gradients


def _dated_quantities(
    model: StructuredDETM, batch: Batch, noise: Noise, loss: jax.Array, sums: Sums
) -> dict[str, np.ndarray]:
    num_docs, k = int(batch.real.sum()), model.config.num_topics
    out = model.dated_pass(model.read(batch, noise), batch, noise)
    # Behind the periods comes what is of none.
    beta = out.beta.T.reshape(-1, k, len(out.beta))[:-1]
    found = {
        "mu": out.posterior.mu[:num_docs],
        "logvar": out.posterior.logvar[:num_docs],
        "theta": out.theta[:num_docs],
        "beta": beta,
        "log_px": model.log_px_nonzero(out.theta, out.beta, batch)[: batch.pattern.row_starts[-1]],
        "alpha": out.alpha.sample,
        "eta": out.eta.sample,
        "kl_alpha": out.alpha.kl,
        "kl_eta": out.eta.kl,
        "recon": sums.recon / num_docs,
        "kl": sums.kl / num_docs,
        "loss": loss,
    }
    return {name: np.asarray(value) for name, value in found.items()}
