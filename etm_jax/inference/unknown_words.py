"""Whether new documents have many more words that a model does not know than those that it was trained on."""

from pathlib import Path

from etm_jax.training.run_folder import RunFolder
from etm_jax.util.csv_rows import csv_rows
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED

MOSTLY = 0.7
"""Share of unknown words up to which nothing is said."""


def too_many_unknown(share: float, workdir: str) -> str:
    """What to warn of; empty where nothing is amiss.

    A vocabulary may leave out most words of its own corpus, as --no_above=0.005 does of a novel. Where the run tells
    how many, documents are other text if they know less than half as many.
    """
    if share <= MOSTLY:
        return ""
    own = unknown_in_training(Path(workdir).expanduser())
    if own is not None and 1 - share >= (1 - own) / 2:
        return ""
    beside = "" if own is None else f", and {own:.1%} of those that it was trained on"
    return (
        f"{share:.1%} of the words are unknown to the model{beside}: is the text of another subject or language, "
        "or cut by another segmenter?"
    )


def unknown_in_training(workdir: Path) -> float | None:
    """The share of the words of a run's own documents that are not in its vocabulary; None where it does not tell."""
    path = RunFolder(workdir).export / "doc_topics.csv"
    words = unknown = 0.0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv_rows((line.rstrip("\r\n") for line in file), str(path))
            _, columns = next(rows)
            of_words, of_share = columns.index("tokens"), columns.index("unknown")
            for _, cells in rows:
                words += float(cells[of_words])
                unknown += float(cells[of_words]) * float(cells[of_share])
    except (*DAMAGED, UserError, StopIteration):
        return None
    return unknown / words if words else None
