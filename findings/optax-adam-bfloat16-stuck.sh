#!/usr/bin/env bash
# optax.adam on bfloat16 parameters never forgets its largest gradient.
#
# Expected: Adam's second moment is a running mean. With b2 = 0.999 a single
# large gradient has all but faded after a few thousand steps, and mu_dtype is
# the only thing to think about for precision.
#
# What happens: the second moment takes the dtype of the parameters, and there is
# no setting for it (mu_dtype is for the first moment alone). bfloat16 has
# 8 significant bits, so 0.999 * v rounds back to v, and (1 - b2) * g ** 2 is
# rounded away unless it is a sizeable part of v. The second moment can go up in
# large jumps but cannot fall: after one gradient of 1 followed by 3000 of 0.001,
# it stands exactly where the first one put it (float32: a twentieth of that), and the
# steps stay several times too short for good.
#
# Seen with optax 0.2.8 and jax 0.10.2.
#
# What to do: keep the parameters that the optimizer sees in float32 and cast to
# bfloat16 in the forward pass, or init the optimizer on float32 copies and cast
# the updates.
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


def run(dtype):
    optimizer = optax.adam(1e-3)
    update = jax.jit(optimizer.update)
    state = optimizer.init(jnp.zeros(1, dtype))
    _, state = update(jnp.ones(1, dtype), state)
    first = float(state[0].nu[0])
    for _ in range(3000):
        step, state = update(jnp.full(1, 1e-3, dtype), state)
    last = float(state[0].nu[0])
    print(f"{dtype.__name__:8} second moment ({state[0].nu.dtype}): {first:.6f} after the large gradient, "
          f"{last:.6f} 3000 steps later; step {float(step[0]):.2e}")
    return first, last, abs(float(step[0]))


first, last, step = run(jnp.bfloat16)
exact_first, exact_last, exact_step = run(jnp.float32)
assert exact_last < 0.06 * exact_first
assert last == first, "the second moment fades now"
assert step < 0.5 * exact_step
print("As described: in bfloat16 the second moment has not moved")
PY
