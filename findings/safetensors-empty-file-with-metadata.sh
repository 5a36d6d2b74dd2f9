#!/usr/bin/env bash
# safetensors writes a file without tensors and with empty metadata that it cannot
# read.
#
# Expected: what `save` writes, `load` reads; without tensors, no tensors.
#
# What happens: `save({}, {})` writes the header `{},"__metadata__":{}}`, which is
# no JSON, and `load` refuses it. With one tensor, with one entry of metadata, or
# with None for them, the file is read.
#
# Seen with safetensors 0.8.0.
#
# What to do: give None, not an empty dictionary, where there is no metadata.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0

"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
from safetensors.numpy import load, save

for tensors, metadata in (({}, None), ({}, {"a": "b"}), ({"x": np.zeros(1)}, {})):
    assert load(save(tensors, metadata)).keys() == tensors.keys()
written = save({}, {})
print(written)
try:
    load(written)
except Exception as error:
    print(f"As described: {error}")
else:
    sys.exit("it is read now")
PY
