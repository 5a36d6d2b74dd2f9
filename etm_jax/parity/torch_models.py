"""The published models in torch, written from their formulas, with their parameter names.

They stand for the published code where that cannot be installed. All randomness comes from outside: ε and dropout masks
are arguments. B documents, V words, K topics, L embedding size.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Masks = Sequence[Tensor | None]


class Pass(NamedTuple):
    """One forward pass. mu, logvar, theta: [B, K]; beta: [K, V]; logits: [B, V], whose softmax over V is p(w | θ)."""

    mu: Tensor
    logvar: Tensor
    theta: Tensor
    beta: Tensor
    logits: Tensor


class VAE(nn.Module):
    """The base class of zll17/Neural_Topic_Models, which with a softmax after fc1 is its GSM.

    Encoder: layers `enc_0`, …, each ReLU(mask · linear), and the heads `fc_mu` and `fc_logvar`. The square layer `fc1`
    follows the sample. Decoder: linear layers `dec_0`, … with ReLU between them.
    """

    def __init__(self, encode_dims: Sequence[int], decode_dims: Sequence[int]) -> None:
        super().__init__()
        *widths, latent = encode_dims
        self.encoder = _named_linears("enc", widths)
        self.fc_mu = nn.Linear(widths[-1], latent)
        self.fc_logvar = nn.Linear(widths[-1], latent)
        self.fc1 = nn.Linear(latent, latent)
        self.decoder = _named_linears("dec", decode_dims)

    def encode(self, x: Tensor, masks: Masks = ()) -> tuple[Tensor, Tensor]:
        """Mean and log variance: x [B, V] → mu, logvar [B, K]. masks: [B, width] of each hidden layer."""
        for layer, mask in itertools.zip_longest(self.encoder.values(), masks):
            x = layer(x)
            x = functional.relu(x if mask is None else x * mask)
        return self.fc_mu(x), self.fc_logvar(x)

    def decode(self, z: Tensor) -> Tensor:
        """The decoder's output: z [B, K] → [B, V]."""
        *inner, last = self.decoder.values()
        for layer in inner:
            z = functional.relu(layer(z))
        return last(z)

    def sample(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> tuple[Tensor, Tensor, Tensor]:
        """mu, logvar, and the sample after `fc1`: [B, K] each. x: [B, V]; eps: [B, K]."""
        mu, logvar = self.encode(x, masks)
        return mu, logvar, self.fc1(mu + torch.exp(logvar / 2) * eps)

    def topics(self) -> Tensor:
        """β, the output for each topic alone: [K, V]."""
        return functional.softmax(self.decode(torch.eye(self.fc1.in_features, dtype=self.fc1.weight.dtype)), dim=1)

    def forward(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> Pass:
        """A pass of GSM. x: [B, V]; eps: [B, K]."""
        mu, logvar, z = self.sample(x, eps, masks)
        theta = functional.softmax(z, dim=1)
        return Pass(mu, logvar, theta, self.topics(), self.decode(theta))


class EVAE(VAE):
    """The ETM of zll17/Neural_Topic_Models: the `ntm` variant."""

    def __init__(self, encode_dims: Sequence[int], embed_dim: int) -> None:
        super().__init__(encode_dims, ())
        self.rho = nn.Linear(embed_dim, encode_dims[0])
        self.alpha = nn.Linear(embed_dim, encode_dims[-1])

    def topics(self) -> Tensor:
        """β = softmax(ρα): [K, V]."""
        return functional.softmax(self.alpha(self.rho.weight), dim=0).T

    def decode(self, z: Tensor) -> Tensor:
        """log(θβ + 1e-6): [B, K] → [B, V]."""
        return torch.log(z @ self.topics() + 1e-6)


class DiengETM(nn.Module):
    """adjidieng/ETM: the `paper` variant. The dropout mask applies to the last hidden layer, after its ReLU."""

    def __init__(self, vocab_size: int, hidden: int, num_topics: int, embed_dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.rho = nn.Linear(embed_dim, vocab_size, bias=False)
        self.alphas = nn.Linear(embed_dim, num_topics, bias=False)
        self.q_theta = nn.Sequential(nn.Linear(vocab_size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mu_q_theta = nn.Linear(hidden, num_topics)
        self.logsigma_q_theta = nn.Linear(hidden, num_topics)

    def forward(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> Pass:
        """A pass. x: [B, V], counts divided by their sum; eps: [B, K]."""
        hidden = self.q_theta(x)
        if masks and masks[-1] is not None:
            hidden = hidden * masks[-1]
        mu, logvar = self.mu_q_theta(hidden), self.logsigma_q_theta(hidden)
        theta = functional.softmax(mu + torch.exp(logvar / 2) * eps, dim=1)
        beta = functional.softmax(self.alphas(self.rho.weight), dim=0).T
        return Pass(mu, logvar, theta, beta, torch.log(theta @ beta + self.eps))


class WalkSizes(NamedTuple):
    """What the dynamic model has besides V, H, K and L: T periods, E units and the layers of its LSTM."""

    num_periods: int
    units: int
    layers: int
    variance: float


class DatedPass(NamedTuple):
    """One pass of the dynamic model. kl: [B]; alpha: [T, K, L]; eta: [T, K]; kl_alpha, kl_eta: scalars.

    beta: [T, K, V]; log_px: [B, V], by the topics of each document's period.
    """

    mu: Tensor
    logvar: Tensor
    theta: Tensor
    beta: Tensor
    log_px: Tensor
    kl: Tensor
    alpha: Tensor
    eta: Tensor
    kl_alpha: Tensor
    kl_eta: Tensor


class DiengDETM(nn.Module):
    """adjidieng/DETM. The dropout mask applies to the last hidden layer of the encoder, after its ReLU."""

    def __init__(
        self, vocab_size: int, hidden: int, num_topics: int, embed_dim: int, sizes: WalkSizes, eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.sizes, self.eps = sizes, eps
        units, walk = sizes.units, (num_topics, sizes.num_periods, embed_dim)
        self.rho = nn.Linear(embed_dim, vocab_size, bias=False)
        self.mu_q_alpha = nn.Parameter(torch.randn(walk))
        self.logsigma_q_alpha = nn.Parameter(torch.randn(walk))
        first = nn.Linear(vocab_size + num_topics, hidden)
        self.q_theta = nn.Sequential(first, nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mu_q_theta = nn.Linear(hidden, num_topics)
        self.logsigma_q_theta = nn.Linear(hidden, num_topics)
        self.q_eta_map = nn.Linear(vocab_size, units)
        self.q_eta = nn.LSTM(units, units, sizes.layers)
        self.mu_q_eta = nn.Linear(units + num_topics, num_topics)
        self.logsigma_q_eta = nn.Linear(units + num_topics, num_topics)

    def alpha(self, eps: Tensor) -> tuple[Tensor, Tensor]:
        """A sample of q(α), [T, K, L], as ε is, and its KL term."""
        mean, logvar = self.mu_q_alpha.transpose(0, 1), self.logsigma_q_alpha.transpose(0, 1)
        sample = mean + torch.exp(logvar / 2) * eps
        return sample, walk_kl(mean, logvar, sample, self.sizes.variance)

    def eta(self, words: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """A sample of q(η), [T, K], as ε is, and its KL term. words: [T, V], mean counts of each period."""
        read, _ = self.q_eta(self.q_eta_map(words)[:, None])
        means, logvars, samples = [], [], [torch.zeros_like(eps[0])]
        for of_period, noise in zip(read[:, 0], eps, strict=True):
            given = torch.cat([of_period, samples[-1]])
            means.append(self.mu_q_eta(given))
            logvars.append(self.logsigma_q_eta(given))
            samples.append(means[-1] + torch.exp(logvars[-1] / 2) * noise)
        mean, logvar, sample = (torch.stack(found) for found in (means, logvars, samples[1:]))
        return sample, walk_kl(mean, logvar, sample, self.sizes.variance)

    def forward(
        self, counts: Tensor, x: Tensor, periods: Tensor, words: Tensor, noise: Sequence[Tensor], masks: Masks = ()
    ) -> DatedPass:
        """A pass. x: [B, V], counts divided by their sum; periods: [B]; words: [T, V].

        noise: ε of α [T, K, L], of η [T, K] and of δ [B, K].
        """
        of_alpha, of_eta, of_delta = noise
        alpha, kl_alpha = self.alpha(of_alpha)
        eta, kl_eta = self.eta(words, of_eta)
        prior = eta[periods]
        hidden = self.q_theta(torch.cat([x, prior], dim=1))
        if masks and masks[-1] is not None:
            hidden = hidden * masks[-1]
        mu, logvar = self.mu_q_theta(hidden), self.logsigma_q_theta(hidden)
        theta = functional.softmax(mu + torch.exp(logvar / 2) * of_delta, dim=1)
        kl = gaussian_kl(mu, logvar, prior, torch.ones((), dtype=mu.dtype))
        beta = functional.softmax(alpha @ self.rho.weight.T, dim=2)
        px = torch.bmm(theta[:, None], beta[periods])[:, 0]
        return DatedPass(mu, logvar, theta, beta, torch.log(px + self.eps), kl, alpha, eta, kl_alpha, kl_eta)


def gaussian_kl(mean: Tensor, logvar: Tensor, prior_mean: Tensor, prior_variance: Tensor) -> Tensor:
    """KL(q‖N(prior_mean, prior_variance)) over the last axis, with adjidieng/DETM's 1e-6 beside the variance."""
    apart = (logvar.exp() + (mean - prior_mean).square()) / (prior_variance + 1e-6)
    return 0.5 * (apart - 1 + prior_variance.log() - logvar).sum(-1)


def walk_kl(mean: Tensor, logvar: Tensor, sample: Tensor, variance: float) -> Tensor:
    """Σ_t KL(q_t‖N(x_{t−1}, variance)), the first period's prior N(0, 1): [T, …] each → scalar, nats."""
    still = torch.full_like(mean[:1], 1.0), torch.full_like(mean[1:], variance)
    before = torch.cat([torch.zeros_like(sample[:1]), sample[:-1]])
    return gaussian_kl(mean, logvar, before, torch.cat(still)).sum()


class ImageVAE(nn.Module):
    """The VAE of the report's Figure 2: one hidden layer each way, LeakyReLU(0.2) in the encoder, a sigmoid last."""

    def __init__(self, image_size: int = 784, h_dim: int = 400, z_dim: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(image_size, h_dim), nn.LeakyReLU(0.2), nn.Linear(h_dim, 2 * z_dim))
        self.decoder = nn.Sequential(nn.Linear(z_dim, h_dim), nn.ReLU(), nn.Linear(h_dim, image_size), nn.Sigmoid())

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: [B, pixels] → mu, logvar: [B, z], and the reconstruction: [B, pixels]. eps: [B, z]."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar, self.decoder(mu + torch.exp(logvar / 2) * eps)


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q‖N(0, I)) of each document: mu, logvar [B, K] → [B], nats."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)


def reconstruction(logits: Tensor, counts: Tensor, criterion: str, normalized: bool) -> Tensor:
    """−log p(x | θ) by the report's criteria: logits, counts [B, V] → [B], nats.

    normalized: whether the logits first pass through a softmax over V. The two binary cross entropies have the presence
    of words as targets.
    """
    if criterion == "cross_entropy":
        return -(counts * (functional.log_softmax(logits, dim=1) if normalized else logits)).sum(1)
    p = functional.softmax(logits, dim=1) if criterion == "bce_softmax" else torch.sigmoid(logits)
    return functional.binary_cross_entropy(p, counts.clamp(max=1), reduction="none").sum(1)


def _named_linears(name: str, widths: Sequence[int]) -> nn.ModuleDict:
    """Linear layers between the widths, named `name_0`, `name_1`, …."""
    return nn.ModuleDict({f"{name}_{i}": nn.Linear(*pair) for i, pair in enumerate(itertools.pairwise(widths))})
