"""Sources of torch's numbers: the installed packages, a clone of the report's code, and our rendering of both in torch.

A judge runs one batch in torch. Third-party classes are given what they would draw themselves: ε in place of
`torch.randn_like`, and dropout masks in place of their `nn.Dropout`.
"""

import ast
import contextlib
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor, nn

from etm_jax.config.build import Config
from etm_jax.models.registry import model_kind
from etm_jax.parity.torch_models import (
    EVAE,
    VAE,
    DiengDETM,
    DiengETM,
    Masks,
    Pass,
    WalkSizes,
    kl_divergence,
    reconstruction,
)
from etm_jax.util.errors import UserError

REPORT_EPS, TOPMOST_EPS = 1e-6, 1e-12
"""Constant added to θβ inside the logarithm: by both published codes, and by TopMost's ETM."""


PACKAGES = {"embedded-topic-model": "1.2.1", "topmost": "1.0.2"}
"""Published packages, and the versions that were compared."""


class TorchBatch(NamedTuple):
    """A batch.

    counts, inputs: [B, V], where the encoder reads the inputs; eps: [B, K]; masks: as in `models.noise.Noise`. dated:
    what the dynamic model reads besides.
    """

    counts: Tensor
    inputs: Tensor
    eps: Tensor
    masks: Masks
    dated: "Dated | None" = None

    def double(self) -> "TorchBatch":
        """The same in float64."""
        masks = [None if mask is None else mask.double() for mask in self.masks]
        dated = self.dated and self.dated.double()
        return TorchBatch(self.counts.double(), self.inputs.double(), self.eps.double(), masks, dated)


class Dated(NamedTuple):
    """What the dynamic model reads besides: periods [B], words [T, V] of all documents to train on, of which there are
    num_docs, and the noise of its walks, alpha [T, K, L] and eta [T, K].
    """

    periods: Tensor
    words: Tensor
    num_docs: int
    alpha: Tensor
    eta: Tensor

    def double(self) -> "Dated":
        """The same in float64."""
        return self._replace(words=self.words.double(), alpha=self.alpha.double(), eta=self.eta.double())


class Shape(NamedTuple):
    """The sizes of a model: V, widths of hidden layers, K, L, and widths of the decoder's hidden layers.

    walk: of the dynamic model.
    """

    vocab_size: int
    hidden: tuple[int, ...]
    num_topics: int
    embed_dim: int
    decoder_hidden: tuple[int, ...] = (512,)
    walk: WalkSizes | None = None


class Judge(NamedTuple):
    """A model in torch.

    run: from a batch to quantities by name, with their autograd graph: mu, logvar and theta [B, K], beta [K, V], log_px
    [B, V], and the scalars recon, kl and loss; of the dynamic model beta [T, K, V], alpha [T, K, L], eta [T, K] and the
    scalars kl_alpha and kl_eta too. fixed: parameters outside the module's state, by the names that they would have in
    it.
    """

    name: str
    module: nn.Module
    run: Callable[[TorchBatch], dict[str, Tensor]]
    fixed: Mapping[str, Tensor]

    def state(self) -> dict[str, Tensor]:
        """All parameters by torch's names and in torch's shapes, such as [out, in] for weights."""
        return dict(self.module.state_dict()) | dict(self.fixed)


def _is_mixture(config: Config) -> bool:
    """Whether p(w) of the configured model is a mixture of topics."""
    return model_kind(config.model.kind).is_mixture


def rendering(config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    """Our own rendering in torch of the variant and model that `config` names."""
    encode_dims = (shape.vocab_size, *shape.hidden, shape.num_topics)
    module: nn.Module
    if shape.walk is not None:
        return _dated_rendering(config, shape, dtype)
    if not _is_mixture(config):
        module = VAE(encode_dims, (shape.num_topics, *shape.decoder_hidden, shape.vocab_size))
    elif config.variant == "ntm":
        module = EVAE(encode_dims, shape.embed_dim)
    else:
        module = DiengETM(*_dieng_sizes(shape), shape.embed_dim, config.objective.likelihood_eps)
    module.to(dtype)
    _fix_rho(module, config)
    return Judge("our rendering", module, lambda batch: _quantities(module(*_inputs(batch)), batch, config), {})


def _dated_rendering(config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    assert shape.walk is not None
    module = DiengDETM(*_dieng_sizes(shape), shape.embed_dim, shape.walk, config.objective.likelihood_eps).to(dtype)
    _fix_rho(module, config)

    def run(batch: TorchBatch) -> dict[str, Tensor]:
        assert batch.dated is not None
        periods, words, num_docs, *noise = batch.dated
        out = module(batch.counts, batch.inputs, periods, words, (*noise, batch.eps), batch.masks)
        recon, kl = -(batch.counts * out.log_px).sum(1).mean(), out.kl.mean()
        loss = (recon + kl) * num_docs + out.kl_alpha + out.kl_eta
        return out._asdict() | {"recon": recon, "kl": kl, "loss": loss}

    return Judge("our rendering", module, run, {})


def topmost_detm(config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    """TopMost's DETM, which differs from adjidieng/DETM by the constant inside the logarithm alone."""
    assert shape.walk is not None
    file = importlib.metadata.distribution("topmost").locate_file("topmost/models/dynamic/DETM.py")
    vocab_size, hidden, num_topics = _dieng_sizes(shape)
    num_periods, units, layers, variance = shape.walk
    module = _class_from(Path(str(file)), "DETM", {})(
        vocab_size,
        num_periods,
        0,
        None,
        num_topics,
        en_units=hidden,
        eta_hidden_size=units,
        rho_size=shape.embed_dim,
        eta_nlayers=layers,
        delta=variance,
        enc_drop=config.model.dropout,
    ).to(dtype)
    # It is made and never called.
    del module.decoder_bn

    def run(batch: TorchBatch) -> dict[str, Tensor]:
        dated = batch.dated
        assert dated is not None
        module.rnn_inp, module.train_size = dated.words, dated.num_docs
        module.t_drop = _Given(batch.masks[-1:])

        drawn = [*dated.alpha, *dated.eta, batch.eps]
        with _default_dtype(dtype), _draws_by_shape(drawn):
            out = module(batch.counts, dated.periods)
        with _default_dtype(dtype), _draws_by_shape(drawn), _given_by(module, HEADS) as heads:
            alpha, kl_alpha = module.get_alpha()
            eta, kl_eta = module.get_eta(dated.words)
            theta, _ = module.get_theta(batch.counts, dated.periods, eta)
        beta, num_docs = module.get_beta(alpha), dated.num_docs
        log_px = torch.log(torch.bmm(theta[:, None], beta[dated.periods])[:, 0] + TOPMOST_EPS)
        named = {"mu": heads[HEADS[0]], "logvar": heads[HEADS[1]], "theta": theta, "beta": beta, "log_px": log_px}
        named |= {"kl_alpha": kl_alpha, "kl_eta": kl_eta, "alpha": alpha, "eta": eta}
        return named | {"recon": out["nll"] / num_docs, "kl": out["kl_theta"] / num_docs, "loss": out["loss"]}

    return Judge(version("topmost"), module, run, {})


def report_clone(clone: Path, config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    """`EVAE`, or its base class `VAE`, from a clone of zll17/Neural_Topic_Models."""
    base = _class_from(clone / "models" / "vae.py", "VAE", {})
    encode_dims = [shape.vocab_size, *shape.hidden, shape.num_topics]
    decode_dims = [shape.num_topics, *shape.decoder_hidden, shape.vocab_size]
    if not _is_mixture(config):
        module = base(encode_dims=encode_dims, decode_dims=decode_dims)
    else:
        evae = _class_from(clone / "models" / "ETM.py", "EVAE", {"VAE": base})
        module = evae(encode_dims=encode_dims, decode_dims=decode_dims, emb_dim=shape.embed_dim)
    module.to(dtype)
    _fix_rho(module, config)

    def run(batch: TorchBatch) -> dict[str, Tensor]:
        theta: list[Tensor] = []

        def softmax(z: Tensor) -> Tensor:
            theta.append(torch.softmax(z, dim=1))
            return theta[0]

        module.dropout = _Given(batch.masks)
        with _draws(batch.eps):
            logits, mu, logvar = module(batch.inputs, softmax)
        module.dropout = nn.Identity()
        topics = module.decode(torch.eye(shape.num_topics, dtype=dtype))
        # EVAE decodes a topic to log(β + 1e-6), GSM to logits.
        beta = torch.softmax(topics, dim=1) if not _is_mixture(config) else topics.exp() - REPORT_EPS
        return _quantities(Pass(mu, logvar, theta[0], beta, logits), batch, config)

    return Judge(f"{module.__class__.__name__} of the clone", module, run, {})


def embedded_topic_model(config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    """The model of embedded-topic-model, which is the paper's code as a package."""
    from embedded_topic_model.models.model import Model

    vocab_size, hidden, num_topics = _dieng_sizes(shape)
    trained = config.vectors.train_rho
    rho = None if trained else torch.randn(vocab_size, shape.embed_dim)
    module = Model(
        torch.device("cpu"), num_topics, vocab_size, hidden, shape.embed_dim, shape.embed_dim, "relu", rho, trained, 0.5
    ).to(dtype)
    if not trained:
        module.rho = module.rho.to(dtype)

    def run(batch: TorchBatch) -> dict[str, Tensor]:
        module.t_drop = _Given(batch.masks[-1:])
        with _draws(batch.eps):
            mu, logvar, _ = module.encode(batch.inputs)
            theta, _ = module.get_theta(batch.inputs)
            recon, kl = module(batch.counts, batch.inputs)
        beta = module.get_beta()
        log_px = module.decode(theta, beta)
        named = {"mu": mu, "logvar": logvar, "theta": theta, "beta": beta, "log_px": log_px}
        return named | {"recon": recon, "kl": kl, "loss": recon + kl}

    return Judge(version("embedded-topic-model"), module, run, {} if trained else {"rho.weight": module.rho})


def topmost(config: Config, shape: Shape, dtype: torch.dtype) -> Judge:
    """TopMost's ETM: the paper's model with another constant inside the logarithm."""
    # Only the class: the package imports transformers and torchvision, which are not needed here.
    file = importlib.metadata.distribution("topmost").locate_file("topmost/models/basic/ETM.py")
    vocab_size, hidden, num_topics = _dieng_sizes(shape)
    rho = torch.randn(vocab_size, shape.embed_dim).numpy()
    trained = config.vectors.train_rho
    module = _class_from(Path(str(file)), "ETM", {})(vocab_size, shape.embed_dim, num_topics, hidden, 0.5, rho, trained)
    module.to(dtype)

    def run(batch: TorchBatch) -> dict[str, Tensor]:
        module.encoder1[-1] = _Given(batch.masks[-1:])
        with _draws(batch.eps):
            theta, mu, logvar = module.get_theta(batch.counts)
            loss = module(batch.counts)["loss"]
        beta = module.get_beta()
        log_px = torch.log(theta @ beta + TOPMOST_EPS)
        kl = kl_divergence(mu, logvar).mean()
        named = {"mu": mu, "logvar": logvar, "theta": theta, "beta": beta, "log_px": log_px}
        return named | {"recon": loss - kl, "kl": kl, "loss": loss}

    return Judge(version("topmost"), module, run, {})


def _quantities(out: Pass, batch: TorchBatch, config: Config) -> dict[str, Tensor]:
    """The quantities of `Judge.run` from a pass whose classes leave the loss to the caller. out.logits: [B, V]."""
    renormalized = config.objective.renormalize or not _is_mixture(config)
    log_px = torch.log_softmax(out.logits, dim=1) if renormalized else out.logits
    recon = reconstruction(out.logits, batch.counts, config.objective.criterion, renormalized)
    kl = kl_divergence(out.mu, out.logvar)
    recon, kl = (x.sum() if config.objective.reduction == "sum" else x.mean() for x in (recon, kl))
    named = {"mu": out.mu, "logvar": out.logvar, "theta": out.theta, "beta": out.beta, "log_px": log_px}
    return named | {"recon": recon, "kl": kl, "loss": recon + kl}


class _Given(nn.Module):
    """Dropout with given masks [B, width], one a call; the identity where there is none."""

    def __init__(self, masks: Masks) -> None:
        super().__init__()
        self.masks, self.calls = tuple(masks), 0

    def forward(self, x: Tensor) -> Tensor:
        mask = self.masks[self.calls % len(self.masks)] if self.masks else None
        self.calls += 1
        return x if mask is None else x * mask


@contextlib.contextmanager
def _draws(eps: Tensor) -> Iterator[None]:
    """Let `torch.randn_like` return ε, [B, K]: a copy, since some classes change it in place."""
    with mock.patch.object(torch, "randn_like", side_effect=lambda like: eps.clone()):
        yield


HEADS = ("mu_q_theta", "logsigma_q_theta")
"""The layers whose outputs are the mean and the log-variance of q(δ)."""


@contextlib.contextmanager
def _draws_by_shape(drawn: Sequence[Tensor]) -> Iterator[None]:
    """Let `torch.randn_like` return these, each once, for an array of its shape."""
    left: dict[tuple[int, ...], list[Tensor]] = {}
    for eps in drawn:
        left.setdefault(tuple(eps.shape), []).append(eps)
    with mock.patch.object(torch, "randn_like", side_effect=lambda like: left[tuple(like.shape)].pop(0).clone()):
        yield


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Let new arrays be of this type, which some classes leave to torch."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _given_by(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """What the layers of these names give within the block."""
    found: dict[str, Tensor] = {}
    keep = [partial(lambda name, _, __, out: found.update({name: out}), name) for name in names]
    hooks = [module.get_submodule(name).register_forward_hook(hook) for name, hook in zip(names, keep, strict=True)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _inputs(batch: TorchBatch) -> tuple[Tensor, Tensor, Masks]:
    """The arguments of a module of ours: inputs [B, V], ε [B, K] and masks."""
    return batch.inputs, batch.eps, batch.masks


def _dieng_sizes(shape: Shape) -> tuple[int, int, int]:
    """V, the one width of both hidden layers, and K."""
    (hidden,) = set(shape.hidden)
    return shape.vocab_size, hidden, shape.num_topics


def _fix_rho(module: Any, config: Config) -> None:
    """Fix ρ if the configuration does not train it."""
    if not config.vectors.train_rho:
        module.rho.weight.requires_grad_(False)


def _class_from(file: Path, name: str, names: dict[str, Any]) -> Any:
    """A class from a source file, without the file's imports, which may not be installed."""
    try:
        tree = ast.parse(file.read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as Python ({error}); is it a clone of the package's code?") from error
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    if not found:
        raise UserError(f"{file} has no class {name}; is it a clone of the package's code?")
    names = {"torch": torch, "nn": nn, "F": nn.functional, **names}
    exec(compile(ast.Module([*found], []), str(file), "exec"), names)
    return names[name]


def version(package: str) -> str:
    """`name version` of an installed distribution."""
    return f"{package} {importlib.metadata.version(package)}"


def installed(package: str) -> bool:
    """Whether a distribution of this name is installed."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
