#!/usr/bin/env bash
# Orbax restores a checkpoint into another dtype without a word.
#
# Expected: restoring with a target tree whose dtypes are not those stored is an
# error, as a target with another shape is.
#
# What happens: the stored values are cast to the target's dtype, numbers that
# don't fit included: int32 counts of 300 and 70000 come back as 44 and 112 in
# int8, a float 300.7 as 300 in int32, and 70000 as inf in float16. No warning is
# given. A model built with the wrong dtype setting is restored "successfully",
# and the next save stores the damaged values.
#
# Seen with orbax-checkpoint 0.12.8 and jax 0.10.2.
#
# What to do: read the stored dtypes first (StandardCheckpointer.metadata) and
# compare them with the target's before restoring.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2 orbax-checkpoint==0.12.8

cd "$work"
"$work/venv/bin/python" - <<'PY'
import logging
import os
import warnings
from importlib.metadata import version

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

print("orbax-checkpoint", version("orbax-checkpoint"), "jax", jax.__version__)
said = []
handler = logging.Handler(logging.WARNING)
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)
logging.getLogger("absl").addHandler(handler)

path = os.path.abspath("step")
checkpointer = ocp.StandardCheckpointer()
checkpointer.save(path, {"weights": jnp.array([1.5, 300.7], jnp.float32), "counts": jnp.array([300, 70000], jnp.int32)})
checkpointer.wait_until_finished()
said.clear()


def restore(weights, counts):
    target = {"weights": jax.ShapeDtypeStruct((2,), weights), "counts": jax.ShapeDtypeStruct((2,), counts)}
    return checkpointer.restore(path, target)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    first, second = restore(jnp.int32, jnp.int8), restore(jnp.bfloat16, jnp.float16)
print("stored:   weights [1.5, 300.7] float32, counts [300, 70000] int32")
for restored in (first, second):
    print("restored:", {name: (array.tolist(), str(array.dtype)) for name, array in restored.items()})
print("warnings:", [str(warning.message) for warning in caught], "logged:", said)
stored = checkpointer.metadata(path).item_metadata
print("metadata: ", {name: str(stored[name].dtype) for name in ("weights", "counts")})
assert first["counts"].tolist() == [44, 112] and first["weights"].tolist() == [1, 300]
assert second["counts"].tolist() == [300.0, float("inf")]
assert not caught and not said, "there is a warning now"
assert str(stored["counts"].dtype) == "int32"
print("As described: cast in silence")
PY
