"""The published models in torch, written from their formulas, with their names of parameters.

They are what our numbers are compared with where the published code itself cannot be installed. Everything random
comes from outside: ε and the dropout masks are arguments. B documents, V words, K topics, L embedding size.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Masks = Sequence[Tensor | None]


class Pass(NamedTuple):
    """One pass. mu, logvar, theta: [B, K]; beta: [K, V]; logits: [B, V], whose softmax over V is p(w | θ)."""

    mu: Tensor
    logvar: Tensor
    theta: Tensor
    beta: Tensor
    logits: Tensor


class VAE(nn.Module):
    """zll17/Neural_Topic_Models' base class, and with a softmax over fc1 its GSM.

    Encoder: ReLU(mask · linear) layers `enc_0`, …, and the heads `fc_mu` and `fc_logvar`. `fc1`, square, follows the
    sample. Decoder: linear layers `dec_0`, …, with ReLU between them.
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
        """x: [B, V] → mu, logvar: [B, K]."""
        for layer, mask in itertools.zip_longest(self.encoder.values(), masks):
            x = layer(x)
            x = functional.relu(x if mask is None else x * mask)
        return self.fc_mu(x), self.fc_logvar(x)

    def decode(self, z: Tensor) -> Tensor:
        """[B, K] → [B, V]."""
        *inner, last = self.decoder.values()
        for layer in inner:
            z = functional.relu(layer(z))
        return last(z)

    def sample(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> tuple[Tensor, Tensor, Tensor]:
        """mu, logvar, and the sample behind `fc1`: [B, K] each."""
        mu, logvar = self.encode(x, masks)
        return mu, logvar, self.fc1(mu + torch.exp(logvar / 2) * eps)

    def topics(self) -> Tensor:
        """β: what each topic alone is decoded to, [K, V]."""
        return functional.softmax(self.decode(torch.eye(self.fc1.in_features, dtype=self.fc1.weight.dtype)), dim=1)

    def forward(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> Pass:
        mu, logvar, z = self.sample(x, eps, masks)
        theta = functional.softmax(z, dim=1)
        return Pass(mu, logvar, theta, self.topics(), self.decode(theta))


class EVAE(VAE):
    """zll17/Neural_Topic_Models' ETM: the `ntm` variant."""

    def __init__(self, encode_dims: Sequence[int], embed_dim: int) -> None:
        super().__init__(encode_dims, ())
        self.rho = nn.Linear(embed_dim, encode_dims[0])
        self.alpha = nn.Linear(embed_dim, encode_dims[-1])

    def topics(self) -> Tensor:
        return functional.softmax(self.alpha(self.rho.weight), dim=0).T

    def decode(self, z: Tensor) -> Tensor:
        return torch.log(z @ self.topics() + 1e-6)


class DiengETM(nn.Module):
    """adjidieng/ETM: the `paper` variant. The mask falls on the last hidden layer, after its ReLU."""

    def __init__(self, vocab_size: int, hidden: int, num_topics: int, embed_dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.rho = nn.Linear(embed_dim, vocab_size, bias=False)
        self.alphas = nn.Linear(embed_dim, num_topics, bias=False)
        self.q_theta = nn.Sequential(nn.Linear(vocab_size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.mu_q_theta = nn.Linear(hidden, num_topics)
        self.logsigma_q_theta = nn.Linear(hidden, num_topics)

    def forward(self, x: Tensor, eps: Tensor, masks: Masks = ()) -> Pass:
        """x: [B, V], counts divided by their sum."""
        hidden = self.q_theta(x)
        if masks and masks[-1] is not None:
            hidden = hidden * masks[-1]
        mu, logvar = self.mu_q_theta(hidden), self.logsigma_q_theta(hidden)
        theta = functional.softmax(mu + torch.exp(logvar / 2) * eps, dim=1)
        beta = functional.softmax(self.alphas(self.rho.weight), dim=0).T
        return Pass(mu, logvar, theta, beta, torch.log(theta @ beta + self.eps))


class ImageVAE(nn.Module):
    """The report's Figure 2: a hidden layer each way, LeakyReLU(0.2) in the encoder, sigmoid at the end."""

    def __init__(self, image_size: int = 784, h_dim: int = 400, z_dim: int = 20) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(image_size, h_dim), nn.LeakyReLU(0.2), nn.Linear(h_dim, 2 * z_dim))
        self.decoder = nn.Sequential(nn.Linear(z_dim, h_dim), nn.ReLU(), nn.Linear(h_dim, image_size), nn.Sigmoid())

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x: [B, pixels] → mu, logvar: [B, z], and the reconstruction: [B, pixels]."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar, self.decoder(mu + torch.exp(logvar / 2) * eps)


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(q‖N(0, I)): [B]."""
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)


def reconstruction(logits: Tensor, counts: Tensor, criterion: str, normalized: bool) -> Tensor:
    """−log p(x | θ) by the report's criteria: [B]. normalized: whether the logits pass through a softmax over V first.

    The two binary cross entropies take the words' presence for target.
    """
    if criterion == "cross_entropy":
        return -(counts * (functional.log_softmax(logits, dim=1) if normalized else logits)).sum(1)
    p = functional.softmax(logits, dim=1) if criterion == "bce_softmax" else torch.sigmoid(logits)
    return functional.binary_cross_entropy(p, counts.clamp(max=1), reduction="none").sum(1)


def _named_linears(name: str, widths: Sequence[int]) -> nn.ModuleDict:
    return nn.ModuleDict({f"{name}_{i}": nn.Linear(*pair) for i, pair in enumerate(itertools.pairwise(widths))})
