"""Where the time of a training step goes, and how near each piece comes to what the machine can do.

    python -m benchmarks.ceilings

The machine's ceilings are measured in the same run: the memory traffic of a pass over an array that no cache holds, and
the arithmetic of a large product of matrices. Each piece of the step is a program of its own, so that the pieces do not
add up exactly. Bytes are those that must move at least: an array that is read and written counts twice, a row that is
gathered once. Writes the table into docs/performance.md.

Runtime: a minute on 2 cores.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks import ceilings_default
from benchmarks.run import PAGE, time_of
from benchmarks.timing import Piece, host_seconds_of, seconds_of
from benchmarks.training import BATCH, CORPUS, TOPICS, Trainer, counts_of
from etm_jax.cli import flags as cli
from experiments.tables import machine, markdown, write_between

HEADER = ("case", "piece", "time", "memory traffic", "share of its ceiling", "operations", "share of its ceiling")


def ceilings() -> tuple[float, float]:
    """Megabytes and megaflops a second."""
    import jax
    import jax.numpy as jnp

    values, square = jnp.zeros(2**27), jnp.ones((3000, 3000))
    add = jax.jit(lambda x: x + 1, donate_argnums=0)

    def traffic() -> Any:
        nonlocal values
        values = add(values)
        return values

    product = jax.jit(lambda x: x @ x)
    return 2 * values.nbytes / 1e6 / seconds_of(traffic), 2 * 3000**3 / 1e6 / seconds_of(lambda: product(square))


def pieces(counts: sp.csr_matrix) -> list[Piece]:
    """Those of a step of the `ntm` variant, the whole step last."""
    import jax
    import jax.numpy as jnp

    from etm_jax.models.objective import reconstruction
    from etm_jax.ops import fused_adam, sparse

    ours = Trainer(counts)
    rows = np.arange(BATCH)
    batch = ours.batcher.take(rows)
    spec, state = ours.spec, ours.state
    vocab_size, embed_dim = spec.vocab_size, spec.embed_dim
    width, second = spec.model.hidden
    nnz = int(batch.pattern.row_starts[-1])
    params = state.variables.params
    kernel = params["hidden_0"]["kernel"]
    found = [
        Piece("cutting the batch, on the host", host_seconds_of(lambda: ours.batcher.take(rows)), 5 * 4 * nnz / 1e6)
    ]

    product = jax.jit(lambda w: sparse.spmm(batch.inputs, batch.pattern, w))
    found.append(Piece("x·W, first layer", seconds_of(lambda: product(kernel)), 4 * width * (nnz + BATCH) / 1e6))

    inner = {name: params[name] for name in ("hidden_1", "mu", "logvar")}
    first = jax.random.normal(jax.random.key(1), (BATCH, width))

    def rest_of_encoder(inner: Any, first: jax.Array) -> jax.Array:
        x = jax.nn.relu(jax.nn.relu(first) @ inner["hidden_1"]["kernel"])
        return (x @ inner["mu"]["kernel"]).sum() + (x @ inner["logvar"]["kernel"]).sum()

    backward = jax.jit(jax.grad(rest_of_encoder, argnums=(0, 1)))
    flops = 3 * 2 * BATCH * (width * second + 2 * second * TOPICS)
    found.append(Piece("the other layers, and back", seconds_of(lambda: backward(inner, first)), 0, flops / 1e6))

    theta, module = jax.nn.softmax(jax.random.normal(jax.random.key(2), (BATCH, TOPICS))), spec.module()

    def decoded(alpha: jax.Array, theta: jax.Array) -> jax.Array:
        variables = state.variables._replace(params=params | {"alpha": alpha})
        topics = module.with_variables(variables).beta()
        return reconstruction(theta, topics, batch.counts, batch.pattern, spec.objective).sum()

    decoder = jax.jit(jax.grad(decoded, argnums=(0, 1)))
    flops = 2 * 2 * vocab_size * embed_dim * TOPICS + 3 * 2 * nnz * TOPICS
    found.append(
        Piece(
            "topics, log p(x) at the nonzeros, and back",
            seconds_of(lambda: decoder(params["alpha"], theta)),
            2 * 4 * vocab_size * embed_dim / 1e6,
            flops / 1e6,
        )
    )

    behind = jax.random.normal(jax.random.key(3), (BATCH, width))
    weights = fused_adam.Weights(*(jnp.zeros(kernel.shape) for _ in range(3)))
    step = jax.jit(
        lambda weights: fused_adam.adam_step(
            weights, batch.inputs, batch.pattern, behind, jnp.int32(1), jnp.float32(0.005), 0.0, jnp.bool_(True)
        ),
        donate_argnums=0,
    )

    def first_step() -> Any:
        nonlocal weights
        weights = step(weights)
        return weights

    found.append(Piece("first layer: xᵀ·d and Adam", seconds_of(first_step), 6 * 4 * vocab_size * width / 1e6))
    del weights

    def whole() -> Any:
        ours.train([batch])
        return ours.state.step

    return [*found, Piece("the whole step", seconds_of(whole))]


def main(argv: Sequence[str]) -> None:
    """Measure, print the table, and keep it."""
    argparse.ArgumentParser(
        "python -m benchmarks.ceilings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(argv[1:])
    traffic, arithmetic = ceilings()
    lines = []
    for case, found in (
        ("report, People's Daily", lambda: pieces(counts_of(CORPUS))),
        ("report, V = 100,000", lambda: pieces(counts_of(drawn=100_000))),
        ("report, V = 300,000", lambda: pieces(counts_of(drawn=300_000))),
        ("default, People's Daily", ceilings_default.pieces),
    ):
        for i, piece in enumerate(found()):
            by_traffic, by_arithmetic = piece.megabytes / piece.seconds, piece.megaflops / piece.seconds
            lines.append(
                (
                    case if i == 0 else "",
                    piece.name,
                    time_of(piece.seconds),
                    f"{piece.megabytes:,.0f} MB" if piece.megabytes else "",
                    f"{by_traffic / traffic:.0%}" if piece.megabytes else "",
                    f"{piece.megaflops / 1e3:,.2f} GFLOP" if piece.megaflops else "",
                    f"{by_arithmetic / arithmetic:.0%}" if piece.megaflops else "",
                )
            )
    table = markdown(lines, HEADER, "<<>>>>>")
    said = f"Ceilings: {traffic / 1e3:.1f} GB/s of memory traffic, {arithmetic / 1e3:.0f} GFLOP/s."
    print(f"{table}\n\n{said}")
    write_between(
        PAGE,
        "ceilings",
        "Where the time goes",
        f"{table}\n\n{said}\n\n    python -m benchmarks.ceilings\n\n{machine()}",
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
