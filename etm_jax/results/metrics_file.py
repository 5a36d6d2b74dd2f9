"""Writing the metrics of a run to a table and a file: what `etm_jax.evaluate` does."""

import json
from pathlib import Path

from etm_jax.corpus.sources import files_trained_on
from etm_jax.results.evaluation import evaluate
from etm_jax.results.saved_run import read_measurable
from etm_jax.util.console import note, show
from etm_jax.util.files import check_writable
from etm_jax.util.overlap import check_not_read, given
from etm_jax.util.own_files import replace_own_file


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
    text = json.dumps(evaluation.to_json(), ensure_ascii=False, indent=2) + "\n"
    replace_own_file(path, text.encode(), of_before=_is_evaluation)
    show(evaluation.to_table())
    note("")
    note(f"{path} holds these figures, and those of each topic")


def _is_evaluation(content: bytes) -> bool:
    """Whether a file holds the figures that `write_metrics` wrote, of any version."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.keys() >= {"num_topics", "of_top_words"}
