"""The folder `hierarchy` of a run: the tree of its topics as tables and JSON, and the proportions of its branches."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.metrics.topics import topic_shares
from etm_jax.models.topic_edit import topic_columns
from etm_jax.report.page.branches import hierarchy_of
from etm_jax.results.doc_table import document_rows, prior_of
from etm_jax.results.hierarchy import Hierarchy, HierarchyNode
from etm_jax.results.run import Run
from etm_jax.util.tables import TableWriter

NODES_HEADER = (
    "node", "parent", "height", "branches_least", "branches_most", "topics", "share", "name", "words",
)  # fmt: skip


def write_hierarchy(run: Run, shown: dict[str, Any], folder: Path) -> None:
    """Write hierarchy.csv, levels.csv, doc_branches.csv and hierarchy.json.

    Parameters
    ----------
    run : Run
    shown : dict
        The data of its page, of `etm_jax.report.page.contents`, for the topics' names and the cut.
    folder : Path
        Empty.

    Notes
    -----
    hierarchy.csv has a row a node, `HierarchyNode`. levels.csv has a row for each number of branches, with the node
    that each topic is in. doc_branches.csv is doc_topics.csv with the branches at the cut in place of the topics.
    """
    names = [topic["name"] for topic in shown["topics"]]
    share = topic_shares(run.model.theta_train, run.corpus.train.counts)
    found, cut = hierarchy_of(run, share, dict(enumerate(names))), shown["similarity"]["cut"]
    _write_nodes(found, folder / "hierarchy.csv")
    with _open(folder / "levels.csv") as file:
        table = TableWriter(file, ["branches", *topic_columns(names)])
        for number, nodes in enumerate(found.levels(), start=1):
            table.write([number, *nodes.tolist()])
    _write_documents(run, found, cut, folder / "doc_branches.csv")
    about = {
        "alike_by": "embeddings" if run.model.alpha is not None else "words",
        "topics": found.num_topics,
        "cut": cut,
        "nodes": [node._asdict() for node in found.nodes],
    }
    (folder / "hierarchy.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8", "replace")


def _write_nodes(found: Hierarchy, path: Path) -> None:
    with _open(path) as file:
        table = TableWriter(file, NODES_HEADER)
        for node in found.nodes:
            table.write(_cells(node))


def _cells(node: HierarchyNode) -> list[object]:
    return [
        node.node,
        "" if node.parent is None else node.parent,
        round(node.height, 6),
        node.branches_least,
        node.branches_most,
        " ".join(map(str, node.topics)),
        f"{node.share:.6f}",
        node.name,
        " ".join(node.words),
    ]


def _write_documents(run: Run, found: Hierarchy, cut: int, path: Path) -> None:
    nodes, model = found.at(cut), run.model
    summed = model._replace(
        # Of β its number of rows is read alone.
        beta=np.zeros((len(nodes), 0)),
        theta_train=found.theta(model.theta_train, cut),
        theta_valid=found.theta(model.theta_valid, cut),
        theta_test=found.theta(model.theta_test, cut),
        prior=found.theta(prior_of(model)[None], cut)[0],
    )
    branches = [f"branch_{node.node} {node.name}" for node in nodes]
    before = ["document", "split", "tokens", "unknown", "branches", "first_words"]
    with _open(path) as file:
        table = TableWriter(file, [*before, *branches, *run.corpus.metadata.names])
        for row in document_rows(summed, run.corpus, [node.node for node in nodes]):
            table.write(row.cells, row.theta, row.meta)


def _open(path: Path) -> Any:
    # With a byte order mark spreadsheets read UTF-8. A document's name may contain a lone surrogate.
    return path.open("w", encoding="utf-8-sig", errors="replace", newline="")
