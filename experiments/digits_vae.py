"""The variational auto-encoder of images, on handwritten digits: reconstructions, samples and the bound as one picture.

    python -m experiments.digits_vae [--out=runs/digits]

Corpus:  the 1,797 images of 8 × 8 pixels that scikit-learn brings along (load_digits); every sixth is held out.
Runtime: about 20 s on 2 cores.
Result:  20.5 nats a held-out image (10.7 of them reconstruction, with c = 0.05, and 9.8 KL), where the mean image alone
         costs 47.1. The held-out digits come back legible; most of what it draws from the prior is a digit.
Needs:   matplotlib (extra: figures).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.cli import flags as cli
from etm_jax.foundations.vae import (
    Terms,
    VAEObjective,
    VAESpec,
    draw_vae_noise,
    figure_2,
    init_vae,
    new_vae_state,
    reconstruct,
    sample_images,
    vae_loss,
    vae_step,
)
from etm_jax.models.layers import Params
from etm_jax.models.noise import Noise
from etm_jax.models.objective import bce_from_logits
from etm_jax.util.extras import require
from etm_jax.util.files import check_writable

SIDE, HELD_OUT_EVERY = 8, 6
COLUMNS, SAMPLE_ROWS, GAP = 14, 6, 2
INK, ACCENT, FAINT = "#14213d", "#d1495b", "#8a94a6"


class Curve(NamedTuple):
    """Nats per image after each epoch. train: as it trained, the parameters still moving; held_out: [epochs] each."""

    train: list[float]
    held_out: list[float]


def main(argv: Sequence[str]) -> None:
    """Train, print the loss as it falls, and draw the picture."""
    given = _parser().parse_args(argv[1:])
    require("matplotlib", "figures", "the picture")
    check_writable(given.out, "out")
    train, held_out = digits()
    spec = VAESpec(figure_2(SIDE * SIDE, given.h_dim, given.z_dim), VAEObjective(given.recon, given.c))
    print(f"{len(train):,} digits to train on, {len(held_out)} held out; {SIDE}×{SIDE} pixels, z_dim={given.z_dim}")
    params, curve = fit(train, held_out, spec, given.epochs, given.batch_size, given.seed)
    baseline = mean_image_nats(train, held_out, spec.objective)
    print(f"held-out digits: nelbo {curve.held_out[-1]:.2f} nats an image; {baseline:.2f} for the mean image alone")
    given.out.mkdir(parents=True, exist_ok=True)
    picture = given.out / "digits.png"
    shown = held_out[:: len(held_out) // COLUMNS][:COLUMNS]
    samples = sample_images(params, jax.random.key(given.seed + 1), SAMPLE_ROWS * COLUMNS, spec.config)
    draw(picture, shown, np.asarray(reconstruct(params, shown, spec.config)), np.asarray(samples), curve, baseline)
    print(f"{picture}: held-out digits, their reconstructions, digits drawn from the prior, and the bound by epoch")


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images to train on, and held-out ones in the order of their digits: [·, 64] float32 in [0, 1]."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = (loaded.data / 16).astype(np.float32)
    is_held_out = np.arange(len(images)) % HELD_OUT_EVERY == 0
    order = np.argsort(loaded.target[is_held_out], kind="stable")
    return images[~is_held_out], images[is_held_out][order]


def fit(
    train: np.ndarray, held_out: np.ndarray, spec: VAESpec, epochs: int, batch_size: int, seed: int
) -> tuple[Params, Curve]:
    """Parameters after the last epoch, and how the bound fell. The rest of each epoch below a batch is left out."""
    key, eval_key = jax.random.split(jax.random.key(seed))
    state, curve, step = new_vae_state(init_vae(key, spec.config), spec), Curve([], []), 0
    batch_size = min(batch_size, len(train))
    latent = spec.config.encode_dims[-1]
    fixed = Noise(jax.random.normal(eval_key, (len(held_out), latent)))
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        order = order[: len(train) // batch_size * batch_size].reshape(-1, batch_size)
        seen = []
        for rows in order:
            noise = draw_vae_noise(jax.random.fold_in(key, step), spec.config, batch_size)
            state, terms = vae_step(state, train[rows], noise, spec)
            seen.append(terms)
            step += 1
        curve.train.append(sum(float(terms.recon + terms.kl) for terms in seen) / order.size)
        recon, kl = (float(term) / len(held_out) for term in held_out_terms(state.params, held_out, fixed, spec))
        curve.held_out.append(recon + kl)
        if epoch in (1, epochs) or epoch % max(1, epochs // 10) == 0:
            print(
                f"epoch {epoch:4d}/{epochs}  nelbo {curve.train[-1]:.2f}  "
                f"held out {recon + kl:.2f} = recon {recon:.2f} + kl {kl:.2f}"
            )
    return state.params, curve


@partial(jax.jit, static_argnames="spec")
def held_out_terms(params: Params, x: jax.Array, noise: Noise, spec: VAESpec) -> Terms:
    """The terms of the bound without an update."""
    return vae_loss(params, x, noise, spec)[1]


def mean_image_nats(train: np.ndarray, held_out: np.ndarray, objective: VAEObjective) -> float:
    """Nats per held-out image where every image is predicted to be the mean of the training images."""
    mean = np.clip(train.mean(0), 1e-4, 1 - 1e-4)[None, :]
    if objective.recon == "gaussian":
        return float(((held_out - mean) ** 2).sum(1).mean() / (2 * objective.c))
    return float(bce_from_logits(jnp.log(mean / (1 - mean)), jnp.asarray(held_out)).mean())


def draw(
    path: Path, originals: np.ndarray, reconstructions: np.ndarray, samples: np.ndarray, curve: Curve, baseline: float
) -> None:
    """The picture. originals, reconstructions: [COLUMNS, 64]; samples: [· COLUMNS, 64]."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"font.size": 11, "text.color": INK, "axes.labelcolor": INK, "font.family": "DejaVu Sans"})
    tile, left, head, between, foot = 0.5, 0.35, 1.15, 0.5, 0.3
    sheets = [
        (np.concatenate([originals, reconstructions]), "held-out digits, and below them their reconstructions"),
        (samples, "digits that it draws itself: f(z), z ~ N(0, I)"),
    ]
    heights = [len(images) // COLUMNS * tile for images, _ in sheets]
    width, height = 12.6, head + sum(heights) + between + foot
    fig = plt.figure(figsize=(width, height), dpi=160)
    fig.text(
        left / width, 1 - 0.52 / height, "A variational auto-encoder of handwritten digits", size=17, weight="bold"
    )
    top = height - head
    for (images, title), tall in zip(sheets, heights, strict=True):
        box = (left / width, (top - tall) / height, COLUMNS * tile / width, tall / height)
        _mosaic(fig.add_axes(box), images, title)
        top -= tall + between
    x, y = left + COLUMNS * tile + 0.75, foot + 0.42
    box = (x / width, y / height, (width - x - 0.3) / width, (height - head - y) / height)
    _bound(fig.add_axes(box), curve, baseline)
    fig.savefig(path)
    plt.close(fig)


def _mosaic(axes: Any, images: np.ndarray, title: str) -> None:
    """Images [· COLUMNS, 64] in rows of COLUMNS, dark on light."""
    from matplotlib.colors import LinearSegmentedColormap

    tiles = images.reshape(-1, COLUMNS, SIDE, SIDE)
    padded = np.pad(tiles, ((0, 0), (0, 0), (0, GAP), (0, GAP)), constant_values=np.nan)
    sheet = padded.swapaxes(1, 2).reshape(len(tiles) * (SIDE + GAP), -1)
    colours = LinearSegmentedColormap.from_list("ink", ["#f1f3f7", INK])
    axes.imshow(sheet, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    axes.set_title(title, loc="left", pad=7)
    axes.axis("off")


def _bound(axes: Any, curve: Curve, baseline: float) -> None:
    """Both curves, cut where they are far above the baseline."""
    epochs = np.arange(1, len(curve.train) + 1)
    axes.axhline(baseline, color=INK, lw=1, ls=(0, (4, 3)))
    axes.plot(epochs, curve.train, color=FAINT, lw=1.6, label="training digits")
    axes.plot(epochs, curve.held_out, color=ACCENT, lw=2.2, label="held-out digits")
    axes.annotate(
        "the mean image alone", (epochs[-1], baseline), (0, 4), textcoords="offset points", ha="right", va="bottom"
    )
    low = min(curve.train + curve.held_out + [baseline])
    axes.set_ylim(low - 0.06 * (baseline - low + 1), baseline + 0.25 * (baseline - low + 1))
    axes.set_title("the bound: nats an image, lower is better", loc="left", pad=7)
    axes.set_xlabel("epoch")
    axes.legend(frameon=False, labelcolor="linecolor", loc="center right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    axes.margins(x=0.02)


def _positive(kind: type) -> Callable[[str], Any]:
    """What reads a number above 0; argparse names the flag and the value where it is none."""

    def number(text: str) -> Any:
        if not 0 < kind(text) < float("inf"):
            raise ValueError(text)
        return kind(text)

    number.__name__ = f"positive {kind.__name__}"
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.digits_vae", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/digits"), help="folder of the picture (default: runs/digits)"
    )
    parser.add_argument(
        "--recon", choices=("bce", "gaussian"), default="gaussian", help="reconstruction term (default: gaussian)"
    )
    parser.add_argument(
        "--c", type=_positive(float), default=0.05, help="variance of a pixel given z, for gaussian (default: 0.05)"
    )
    for name, default, text in (
        ("epochs", 200, "passes over the training images"),
        ("batch_size", 128, "images a step"),
        ("h_dim", 400, "hidden units"),
        ("z_dim", 20, "latent dimensions"),
        ("seed", 1, "seed of everything random"),
    ):
        parser.add_argument(f"--{name}", type=_positive(int), default=default, help=f"{text} (default: {default})")
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main))
