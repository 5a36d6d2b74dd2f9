"""Which topics and words are alike, and where they lie on a map."""

import itertools

import numpy as np
import pytest

from etm_jax.metrics.neighbours import nearest
from etm_jax.metrics.topic_tree import overlap, ward_links
from etm_jax.report.page.relations import flattened, tree_of


def test_overlap_of_the_same_topic_is_one_and_of_topics_without_a_common_word_zero():
    beta = np.array([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.25, 0.75], [0.08, 0.42, 0.32, 0.18]])
    shared = overlap(beta)
    assert shared[0, 1] == pytest.approx(1)
    assert shared[0, 2] == 0
    # √(.5·.08) + √(.5·.42)
    assert shared[0, 3] == pytest.approx(0.2 + np.sqrt(0.21))
    np.testing.assert_allclose(shared, shared.T)
    np.testing.assert_allclose(np.diag(shared), 1)


def test_topics_in_another_order_overlap_alike():
    rng = np.random.default_rng(0)
    beta, order = rng.dirichlet(np.full(30, 0.1), 6), rng.permutation(6)
    np.testing.assert_allclose(overlap(beta[order]), overlap(beta)[np.ix_(order, order)])


def test_alike_topics_stand_together_in_the_tree_and_are_a_family():
    rng = np.random.default_rng(1)
    kinds = rng.dirichlet(np.full(40, 0.05), 10)
    of_kind = rng.permutation(np.repeat(np.arange(10), 3))
    tree = tree_of(ward_links(overlap(0.9 * kinds[of_kind] + 0.1 * rng.dirichlet(np.ones(40), 30))))
    assert sorted(tree.order) == list(range(30))
    stands = [of_kind[k] for k in tree.order]
    assert sum(a != b for a, b in itertools.pairwise(stands)) == 9
    for kind in range(10):
        assert len({tree.family[k] for k in np.flatnonzero(of_kind == kind)}) == 1
    assert set(tree.family) == set(range(8))
    assert len(tree.joints) == 29
    assert max(max(xs) for xs, _ in tree.joints) <= 29
    assert min(min(xs) for xs, _ in tree.joints) >= 0


def test_joints_are_drawn_where_their_topics_are():
    """As scipy draws them, joint by joint."""
    from scipy.cluster.hierarchy import dendrogram

    links = ward_links(overlap(np.random.default_rng(5).dirichlet(np.full(30, 0.2), 12)))
    drawn = dendrogram(links, no_plot=True)
    wanted = sorted(([(x - 5) / 10 for x in xs], ys) for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True))
    tree = tree_of(links)
    assert tree.order == drawn["leaves"]
    np.testing.assert_allclose(np.array(sorted(tree.joints)), np.array(wanted))
    assert [heights[1] for _, heights in tree.joints] == links[:, 2].tolist()


def test_a_single_topic_has_no_joints():
    assert tree_of(np.zeros((0, 4))) == ([0], [0], [])


@pytest.mark.parametrize("points", [5, 1500])
def test_the_nearest_are_those_of_the_largest_cosines(points):
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(points, 7)), rng.normal(size=(40, 7))
    found, cosine = nearest(left, right, 4)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (left, right)]
    every = unit[0] @ unit[1].T
    np.testing.assert_array_equal(found, np.argsort(-every, axis=1)[:, :4])
    np.testing.assert_allclose(cosine, -np.sort(-every, axis=1)[:, :4])


def test_nothing_is_its_own_neighbour_unless_there_is_no_other():
    points = np.random.default_rng(3).normal(size=(1100, 3))
    found, _ = nearest(points, points, 5, skip_self=True)
    assert not (found == np.arange(1100)[:, None]).any()
    assert nearest(points[:3], points[:3], 5, skip_self=True)[0].shape == (3, 2)


def test_a_map_is_the_same_again_and_keeps_what_is_alike_together():
    rng = np.random.default_rng(4)
    centres = np.eye(4, 10) * 6
    of_group = np.repeat(np.arange(4), 20)
    points = centres[of_group] + rng.normal(size=(80, 10))
    flat = flattened(points)
    assert flat.min() >= 0
    assert flat.max() == 1
    np.testing.assert_array_equal(flat, flattened(points))
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (of_group[apart.argmin(axis=1)] == of_group).mean() > 0.95
    assert flattened(points[:3]).shape == (3, 2)
