"""Trainings of one model on meshes of eight virtual devices. Run by tests/ops/test_mesh.py in a process of its own.

    python eight_devices.py KIND,KIND,… float64|float32|hlo|moved 'MESH;MESH;…'

Prints a JSON object: for each kind and mesh how far losses, state and results are from those of one device; for hlo
how large the all-gathers of the compiled step are; for moved whether a checkpoint of it is the same on all others.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    # Before JAX is loaded; and not for those who read the sizes below.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

import jax
import numpy as np
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.config.build import make_config
from etm_jax.corpus.metadata import QUANTILES, MetaColumn, Metadata
from etm_jax.models.layers import Variables, init_variables
from etm_jax.ops.mesh import MeshLayout, make_mesh
from etm_jax.training.batches import Batcher
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.training.ensemble import new_states, stack, train_steps
from etm_jax.training.layout import ModelLayout
from etm_jax.training.progress import Progress
from etm_jax.training.steps import Spec, abstract_state, eval_step, new_state, theta_step, train_step

# Neither a batch nor the vocabulary comes out even on any of the meshes.
D, V, K, L, B, STEPS, MEMBERS = 130, 203, 5, 8, 30, 50, 2
LARGE = 8_000
"""Words for the programs whose collectives are looked at: V·H is then far above all else."""

KINDS = {
    "default": ("default", {"hidden": (16,)}),
    "paper": ("paper", {"hidden": (16, 16), "dropout": 0.5}),
    "clipped": ("paper", {"hidden": (16, 16), "clip_norm": 1.0}),
    "ntm": ("ntm", {"hidden": (16, 8), "criterion": "bce_softmax"}),
    "sigmoid": ("ntm", {"hidden": (16, 8), "criterion": "bce_sigmoid"}),
    "gsm": ("default", {"kind": "gsm", "hidden": (16,), "weight_decay": 1e-3}),
    "compact": ("paper", {"hidden": (16, 16), "adam_moments": "compact"}),
    "seeds": ("default", {"hidden": (16,)}),
    "content": ("default", {"hidden": (16,), "content": "source"}),
    "prevalence": ("default", {"hidden": (16,), "prevalence": "~ source * year"}),
    "detm": ("default", {"hidden": (16,), "kind": "detm", "time_field": "year"}),
    "context": ("default", {"hidden": (16,), "context": "use"}),
    "context_alone": ("default", {"hidden": (16,), "context": "use", "encoder": "context"}),
    "context_words": ("default", {"hidden": (16,), "context": "ppmi"}),
}
FIELDS = Metadata(
    (
        MetaColumn("source", "category", ("a", "b", "c")),
        MetaColumn("year", "number", (), tuple(np.linspace(2000, 2003, QUANTILES).tolist())),
    )
)
CONTEXT = 6
"""Numbers of a document's vector."""

READ = {"content": ("source",), "prevalence": ("source", "year"), "detm": ("year",)}
"""The fields that a kind reads."""


def spec_of(kind: str, vocab_size: int = V) -> Spec:
    variant, given = KINDS[kind]
    config = make_config(variant, {"num_topics": K, "embed_dim": L} | given)
    words = ((3, 7), (), (100,)) if kind == "default" else ()
    parts = config.model, config.objective, config.optimizer
    metadata = FIELDS.only(READ.get(kind, ()))
    spec = Spec(*parts, vocab_size, L, num_steps=STEPS, train_rho=True, seed_words=words, metadata=metadata)
    return spec._replace(context_dim=CONTEXT if config.model.context else 0)


def batcher_of(kind: str, spec: Spec, counts: sp.csr_matrix, dtype: type, layout: MeshLayout | None) -> Batcher:
    """Batches of documents, of which each has a group or none, and a year or none."""
    number = np.arange(counts.shape[0])
    values = {"source": (number % 4 - 1).astype(np.int32), "year": np.where(number % 7, 2000.0 + number % 4, np.nan)}
    extras = {name: values[name] for name in READ.get(kind, ())}
    groups = type(spec.module()).group_of(spec.model, spec.metadata, extras)
    inputs = np.log1p(counts).astype(dtype)
    vectors = np.random.default_rng(0).normal(size=(counts.shape[0], CONTEXT)).astype(np.float32)
    context = vectors if spec.model.context == "use" else None
    return Batcher(counts, inputs, B, dtype=dtype, layout=layout, extras=extras, groups=groups, context=context)


def start_of(key: jax.Array, spec: Spec) -> Variables:
    """Fresh variables; those that training reads of the documents are not 0."""
    variables = init_variables(key, spec.module())
    measured = {name: x + 0.4 for name, x in variables.constants.items() if name != "background"}
    return variables._replace(constants=variables.constants | measured)


def layout_of(text: str, vocab_size: int = V) -> MeshLayout | None:
    mesh = make_mesh(text)
    return mesh and MeshLayout(mesh, B, vocab_size)


def trained(kind: str, dtype: type, mesh: str) -> dict:
    """What fifty steps make of the same variables and documents."""
    spec, layout = spec_of(kind), layout_of(mesh)
    model_layout = ModelLayout(spec, layout)
    counts = planted_counts(D, V, K)
    batcher = batcher_of(kind, spec, counts, dtype, layout)
    start = [start_of(jax.random.key(i), spec) for i in range(MEMBERS if kind == "seeds" else 1)]
    variables = jax.tree.map(lambda x: x.astype(dtype), stack(start))
    state = new_states(variables, spec) if kind == "seeds" else new_state(variables, spec)
    state = model_layout.shard(state)
    key = jax.random.key(1)
    losses = []
    for epoch in range(1, STEPS // len(batcher) + 1):
        for batch in batcher.shuffled(1, epoch):
            if kind == "seeds":
                state, sums = train_steps(state, batch, jax.random.split(key, MEMBERS), spec.on(layout))
            else:
                state, sums = train_step(state, batch, key, spec.on(layout))
            losses.append(np.asarray(sums.recon + spec.objective.kl_weight * sums.kl).tolist())
    found = {"losses": losses, "state": jax.tree.leaves(jax.tree.map(np.asarray, model_layout.gather(state)))}
    if kind in ("default", "gsm", "context", *READ):
        batch = next(batcher.epoch())
        found["theta"] = np.asarray(theta_step(state.variables, batch, spec.on(layout)))[:B]
        found["beta"] = model_layout.beta(state.variables)
        found["valid"] = [float(x) for x in eval_step(state.variables, batch, key, spec.on(layout))]
    return found


def apart(a: object, b: object) -> float:
    """The largest difference, as a share of the numbers where they are above 1."""
    a, b = ([np.asarray(x, np.float64) for x in (y if isinstance(y, list) else [y])] for y in (a, b))
    return max(float((np.abs(x - y) / np.maximum(1, np.abs(y))).max(initial=0)) for x, y in zip(a, b, strict=True))


def gathers(kind: str, mesh: str) -> list[int]:
    """Numbers that each all-gather of the compiled step gives, V·H being `LARGE`·H."""
    spec, layout = spec_of(kind, LARGE), layout_of(mesh, LARGE)
    counts = planted_counts(B, LARGE, K)
    batch = batcher_of(kind, spec, counts, np.float32, layout).take(np.arange(B))
    state = ModelLayout(spec, layout).shard(new_state(init_variables(jax.random.key(0), spec.module()), spec))
    text = train_step.lower(state, batch, jax.random.key(1), spec.on(layout)).compile().as_text()
    shapes = re.findall(r"= (.*?) all-gather(?:-start)?\(", text)
    sizes = [
        [int(np.prod([int(n) for n in dims.split(",") if n])) for dims in re.findall(r"\[([\d,]*)\]", shape)]
        for shape in shapes
    ]
    return [max(of_one) for of_one in sizes]


def moved(kind: str, meshes: list[str]) -> dict[str, bool]:
    """Whether a state that was saved on one mesh, and read on each other one, is the same bit for bit."""
    spec, numbers = spec_of(kind), np.random.default_rng(0)
    state = new_state(init_variables(jax.random.key(0), spec.module()), spec)
    state = jax.tree.map(lambda x: numbers.normal(size=x.shape).astype(x.dtype), state)
    same = {}
    for mesh in meshes:
        with tempfile.TemporaryDirectory() as folder:
            checkpoints, layout = Checkpoints(Path(folder)), ModelLayout(spec, layout_of(mesh))
            checkpoints.save(layout.gather(layout.shard(state)), Progress(0, [np.inf], [np.inf]))
            restored, _ = checkpoints.restore(abstract_state(spec))
        layouts = [ModelLayout(spec, layout_of(mesh)) for mesh in meshes]
        there = [layout.gather(layout.shard(restored)) for layout in layouts]
        same[mesh] = all(jax.tree.all(jax.tree.map(np.array_equal, state, other)) for other in there)
    return same


def compared(kind: str, dtype: str, meshes: list[str]) -> dict[str, dict[str, float]]:
    number = np.dtype(dtype).type
    alone = trained(kind, number, "data:1")
    found = {mesh: trained(kind, number, mesh) for mesh in meshes}
    return {mesh: {name: apart(one[name], alone[name]) for name in alone} for mesh, one in found.items()}


def main() -> None:
    kinds, dtype, meshes = sys.argv[1].split(","), sys.argv[2], sys.argv[3].split(";")
    jax.config.update("jax_enable_x64", dtype == "float64")
    if dtype == "hlo":
        found = {kind: {mesh: gathers(kind, mesh) for mesh in meshes} for kind in kinds}
    elif dtype == "moved":
        found = {kind: moved(kind, meshes) for kind in kinds}
    else:
        found = {kind: compared(kind, dtype, meshes) for kind in kinds}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
