#!/usr/bin/env bash
# Flax's BatchNorm and LayerNorm fail on features with an offset.
#
# Expected: BatchNorm gives each feature a standard deviation of about 1, also
# for a feature around 1000 that varies by 0.1 (a year, a running count, a
# pre-activation that has drifted).
#
# What happens: by default (use_fast_variance=True) the variance is the mean of
# the squares less the square of the mean, in float32. Here the two are about a
# million and differ by 0.01, which is below float32's resolution: the variance
# comes out as 0 or several times too large, feature by feature. The output's
# standard deviation is then anything from 0.4 to 33 (BatchNorm) or 105
# (LayerNorm). Nothing is raised and nothing is nan.
#
# Seen with flax 0.12.8 (linen and nnx) and jax 0.10.2 on a CPU.
#
# What to do: pass use_fast_variance=False, or centre the input first.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2 flax==0.12.8 optax==0.2.8

cd "$work"
"$work/venv/bin/python" - <<'PY'
import flax
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

print("flax", flax.__version__, "jax", jax.__version__)
rng = np.random.default_rng(0)
batch = jnp.asarray(1000 + 0.1 * rng.standard_normal((256, 8)), jnp.float32)
print("true standard deviations: ", np.asarray(batch, np.float64).std(axis=0).round(3))


def outputs(fast):
    linen = nn.BatchNorm(use_running_average=False, use_fast_variance=fast)
    result, _ = linen.init_with_output(jax.random.key(0), batch)
    yield "linen.BatchNorm", result.std(axis=0)
    yield "nnx.BatchNorm", nnx.BatchNorm(8, use_fast_variance=fast, rngs=nnx.Rngs(0))(batch).std(axis=0)
    yield "nnx.LayerNorm", nnx.LayerNorm(256, use_fast_variance=fast, rngs=nnx.Rngs(0))(batch.T).std(axis=1)


defaults = [nn.BatchNorm().use_fast_variance, nnx.BatchNorm(8, rngs=nnx.Rngs(0)).use_fast_variance]
assert defaults == [True, True], "the default has changed"
for fast in (True, False):
    for name, deviation in outputs(fast):
        print(f"use_fast_variance={fast}, {name:15} output:", np.asarray(deviation).round(2))
        error = float(jnp.abs(deviation - 1).max())
        assert bool(jnp.isfinite(deviation).all())
        assert error > 0.5 if fast else error < 0.01, "the fast variance is exact now"
print("As described: the default gives features of any size")
PY
