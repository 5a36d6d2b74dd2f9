"""Writing the metrics of a run to a table and a file: what `etm_jax.evaluate` does."""

import json
from pathlib import Path

from etm_jax.corpus.sources import files_trained_on
from etm_jax.results.evaluation import evaluate
from etm_jax.results.saved_run import read_measurable
from etm_jax.util.console import note, show
from etm_jax.util.files import check_writable, replace_text
from etm_jax.util.overlap import check_not_read, given


def write_metrics(workdir: str, labels: str = "") -> None:
    """Compute the metrics of the run in `workdir`, print the table, and write metrics.json there.

    labels: a file of the documents' labels, or empty. Raises UserError where something cannot be read or written.
    """
    folder = Path(workdir).expanduser()
    run = read_measurable(folder)
    path = run.folder.evaluation
    check_not_read([("--workdir", path)], [*given("labels", labels), *files_trained_on(run.record.config)])
    evaluation = evaluate(run, labels)
    check_writable(folder, "workdir")
    replace_text(path, json.dumps(evaluation.to_json(), ensure_ascii=False, indent=2) + "\n")
    show(evaluation.to_table())
    note("")
    note(f"{path} holds these figures, and those of each topic")
