#!/usr/bin/env bash
# Orbax's CheckpointManager with best_fn throws the newest step away.
#
# Expected: best_fn says which checkpoints to keep besides the newest, so that a
# run that is stopped can go on from where it was.
#
# What happens: with best_fn and max_to_keep, only the best steps are kept. A
# newly saved step that is not among them is deleted right after it was saved,
# and save() still returns True. latest_step() then gives an old step, and the
# usual "restore latest_step()" starts again from there: all the steps since the
# last improvement are done again, with no sign of it.
#
# Seen with orbax-checkpoint 0.12.8.
#
# What to do: keep two managers in two folders, one with best_fn for the model to
# use and one without it for going on; compare latest_step() with the step that
# the run had reached.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2 orbax-checkpoint==0.12.8

cd "$work"
"$work/venv/bin/python" - <<'PY'
import os
from importlib.metadata import version

import jax.numpy as jnp
import orbax.checkpoint as ocp

print("orbax-checkpoint", version("orbax-checkpoint"))
folder = os.path.abspath("steps")
options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=lambda metrics: metrics["loss"], best_mode="min")
with ocp.CheckpointManager(folder, options=options) as manager:
    for step, loss in enumerate([1.0, 0.5, 0.6, 0.9, 0.95, 0.99]):
        saved = manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, step)}), metrics={"loss": loss})
        manager.wait_until_finished()
        print(f"step {step}, loss {loss}: saved {saved}, kept {sorted(manager.all_steps())}, latest {manager.latest_step()}")
        assert saved
with ocp.CheckpointManager(folder, options=options) as manager:
    print("opened again: latest", manager.latest_step())
    assert manager.latest_step() == 2, "the newest step is kept now"
print("As described: six steps were saved, the run would go on from step 2")
PY
