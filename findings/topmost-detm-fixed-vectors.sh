#!/usr/bin/env bash
# TopMost's dynamic model cannot be given word vectors that stay as they are.
#
# Expected: DETM(..., train_WE=False, pretrained_WE=vectors) keeps the vectors fixed,
# as the argument's name says, and as TopMost's ETM and the published DETM do.
#
# What happens: the constructor calls the vectors' `size`, which is a number in
# numpy's arrays, and ends with TypeError. With a torch tensor, which has a method
# of that name, the embedding then gets one size where it wants two, and ends so
# too. So train_WE=False works with no kind of array; with train_WE=True the
# vectors are accepted and not read: ρ starts at random.
#
# Seen with topmost 1.0.2 and torch 2.13.0.
#
# What to do: train ρ along, and copy the vectors into model.rho.weight before
# training; or take the published code.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.13.0
# Of the package one module is looked at, which needs none of what the others do.
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps topmost==1.0.2

cd "$work"
"$work/venv/bin/python" - <<'PY'
import importlib.util
import sysconfig
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

path = Path(sysconfig.get_path("purelib")) / "topmost" / "models" / "dynamic" / "DETM.py"
spec = importlib.util.spec_from_file_location("detm", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print("topmost", version("topmost"), "torch", torch.__version__)

words, times, size = 30, 4, 8
vectors = np.random.default_rng(0).normal(size=(words, size)).astype(np.float32)
given = {
    "vocab_size": words,
    "num_times": times,
    "train_size": 100,
    "train_time_wordfreq": torch.ones(times, words),
    "num_topics": 3,
    "rho_size": size,
}
for kind, array in (("numpy", vectors), ("torch", torch.from_numpy(vectors))):
    try:
        module.DETM(**given, train_WE=False, pretrained_WE=array)
    except TypeError as error:
        print(f"train_WE=False, vectors of {kind}: TypeError, {error}")
    else:
        raise SystemExit(f"vectors of {kind} are taken now")
model = module.DETM(**given, train_WE=True, pretrained_WE=vectors)
near = float(np.abs(model.rho.weight.detach().numpy() - vectors).max())
print(f"train_WE=True: rho is up to {near:.2f} from the vectors that were given")
assert near > 0.5, "the vectors are read now"
print("As described: vectors cannot be kept fixed, and are not read where they are trained")
PY
