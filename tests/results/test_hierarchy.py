"""The tree of topics as data: a tree by hand, its cuts, proportions, names; topics that are one, alike, or unused."""

from itertools import pairwise

import numpy as np
import pytest

from etm_jax.corpus.types import Vocabulary
from etm_jax.metrics.topic_tree import alike, branches, cuts, most_alike, overlap, ward_links
from etm_jax.results.hierarchy import hierarchy
from etm_jax.util.errors import UserError

WORDS = ("ship", "sea", "sail", "bank", "loan", "the")
BETA = np.array(
    [
        [0.5, 0.3, 0.1, 0.0, 0.0, 0.1],
        [0.3, 0.4, 0.2, 0.0, 0.0, 0.1],
        [0.0, 0.0, 0.0, 0.6, 0.3, 0.1],
        [0.0, 0.0, 0.0, 0.3, 0.6, 0.1],
    ]
)
SHARE = np.array([0.4, 0.1, 0.2, 0.3])


def vocabulary(words=WORDS, counts=None) -> Vocabulary:
    counts = np.full(len(words), 100) if counts is None else counts
    return Vocabulary(list(words), np.full(len(words), 10), counts, 50, "given")


def tree(beta=BETA, share=SHARE, **more):
    return hierarchy(beta, share, vocabulary(WORDS[: beta.shape[1]]), **more)


def test_a_tree_by_hand():
    """Two topics of ships, two of money: 0 and 1 are nearer than 2 and 3, and those two pairs come last."""
    found = tree()
    assert [node.topics for node in found.nodes] == [(0,), (1,), (2,), (3,), (0, 1), (2, 3), (0, 1, 2, 3)]
    assert [node.parent for node in found.nodes] == [4, 4, 5, 5, 6, 6, None]
    # √(2 − 2 Σ √(β β′)) of the two pairs.
    ships = 2 - 2 * (np.sqrt(0.15) + np.sqrt(0.12) + np.sqrt(0.02) + 0.1)
    money = 2 - 2 * (2 * np.sqrt(0.18) + 0.1)
    np.testing.assert_allclose([node.height for node in found.nodes[4:6]], np.sqrt([ships, money]))
    assert [node.height for node in found.nodes[:4]] == [0, 0, 0, 0]
    np.testing.assert_allclose([node.share for node in found.nodes], [0.4, 0.1, 0.2, 0.3, 0.5, 0.5, 1.0])
    # (0.4 · 0.5 + 0.1 · 0.3) / 0.5 of ship, 0.32 of sea; 0.42 of bank, 0.48 of loan.
    assert found.nodes[4].words[:3] == ("ship", "sea", "sail")
    assert found.nodes[5].words[:3] == ("loan", "bank", "the")
    assert [node.name for node in found.nodes[4:6]] == ["ship sea sail", "loan bank the"]


def test_a_word_of_everywhere_names_no_branch():
    often = np.array([100, 100, 100, 100, 100, 100_000])
    beta = np.array([[0.3, 0.2, 0.1, 0.0, 0.0, 0.4], [0.2, 0.3, 0.1, 0, 0, 0.4], [0, 0, 0, 0.4, 0.2, 0.4]])
    found = hierarchy(beta, np.array([0.4, 0.4, 0.2]), vocabulary(counts=often))
    assert found.nodes[3].topics == (0, 1)
    assert set(found.nodes[3].name.split()) == {"ship", "sea", "sail"}


def test_every_level_has_its_number_of_branches_and_theta_sums_to_one():
    rng = np.random.default_rng(0)
    beta, theta = rng.dirichlet(np.full(40, 0.2), 12), rng.dirichlet(np.ones(12), 30)
    # Topics that are the same are joined at one height, where a cut by height would not tell them apart.
    beta[3:6] = beta[0]
    found = hierarchy(beta, theta.mean(axis=0), vocabulary([f"w{j}" for j in range(40)]))
    for number, nodes in enumerate(found.levels(), start=1):
        at = found.at(number)
        assert sorted(set(nodes.tolist())) == [node.node for node in at]
        assert len(at) == number
        assert sorted(k for node in at for k in node.topics) == list(range(12))
        assert sum(node.share for node in at) == pytest.approx(1)
        assert {node.node for node in at} == {
            node.node for node in found.nodes if node.branches_least <= number <= node.branches_most
        }
        proportions = found.theta(theta, number)
        np.testing.assert_allclose(proportions.sum(axis=1), 1)
        for j, node in enumerate(at):
            np.testing.assert_allclose(proportions[:, j], theta[:, list(node.topics)].sum(axis=1))
            assert (nodes[list(node.topics)] == node.node).all()
    for node in found.nodes[:-1]:
        assert found.nodes[node.parent].height >= node.height
        assert set(node.topics) < set(found.nodes[node.parent].topics)


def test_cuts_are_nested_and_reducing_takes_the_same_branches():
    beta = np.random.default_rng(1).dirichlet(np.full(30, 0.1), 9)
    links = ward_links(overlap(beta))
    levels = list(cuts(links))
    assert len(levels) == 9
    for number, nodes in enumerate(levels, start=1):
        np.testing.assert_array_equal(nodes, branches(links, number))
        several = [np.flatnonzero(nodes == node).tolist() for node in np.unique(nodes)]
        assert most_alike(beta, number) == sorted(group for group in several if len(group) > 1)
    for fewer, more in pairwise(levels):
        assert all(len(set(fewer[more == node].tolist())) == 1 for node in set(more.tolist()))


def test_with_embeddings_topics_are_joined_by_their_directions():
    """α say 0 with 2 and 1 with 3, β the other pairs; what all α have in common says nothing."""
    alpha = np.array([[1.0, 0.1], [-1.0, 0.1], [1.0, -0.1], [-1.0, -0.1]])
    for common in (0.0, 1000.0):
        found = tree(alpha=alpha + common)
        assert {node.topics for node in found.at(2)} == {(0, 2), (1, 3)}
    np.testing.assert_allclose(alike(BETA, alpha)[0, 2], 0.99 / 1.01)
    np.testing.assert_array_equal(alike(BETA), overlap(BETA))
    assert most_alike(BETA, 2, alpha) == [[0, 2], [1, 3]]


def test_one_topic_is_a_tree():
    found = tree(BETA[:1], np.array([1.0]), names=["ships"])
    (node,) = found.nodes
    assert (node.parent, node.topics, node.share, node.name) == (None, (0,), 1.0, "ships")
    assert (node.branches_least, node.branches_most) == (1, 1)
    assert [level.tolist() for level in found.levels()] == [[0]]
    np.testing.assert_array_equal(found.theta(np.ones((3, 1)), 1), np.ones((3, 1)))
    np.testing.assert_array_equal(alike(BETA[:1], np.ones((1, 2))), [[1.0]])


def test_a_topic_without_a_share_weighs_nothing_and_two_weigh_the_same():
    found = tree(share=np.array([1.0, 0.0, 0.0, 0.0]))
    assert found.nodes[4].share == 1
    assert found.nodes[4].words == found.nodes[0].words
    # (0.6 + 0.3) / 2 of either: as they are, and no NaN.
    assert found.nodes[5].share == 0
    assert set(found.nodes[5].words[:2]) == {"bank", "loan"}


def test_names_that_topics_have_stay_with_them():
    found = tree(names=["ships", "", "", "loans"])
    assert [node.name for node in found.nodes[:4]] == ["ships", "sea ship sail", "bank loan the", "loans"]
    assert found.nodes[4].name == "ship sea sail"


@pytest.mark.parametrize("number", [0, 5])
def test_a_cut_that_cannot_be_is_named(number):
    with pytest.raises(UserError, match=f"--hierarchy_cut={number} is out of range; give 1 to 4"):
        tree().at(number, "--hierarchy_cut")
    with pytest.raises(ValueError, match="of 4 topics"):
        branches(tree().links, number)
