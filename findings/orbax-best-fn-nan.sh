#!/usr/bin/env bash
# Orbax's CheckpointManager takes a step whose metric is nan for the best one.
#
# Expected: a diverged step, with a loss of nan, ranks last, so that the good
# checkpoints outlive it.
#
# What happens: nan is compared as it is, every comparison with it is false, and
# what is kept is down to the order of saving. Three good steps followed by three
# with nan leave only nan steps, and best_step() names the last of them. One nan
# in the middle is enough for a worse step to drive out the best.
#
# Seen with orbax-checkpoint 0.12.8.
#
# What to do: let best_fn turn nan into the worst value there is
# (float("inf") with best_mode="min"), or don't save a step whose loss is not
# finite.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2 orbax-checkpoint==0.12.8

cd "$work"
"$work/venv/bin/python" - <<'PY'
import math
import os
from importlib.metadata import version

import jax.numpy as jnp
import orbax.checkpoint as ocp

print("orbax-checkpoint", version("orbax-checkpoint"))
nan = math.nan


def kept(name, losses, best_fn=lambda metrics: metrics["loss"]):
    options = ocp.CheckpointManagerOptions(max_to_keep=2, best_fn=best_fn, best_mode="min")
    with ocp.CheckpointManager(os.path.abspath(name), options=options) as manager:
        for step, loss in enumerate(losses):
            manager.save(step, args=ocp.args.StandardSave({"w": jnp.full(3, step)}), metrics={"loss": loss})
            manager.wait_until_finished()
        steps, best = sorted(manager.all_steps()), manager.best_step()
    print(f"losses {losses}: kept {steps}, best step {best} with loss {losses[best]}")
    return steps, best


diverged = [0.5, 0.4, 0.3, nan, nan, nan]
assert kept("diverged", diverged) == ([4, 5], 5), "nan no longer ranks first"
assert 0 not in kept("one", [0.3, 0.4, nan, 0.5])[0], "the best step is kept now"
print("with nan taken as infinity:")
guarded = kept("guarded", diverged, lambda metrics: metrics["loss"] if math.isfinite(metrics["loss"]) else math.inf)
assert guarded == ([1, 2], 2)
print("As described: steps with nan drive out the good ones")
PY
