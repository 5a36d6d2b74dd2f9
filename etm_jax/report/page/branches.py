"""The tree of a run's topics with its nodes' names and shares, for the page and the folder `hierarchy`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from etm_jax.report.page.relations import MOST_FAMILIES
from etm_jax.results.hierarchy import Hierarchy, hierarchy
from etm_jax.results.run import Run

WORDS = 8
"""Words of a joint on the page."""


def hierarchy_of(run: Run, share: np.ndarray, names: Mapping[int, str]) -> Hierarchy:
    """The tree of the topics of a run. share: [K]; names: by topic, of those that have one."""
    model = run.model
    called = [names.get(k, "") for k in range(len(model.beta))]
    return hierarchy(model.beta, share, run.corpus.vocabulary, model.alpha, called)


def branches_of(joined: Hierarchy, cut: int) -> dict[str, Any]:
    """What the page holds of the tree: of each joint its two nodes, name, share and words; cut, the first one.

    cut: branches, or 0 for at most as many as there are colours. Raises UserError where there are not so many.
    """
    cut = cut or min(MOST_FAMILIES, joined.num_topics)
    joined.at(cut, "--hierarchy_cut")
    inner = joined.nodes[joined.num_topics :]
    return {
        "cut": cut,
        "links": joined.links[:, :2].astype(int).tolist(),
        "nodes": [[node.name, round(node.share, 6), " ".join(node.words[:WORDS])] for node in inner],
    }
