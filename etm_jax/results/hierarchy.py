"""A tree of finished topics: each of its nodes with its topics, its share and its words, to be cut at any level.

It is made of topics as they are, after training: no topic changes. Shapes: D documents, V words, K topics.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.types import Vocabulary
from etm_jax.corpus.words.phrases import parts_of
from etm_jax.metrics.relevance import WEIGHT, relevant_words
from etm_jax.metrics.topic_tree import alike, branches, cuts, ward_links
from etm_jax.results.topic_names import CONSIDERED, WORDS_IN_NAME, without_parts
from etm_jax.util.errors import UserError

NODES_AT_ONCE = 64
"""Nodes whose words are found at once, which take so many rows of V numbers."""


class HierarchyNode(NamedTuple):
    """A node of the tree of topics.

    Attributes
    ----------
    node : int
        k below K for topic k; K + i for what the i-th joint made.
    parent : int or None
        The node that it is joined into; None for the last.
    height : float
        Where it was joined, on the scale of the tree; 0 for a topic.
    branches_least, branches_most : int
        It is a branch wherever the tree is cut into so many branches.
    topics : tuple of int
        Those below it, ascending.
    share : float
        Of the words of the training documents: the sum of its topics' shares.
    name : str
        What its topic is called, or its three most relevant words, phrases first. A node may have the name of one that
        is above it, most of whose text is the same.
    words : tuple of str
        Ten words, by relevance (λ = 0.6).
    """

    node: int
    parent: int | None
    height: float
    branches_least: int
    branches_most: int
    topics: tuple[int, ...]
    share: float
    name: str
    words: tuple[str, ...]


class Hierarchy(NamedTuple):
    """The tree. links: [K − 1, 4], as `scipy.cluster.hierarchy.linkage` has them; nodes: 2K − 1, topics first."""

    links: np.ndarray
    nodes: list[HierarchyNode]

    @property
    def num_topics(self) -> int:
        """K."""
        return len(self.links) + 1

    def at(self, number: int, name: str = "cut") -> list[HierarchyNode]:
        """The nodes that are the branches where the tree is cut into so many; those joined last come last.

        Raises UserError, which calls the number `name`, where there cannot be so many.
        """
        if not 1 <= number <= self.num_topics:
            raise UserError(f"{name}={number} is out of range; give 1 to {self.num_topics}")
        return [self.nodes[i] for i in np.unique(branches(self.links, number))]

    def levels(self) -> Iterator[np.ndarray]:
        """For each number of branches, from 1 to K, the node that each topic is in: [K]."""
        return cuts(self.links)

    def theta(self, theta: np.ndarray, number: int) -> np.ndarray:
        """Proportions of the branches of `at`, each the sum of its topics': [D, K] → [D, number], of the same dtype."""
        found = self.at(number)
        members = np.zeros((self.num_topics, len(found)))
        for j, node in enumerate(found):
            members[list(node.topics), j] = 1.0
        return (theta.astype(np.float64) @ members).astype(theta.dtype)


def hierarchy(
    beta: np.ndarray,
    share: np.ndarray,
    vocabulary: Vocabulary,
    alpha: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Hierarchy:
    """Join topics into a tree, the most alike first (`etm_jax.metrics.topic_tree.alike`), by Ward's clustering.

    A node's words are those of its β, the mean of its topics' by their shares: the words of the text that they explain
    together, as of topics that `etm_jax.edit` merges.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    share : ndarray of shape (K,)
        Shares of the training documents' words. Topics without any weigh the same among themselves.
    vocabulary : Vocabulary
        The words, their occurrences, and which of them are phrases.
    alpha : ndarray of shape (K, L), optional
        Topic embeddings.
    names : sequence of K str
        What topics are called; "" or nothing for those without a name.

    Returns
    -------
    Hierarchy
    """
    links, num_topics = ward_links(alike(beta, alpha)), len(beta)
    topics: list[tuple[int, ...]] = [(k,) for k in range(num_topics)]
    parent: dict[int, int] = {}
    for i, (left, right) in enumerate(links[:, :2].astype(int).tolist()):
        parent |= {left: num_topics + i, right: num_topics + i}
        topics.append(tuple(sorted(topics[left] + topics[right])))
    ranked = list(_words(beta, share, topics, vocabulary))
    phrases = parts_of(vocabulary.phrases)
    called = [" ".join(without_parts(row, phrases)[:WORDS_IN_NAME]) for row in ranked]
    called = [own or name for own, name in zip([*names, *[""] * (len(topics) - len(names))], called, strict=True)]
    nodes = []
    for i, members in enumerate(topics):
        made = i - num_topics + 1  # Joints that there are when the node is.
        nodes.append(
            HierarchyNode(
                node=i,
                parent=parent.get(i),
                height=float(links[i - num_topics, 2]) if i >= num_topics else 0.0,
                branches_least=2 * num_topics - parent[i] if i in parent else 1,
                branches_most=num_topics - max(0, made),
                topics=members,
                share=float(share[list(members)].sum()),
                name=called[i],
                words=tuple(ranked[i]),
            )
        )
    return Hierarchy(links, nodes)


def _words(
    beta: np.ndarray, share: np.ndarray, topics: Sequence[Sequence[int]], vocabulary: Vocabulary
) -> Iterator[list[str]]:
    """The most relevant words of each node."""
    for low in range(0, len(topics), NODES_AT_ONCE):
        some = topics[low : low + NODES_AT_ONCE]
        weight = np.zeros((len(some), len(beta)))
        for row, members in zip(weight, map(list, some), strict=True):
            total = float(share[members].sum())
            row[members] = share[members] / total if total > 0 else 1 / len(members)
        for columns in relevant_words(weight @ beta.astype(np.float64), vocabulary.term_freq, CONSIDERED, WEIGHT):
            yield [vocabulary.words[j] for j in columns]
