#!/usr/bin/env bash
# Beam's DaskRunner puts all outputs of a ParDo into each of them.
#
# Expected: with_outputs gives PCollections apart: what a DoFn yields as
# TaggedOutput("odd", ...) is in .odd, all else in the main output.
#
# What happens: on the DaskRunner every output holds the elements of all of them,
# without a warning. The numbers 0 to 5, the odd ones tagged, are all six in both,
# and whatever counts or writes one of the outputs has too many elements. Of a
# pipeline with two ends, only the one that was added last is run besides: the
# other writes nothing, and the pipeline is said to be DONE. The DirectRunner does
# as documented.
#
# Seen with apache-beam 2.77.0, dask and distributed 2026.8.0.
#
# What to do: no side outputs and no branches there: yield (tag, value) pairs and
# take a tag by Filter in a chain with one end, or run one pipeline for each end.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apache-beam==2.77.0 dask==2026.8.0 distributed==2026.8.0

cd "$work"
cat >seen.py <<'PY'
import logging
from importlib.metadata import version
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dask.dask_runner import DaskRunner
from apache_beam.runners.direct.direct_runner import DirectRunner


def by_parity(number):
    yield beam.pvalue.TaggedOutput("odd", number) if number % 2 else number


def put(number, name):
    with Path(name).open("a") as file:
        file.write(f"{number} ")
    return number


def put_by(runner, output, ends=1):
    """What is put from an output, with a second end for the other output or without, and the pipeline's state."""
    name = f"{type(runner).__name__}-{output}-{ends}"
    pipeline = beam.Pipeline(runner=runner, options=PipelineOptions([]))
    outputs = pipeline | beam.Create(range(6)) | beam.FlatMap(by_parity).with_outputs("odd", main="even")
    outputs[output] | "put" >> beam.Map(put, str(Path(name).absolute()))
    if ends == 2:
        outputs["even"] | "another end" >> beam.Map(put, str(Path(f"{name}-another").absolute()))
    state = pipeline.run().wait_until_finish()
    path = Path(name)
    return sorted(path.read_text().split()) if path.exists() else [], state


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print("apache-beam", version("apache-beam"), "dask", version("dask"))
    for output in ("odd", "even"):
        direct, _ = put_by(DirectRunner(), output)
        # Without an address it makes a cluster of this machine.
        there, _ = put_by(DaskRunner(), output)
        print(f"{output}: DirectRunner {direct}, DaskRunner {there}")
        assert direct == [str(n) for n in range(6) if n % 2 == (output == "odd")]
        assert there == [str(n) for n in range(6)], "the outputs are apart now"
    there, state = put_by(DaskRunner(), "odd", ends=2)
    print(f"two ends: the first put {there or 'nothing'}, and the pipeline is {state}")
    assert not there and state == "DONE", "both ends are run now"
    print("As described: outputs are mixed, and one end is run")
PY
# Dask logs each worker that comes and goes.
"$work/venv/bin/python" seen.py 2>log || { cat log >&2; exit 1; }
