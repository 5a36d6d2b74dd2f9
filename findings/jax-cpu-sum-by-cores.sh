#!/usr/bin/env bash
# JAX on a CPU gives a sum other bits on one core than on two.
#
# Expected: the same program with the same input on the same processor gives the
# same bits, however many cores the process may use.
#
# What happens: XLA compiles for as many threads as it finds cores. A sum over the
# rows of a matrix, and its product with its transpose, are added up in another
# order where there are two than where there is one, and the last bits differ. On
# one machine it shows where a job is held to some cores (taskset, cgroups, a
# scheduler of a cluster), between machines wherever their cores differ in number;
# element by element, all differences are of the size of rounding.
#
# Seen with jax and jaxlib 0.10.2 on x86-64, with at least two cores.
#
# What to do: set NPROC=1 before JAX finds its devices, or some other fixed number
# on all machines. XLA takes that for the number of cores. Nothing documents it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 jaxlib==0.10.2

cd "$work"
cat >bits.py <<'PY'
import hashlib
import os
import sys

cores = sorted(os.sched_getaffinity(0))
assert len(cores) >= 2, "this takes two cores"
os.sched_setaffinity(0, cores[: int(sys.argv[1])])

import jax
import numpy as np

x = np.random.default_rng(0).normal(size=(1000, 300)).astype(np.float32)
for name, function in {"sum": lambda x: x.sum(axis=0), "product": lambda x: x.T @ x, "exp": jax.numpy.exp}.items():
    print(name, hashlib.sha256(np.asarray(jax.jit(function)(x)).tobytes()).hexdigest()[:12], end="  ")
print()
PY
bits() { JAX_PLATFORMS=cpu "$work/venv/bin/python" bits.py "$1"; }
one=$(bits 1) two=$(bits 2) told=$(NPROC=1 bits 2)
printf '%s\n' "one core:             $one" "two cores:            $two" "two cores, NPROC=1:   $told"
test "$one" != "$two" || { echo "the bits are the same now" >&2; exit 1; }
test "$one" = "$told" || { echo "NPROC no longer says how many cores there are" >&2; exit 1; }
test "${one##*exp}" = "${two##*exp}" || { echo "exp differs too" >&2; exit 1; }
echo "As described: sums have other bits by the number of cores"
