"""The steps compiled for TPUs by the real compiler, on a machine that has none: `make tpu-check`.

    python -m benchmarks.tpu_check [--only=v5e:1x1] [--output=PAGE]

libtpu compiles for a topology that it is only told of. What it compiles is what would run there: it lays out the memory
and fails where a chip has too little. Nothing runs, so no time here is that of a step. The programs are those of the
demo and of a vocabulary of 200,000 words, and one that must be refused. Its cost analysis counts the body of a loop
once, and leaves out what gathers and scatters wait for. Writes the table into docs/platforms.md.

Needs:   the extra `tpu`, and `demo` for the demo's corpus.
Runtime: ten minutes on 2 cores.
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
from etm_jax import cli
from etm_jax.console import note
from etm_jax.errors import UserError
from experiments.fits import machine, markdown, write_between

if TYPE_CHECKING:
    import jax
    from jax.sharding import Mesh

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
}
"""The environment of libtpu where it only compiles: it asks no server what it runs on, and takes no lock of a chip."""

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
_COLLECTIVE = re.compile(rf"= (?P<result>\(.*?\)|\S+) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(")
_SHAPE = re.compile(r"(?P<dtype>[a-z]\w*)\[(?P<sizes>[\d,]*)\]")

HEADER = (
    *("chips", "program", "compiled in", "arguments", "output", "temporary", "at once", "of HBM"),
    *("GFLOP", "MB moved", "collectives"),
)


class Topology(NamedTuple):
    """Chips to compile for. mesh: their numbers along the axes of the mesh, data and vocab."""

    name: str
    mesh: tuple[int, int]

    @property
    def hbm(self) -> int:
        """Bytes of memory of one chip."""
        return HBM[self.name.partition(":")[0]]


TOPOLOGIES = (Topology("v5e:1x1", (1, 1)), Topology("v5e:2x2", (4, 1)), Topology("v6e:2x2", (4, 1)))


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


def compiled(program: Program) -> Compiled:
    """The program as its chips' compiler makes it. Raises UserError where they cannot hold it."""
    import jax

    started = time.perf_counter()
    try:
        made = program.step.lower(*program.arguments, spec=program.spec).compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(f"{program.name}: {refusal(str(error))}") from error
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


def mesh_of(topology: Topology) -> "Mesh":
    """The chips as a mesh. Raises UserError where libtpu is missing."""
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import Mesh

    kind, _, shape = topology.name.partition(":")
    # A host has 2×2 chips unless told otherwise.
    own = {"chips_per_host_bounds": (*map(int, shape.split("x")), 1)} if topology.mesh == (1, 1) else {}
    try:
        chips = topologies.get_topology_desc(platform="tpu", topology_name=topology.name, **own)
    except Exception as error:
        raise UserError(f"no compiler for {kind}: {error}; pip install 'jax[tpu]', or make tpu-check") from error
    return Mesh(np.array(chips.devices).reshape(topology.mesh), ("data", "vocab"))


def programs(mesh: "Mesh") -> Iterator[Program]:
    """Those that are compiled, on one chip."""
    yield from _steps("demo", *_demo(), mesh)
    for variant in ("default", "paper"):
        name = f"V = {LARGE:,}, {variant}"
        yield from _steps(name, *_drawn(variant, LARGE), mesh)
    yield _steps(f"V = {TOO_LARGE:,}, paper", *_drawn("paper", TOO_LARGE, num_docs=8), mesh)[0]._replace(fits=False)


def _demo() -> tuple[Any, Any]:
    """Spec and a batch of the demo."""
    import numpy as np

    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.training import corpus_batchers

    config, _ = cli.parse(["", f"--flagfile={DEMO}"])
    corpus = prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")
    batch_size = config.train.batch_size
    batch = corpus_batchers(corpus, config, batch_size)["train"].take(np.arange(batch_size))
    return _spec(config, len(corpus.vocabulary)), batch


def _drawn(variant: str, vocab_size: int, num_docs: int = 0) -> tuple[Any, Any]:
    """Spec and a batch of drawn documents. num_docs: how many are drawn; a batch of them by default."""
    import numpy as np

    from etm_jax.batches import Batcher
    from etm_jax.config import make_config

    config = make_config(variant)
    batch_size = config.train.batch_size
    counts = drawn_counts(vocab_size, num_docs or batch_size)
    batcher = Batcher(counts, counts.astype(np.float32), batch_size)
    return _spec(config, vocab_size), batcher.take(np.arange(counts.shape[0]))


def _spec(config: Any, vocab_size: int) -> Any:
    from etm_jax.steps import Spec

    return Spec(
        config.model,
        config.objective,
        config.optimizer,
        vocab_size,
        config.vectors.embed_dim,
        num_steps=1000,
        train_rho=config.vectors.train_rho,
    )


def _steps(name: str, spec: Any, batch: Any, mesh: "Mesh") -> list[Program]:
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    from etm_jax.steps import abstract_state, eval_step, theta_step, train_step

    def described(leaf: Any) -> "jax.ShapeDtypeStruct":
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, PartitionSpec()))

    state, batch, key = jax.tree.map(described, (abstract_state(spec), batch, jax.eval_shape(jax.random.key, 0)))
    return [
        Program(f"{name}: train", train_step, (state, batch, key), spec),
        Program(f"{name}: eval", eval_step, (state.variables, batch, key), spec),
        Program(f"{name}: theta", theta_step, (state.variables, batch), spec),
    ]


def row_of(topology: Topology, program: Program, found: Compiled) -> tuple[str, ...]:
    """Its line of the table."""
    exchanged = [f"{number} {kind}, {_amount(size)}" for kind, (number, size) in found.collectives.items()]
    return (
        topology.name,
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
    for program in programs(mesh_of(topology)):
        note(f"{topology.name}: compiling {program.name}")
        try:
            found = compiled(program)
        except UserError as error:
            if program.fits:
                raise UserError(f"{topology.name}: {error}") from error
            yield topology.name, program.name, "refused", *[""] * 7, str(error).partition(": ")[2].partition(": ")[2]
            continue
        if not program.fits:
            raise UserError(f"{topology.name}: {program.name} was compiled, where it cannot fit; memory is not checked")
        if found.peak > topology.hbm:
            raise UserError(
                f"{topology.name}: {program.name} takes {_amount(found.peak)} of {_amount(topology.hbm)}; "
                "give a smaller --batch_size or --hidden, or more chips"
            )
        yield row_of(topology, program, found)


def main(argv: Sequence[str]) -> None:
    """Compile, print the table, and keep it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.tpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [topology.name for topology in TOPOLOGIES]
    parser.add_argument("--only", choices=names, help="one kind of chips; the table is then printed, not kept")
    given = parser.parse_args(argv[1:])
    os.environ.update(ALONE)
    lines = [line for topology in TOPOLOGIES if given.only in (None, topology.name) for line in check(topology)]
    table = markdown(lines, HEADER, "<<>>>>>>>><")
    print(table)
    if not given.only:
        made = machine(("jax", "jaxlib", "libtpu"))
        write_between(PAGE, "tpu-check", "Compiled for TPUs", f"{table}\n\n    make tpu-check\n\n{made}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
