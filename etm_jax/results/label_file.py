"""Labels of documents, joined to them by name."""

from collections.abc import Collection

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.evaluator import Labels
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_pairs


def read_labels(corpus: Corpus, path: str, id_field: str = "") -> Labels:
    """The labels of the training and the test documents, from a table with the columns `document` and `label`.

    id_field: the column that named the documents of the run, which may stand in place of `document`.

    How many labels name a document is said. Raises UserError where none does, where they number the rows from 0 and the
    documents are numbered from 1, and where those that do are too few to measure anything.
    """
    label_of = read_pairs(path, "labels", (id_field, "document") if id_field else "document", "label")
    names = {name for part in (corpus.train, corpus.valid, corpus.test) for name in part.ids}
    named = len(names & label_of.keys())
    example = next(iter(corpus.train.ids), "")
    if label_of and not named:
        raise UserError(
            f"--labels={path}: none of its {len(label_of):,} labels names a document of the run; that file has names "
            f"such as {next(iter(label_of))!r}, and the run such as {example!r}, as in export/doc_topics.csv"
        )
    if _count_from_0(label_of.keys()) and _count_from_1(names, len(label_of)):
        raise UserError(
            f"--labels={path} numbers documents from 0, and those of the run are numbered from 1, so that each label "
            "would go to the document before its own; add 1 to its column document"
        )
    note(f"{len(label_of):,} labels, {named:,} of them name a document")
    train, test = ([i for i, doc in enumerate(part.ids) if doc in label_of] for part in (corpus.train, corpus.test))
    of_train, of_test = (
        [label_of[part.ids[i]] for i in rows] for part, rows in ((corpus.train, train), (corpus.test, test))
    )
    if len(set(of_train)) < 2 or not of_test:
        raise UserError(
            f"--labels={path} has too few labels: two different ones among the training documents, and one of a test "
            f"document, are needed, and it labels {len(train)} of the training and {len(test)} of the test documents, "
            f"with {len(set(of_train))} different labels; documents are named as in export/doc_topics.csv, such as "
            f"{example!r}"
        )
    return Labels(train, of_train, test, of_test)


def _count_from_0(names: Collection[str]) -> bool:
    """Whether they are the numbers of rows as pandas writes its index: 0 to n − 1."""
    return names == {str(number) for number in range(len(names))}


def _count_from_1(names: Collection[str], last: int) -> bool:
    """Whether they are numbers up to `last` without 0. Some may lack, as filtering empties documents."""
    return str(last) in names and "0" not in names and all(name.isdecimal() for name in names)
