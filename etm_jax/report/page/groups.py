"""Shares of topics in groups of documents, for the page."""

from typing import Any

import numpy as np

from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Documents
from etm_jax.metrics.group_shares import grouped, shares_of

MOST_GROUPS = 40
"""Groups of a field on the page; of more, those with most documents."""


def groups_of(theta: np.ndarray, documents: Documents, metadata: Metadata) -> list[dict[str, Any]]:
    """Shares of the words by topic, for every field that is a category of at least two values.

    theta: [D, K], of the documents. Each field has levels: [G] values; documents: [G] numbers of them; shares: [K][G],
    in [0, 1]; of: how many values there are. Documents without a value are in no group.
    """
    found = []
    for column in metadata.columns:
        if column.kind != "category":
            continue
        levels, group = grouped(documents.meta[column.name])
        number = np.bincount(group[group >= 0], minlength=len(levels))
        shown = np.sort(np.argsort(-number, kind="stable")[:MOST_GROUPS])
        if len(levels) < 2:
            continue
        rows = np.flatnonzero(group >= 0)
        tokens = np.asarray(documents.counts[rows].sum(axis=1), np.float64).ravel()
        shares = np.nan_to_num(shares_of(theta[rows], group[rows], len(levels), tokens).mean[shown])
        found.append(
            {
                "field": column.name,
                "levels": [levels[g] for g in shown],
                "documents": number[shown].tolist(),
                "shares": shares.T.round(4).tolist(),
                "of": len(levels),
            }
        )
    return found
