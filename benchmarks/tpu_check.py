"""The steps compiled for TPUs by the real compiler, on a machine that has none: `make tpu-check`.

    python -m benchmarks.tpu_check [--only=v5e:1x1]

libtpu compiles for a topology that it is only told of. What it compiles is what would run there: it lays out the memory
and fails where a chip has too little. Nothing runs, so no time here is that of a step. The programs are those of the
demo and of a vocabulary of 200,000 words, and one that must be refused. Its cost analysis counts the body of a loop
once, and leaves out what gathers and scatters wait for. Writes the table into docs/platforms.md.

Needs:   the extra `tpu`, and `demo` for the demo's corpus.
Runtime: a quarter of an hour on 2 cores.
"""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.training import KEPT, drawn_counts
from etm_jax.cli import flags as cli
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from experiments.tables import machine, markdown, write_between

if TYPE_CHECKING:
    import jax

PAGE = Path("docs/platforms.md")
DEMO = "experiments/peoples_daily.flags"
LARGE, TOO_LARGE = 200_000, 20_000_000

HBM = {"v5e": 16 * 2**30, "v6e": 32 * 2**30}
"""Bytes of a chip. The compiler keeps some for itself."""

ALONE = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
}
"""The environment of libtpu where it only compiles: it asks no server what it runs on, and takes no lock of a chip.
Batches are dealt to as many virtual devices as there are chips, to see what shapes they have.
"""

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
_COLLECTIVE = re.compile(rf"= (?P<result>\(.*?\)|\S+) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(")
_SHAPE = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<sizes>[\d,]*)\]")

HEADER = (
    *("chips", "mesh", "program", "compiled in", "arguments", "output", "temporary", "at once", "of HBM"),
    *("GFLOP", "MB moved", "collectives"),
)


class Topology(NamedTuple):
    """Chips to compile for, and the mesh that they form, as `--mesh` has it."""

    chips: str
    mesh: str

    @property
    def hbm(self) -> int:
        """Bytes of memory of one chip."""
        return HBM[self.chips.partition(":")[0]]


TOPOLOGIES = (
    Topology("v5e:1x1", "data:1"),
    Topology("v5e:2x2", "data:4"),
    Topology("v5e:2x2", "data:2,vocab:2"),
    Topology("v6e:2x2", "data:4"),
    Topology("v6e:2x2", "data:2,vocab:2"),
)


class Program(NamedTuple):
    """A step with the shapes of its arguments, and whether a chip can hold it."""

    name: str
    step: Any
    arguments: tuple[Any, ...]
    spec: Any
    fits: bool = True


class Collectives(NamedTuple):
    """Operations of one kind by which chips exchange data, in a program's text: how many, and what they give."""

    count: int
    bytes: int


class Compiled(NamedTuple):
    """What the compiler says of a program, for one chip. Bytes; flops: additions and multiplications.

    output: what does not lie where an argument did; peak: the most that is there at once.
    """

    seconds: float
    arguments: int
    output: int
    temporary: int
    peak: int
    flops: float
    moved: float
    collectives: dict[str, Collectives]


def bytes_of(shape: str) -> list[int]:
    """The sizes of the arrays in a type of HLO, such as `(f32[2,3]{1,0}, s32[])`."""
    sizes = []
    for found in _SHAPE.finditer(shape):
        size = BYTES.get(found["dtype"], 0)
        for axis in filter(None, found["sizes"].split(",")):
            size *= int(axis)
        sizes.append(size)
    return sizes


def collectives(hlo: str) -> dict[str, Collectives]:
    """The collectives of a compiled program, by kind. hlo: its text. A loop's body counts once.

    One that is started here and awaited there is counted where it starts; of what that gives, an operand and a result,
    the result is counted.
    """
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for found in _COLLECTIVE.finditer(hlo):
        kind, given = found["kind"], bytes_of(found["result"])
        if found["start"] and kind in ("all-gather", "collective-permute") and len(given) > 1:
            given = given[1:2]
        counts[kind] += 1
        sizes[kind] += sum(given)
    return {kind: Collectives(counts[kind], sizes[kind]) for kind in KINDS if counts[kind]}


def compiled(program: Program) -> Compiled | str:
    """The program as its chips' compiler makes it, or why they cannot hold it."""
    import jax

    started = time.perf_counter()
    try:
        made = program.step.lower(*program.arguments, spec=program.spec).compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return refusal(str(error))
    seconds = time.perf_counter() - started
    memory, cost = made.memory_analysis(), made.cost_analysis()
    return Compiled(
        seconds,
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes - memory.alias_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.peak_memory_in_bytes,
        cost.get("flops", 0.0),
        cost.get("bytes accessed", 0.0),
        collectives(made.as_text()),
    )


def refusal(error: str) -> str:
    """The sentence of the compiler's error that says how much memory is missing, in one line."""
    sentence = re.search(r"Ran out of memory.*", error)
    return sentence[0].strip() if sentence else error.strip().splitlines()[0]


def chips_of(topology: Topology) -> "list[jax.Device]":
    """The chips. Raises UserError where libtpu is missing."""
    from jax.experimental import topologies

    kind, _, shape = topology.chips.partition(":")
    # A host has 2×2 chips unless told otherwise.
    own = {"chips_per_host_bounds": (1, 1, 1)} if shape == "1x1" else {}
    try:
        return list(topologies.get_topology_desc(platform="tpu", topology_name=topology.chips, **own).devices)
    except Exception as error:
        raise UserError(f"no compiler for {kind}: {error}; make tpu-check installs it") from error


def programs(topology: Topology) -> Iterator[Program]:
    """Those that are compiled for these chips."""
    chips = chips_of(topology)
    yield from _steps("demo", _demo(topology.mesh), topology.mesh, chips)
    for variant in ("default", "paper"):
        yield from _steps(f"V = {LARGE:,}, {variant}", _drawn(variant, LARGE, topology.mesh), topology.mesh, chips)
    if len(chips) == 1:
        too_large = _drawn("paper", TOO_LARGE, topology.mesh, num_docs=8)
        yield _steps(f"V = {TOO_LARGE:,}, paper", too_large, topology.mesh, chips)[0]._replace(fits=False)


def _demo(mesh: str) -> tuple[Any, Any]:
    """Spec and a batch of the demo."""
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.ops.mesh import make_mesh
    from etm_jax.training.corpus_batches import corpus_batchers

    config, _ = cli.parse(["", f"--flagfile={DEMO}"])
    corpus = prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")
    batchers = corpus_batchers(corpus, config, config.train.batch_size, make_mesh(mesh))
    return _spec(config, len(corpus.vocabulary)), next(batchers["train"].epoch())


def _drawn(variant: str, vocab_size: int, mesh: str, num_docs: int = 0) -> tuple[Any, Any]:
    """Spec and a batch of drawn documents. num_docs: how many are drawn; a batch of them by default."""
    import numpy as np

    from etm_jax.config.build import make_config
    from etm_jax.ops.mesh import MeshLayout, make_mesh
    from etm_jax.training.batches import Batcher

    config = make_config(variant)
    batch_size = config.train.batch_size
    counts = drawn_counts(vocab_size, num_docs or batch_size)
    devices = make_mesh(mesh)
    layout = MeshLayout(devices, batch_size, vocab_size) if devices else None
    batcher = Batcher(counts, counts.astype(np.float32), batch_size, layout=layout)
    return _spec(config, vocab_size), next(batcher.epoch())


def _spec(config: Any, vocab_size: int) -> Any:
    from etm_jax.training.steps import Spec

    return Spec(
        config.model,
        config.objective,
        config.optimizer,
        vocab_size,
        config.vectors.embed_dim,
        num_steps=1000,
        train_rho=config.vectors.train_rho,
    )


def _steps(name: str, made: tuple[Any, Any], mesh: str, chips: "list[jax.Device]") -> list[Program]:
    import dataclasses

    import jax
    import numpy as np
    from jax.sharding import Mesh, NamedSharding
    from jax.sharding import PartitionSpec as P

    from etm_jax.ops.mesh import AXES, MeshLayout, make_mesh
    from etm_jax.training.steps import abstract_state, eval_step, theta_step, train_step

    spec, batch = made
    there = make_mesh(mesh, chips) or Mesh(np.array(chips).reshape(1, 1), AXES)
    layout = batch.pattern.layout and MeshLayout(there, batch.pattern.layout.batch_size, spec.vocab_size)
    spec = spec.on(layout)

    def lying(leaf: Any, lie: P) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(there, lie))

    def of_state(path: Any, leaf: Any) -> jax.ShapeDtypeStruct:
        words = spec.vocab_axis(path)
        return lying(leaf, P(*[None] * (len(leaf.shape) + words.axis), "vocab") if words else P())

    def of_batch(leaf: Any) -> jax.ShapeDtypeStruct:
        return lying(leaf, leaf.sharding.spec if layout else P())

    state = jax.tree.map_with_path(of_state, abstract_state(spec))
    batch = jax.tree.map(of_batch, batch)
    batch = batch._replace(pattern=dataclasses.replace(batch.pattern, layout=layout))
    key = lying(jax.eval_shape(jax.random.key, 0), P())
    return [
        Program(f"{name}: train", train_step, (state, batch, key), spec),
        Program(f"{name}: eval", eval_step, (state.variables, batch, key), spec),
        Program(f"{name}: theta", theta_step, (state.variables, batch), spec),
    ]


def row_of(topology: Topology, program: Program, found: Compiled) -> tuple[str, ...]:
    """Its line of the table."""
    exchanged = [f"{number} {kind}, {_amount(size)}" for kind, (number, size) in found.collectives.items()]
    return (
        topology.chips,
        topology.mesh,
        program.name,
        f"{found.seconds:.0f} s",
        _amount(found.arguments),
        _amount(found.output),
        _amount(found.temporary),
        _amount(found.peak),
        f"{found.peak / topology.hbm:.1%}",
        f"{found.flops / 1e9:,.2f}",
        f"{found.moved / 1e6:,.0f}",
        "; ".join(exchanged) or "none",
    )


def _amount(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**18 else f"{size:,} B"


def check(topology: Topology) -> Iterator[tuple[str, ...]]:
    """Compile all programs for these chips, giving the lines of the table.

    Raises UserError where one is refused that should fit, where one that should be refused is not, and where what the
    compiler took is more than the chip has.
    """
    for program in programs(topology):
        where = f"{topology.chips}, {topology.mesh}: {program.name}"
        note(f"compiling for {where}")
        found = compiled(program)
        if isinstance(found, str):
            if program.fits:
                raise UserError(f"{where} does not fit: {found}")
            yield (topology.chips, topology.mesh, program.name, "refused", *[""] * 7, found)
        elif not program.fits:
            raise UserError(f"{where} was compiled, where it cannot fit; memory is not checked")
        elif found.peak > topology.hbm:
            raise UserError(f"{where} takes {_amount(found.peak)} of {_amount(topology.hbm)}")
        else:
            yield row_of(topology, program, found)


def main(argv: Sequence[str]) -> None:
    """Compile, print the table, and keep it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.tpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = sorted({topology.chips for topology in TOPOLOGIES})
    parser.add_argument("--only", choices=names, help="one kind of chips; the table is then printed, not kept")
    given = parser.parse_args(argv[1:])
    os.environ.update(ALONE)
    lines = [line for topology in TOPOLOGIES if given.only in (None, topology.chips) for line in check(topology)]
    table = markdown(lines, HEADER, "<<<>>>>>>>><")
    print(table)
    if not given.only:
        made = machine(("jax", "jaxlib", "libtpu"))
        write_between(PAGE, "tpu-check", "Compiled for TPUs", f"{table}\n\n    make tpu-check\n\n{made}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
