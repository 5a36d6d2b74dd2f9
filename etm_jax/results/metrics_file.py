"""Writing the metrics of a run to a table and a file: what `etm_jax.evaluate` does."""

import json
from pathlib import Path

from etm_jax.results.evaluation import evaluate
from etm_jax.results.run import read_run
from etm_jax.util.console import note, show
from etm_jax.util.files import check_writable, replace_text


def write_metrics(workdir: str, labels: str = "") -> None:
    """Compute the metrics of the run in `workdir`, print the table, and write metrics.json there.

    labels: a file of the documents' labels, or empty. Raises UserError where something cannot be read or written.
    """
    folder = Path(workdir).expanduser()
    evaluation = evaluate(read_run(folder), labels)
    check_writable(folder, "workdir")
    path = folder / "metrics.json"
    replace_text(path, json.dumps(evaluation.to_json(), ensure_ascii=False, indent=2) + "\n")
    show(evaluation.to_table())
    note("")
    note(f"{path} holds these figures, and those of each topic")
