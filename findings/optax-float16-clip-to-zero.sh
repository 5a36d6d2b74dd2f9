#!/usr/bin/env bash
# optax.clip_by_global_norm turns finite float16 gradients into zeros.
#
# Expected: clipping scales gradients down to the norm that was asked for,
# whatever their size, and a norm that is too large to work out is an error or
# gives nan, which optax.apply_if_finite or a check for nan would catch.
#
# What happens: the squares are added up in the gradients' own dtype. In float16
# they pass 65504 early (10000 gradients of 3, or three of 300), the norm is inf,
# and each gradient divided by inf is exactly 0. The update is finite, so no check
# sees it: the steps with the largest gradients are simply skipped. float32 does
# the same above about 1e19.
#
# Seen with optax 0.2.8 and jax 0.10.2.
#
# What to do: cast gradients to float32 before clipping, log
# optax.tree.norm(gradients) and treat inf as a bad step.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2 optax==0.2.8

cd "$work"
"$work/venv/bin/python" - <<'PY'
from importlib.metadata import version

import jax
import jax.numpy as jnp
import optax

print("optax", version("optax"), "jax", jax.__version__)
clip = optax.clip_by_global_norm(1.0)


def clipped(gradients):
    update, _ = clip.update(gradients, clip.init(gradients))
    norm, after = float(optax.tree.norm(gradients)), float(optax.tree.norm(update))
    print(f"{gradients.size:5} gradients of {float(gradients[0]):g} in {gradients.dtype}: norm {norm:g}, after clipping {after:g}")
    return norm, after


for gradients in (jnp.full(10000, 3, jnp.float16), jnp.full(3, 300, jnp.float16), jnp.full(3, 1e20, jnp.float32)):
    assert bool(jnp.isfinite(gradients).all())
    assert clipped(gradients) == (float("inf"), 0.0), "no longer clipped to zero"
for gradients in (jnp.full(10000, 3, jnp.float32), jnp.full(3, 300, jnp.float32)):
    assert abs(clipped(gradients)[1] - 1) < 1e-3
print("As described: finite gradients are clipped to zero")
PY
