"""Merging, dropping and reordering topics, as mathematics."""

import json

import numpy as np
import pytest

from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.util.errors import UserError

RNG = np.random.default_rng(0)
THETA, BETA = RNG.dirichlet(np.ones(5), 7), RNG.dirichlet(np.ones(12), 5)
SHARE = np.array([0.4, 0.1, 0.2, 0.0, 0.3])


def test_merged_proportions_add_up_and_merged_topics_are_means_by_share():
    edit = TopicEdit.of(SHARE, merge=[(4, 1)])
    assert edit.groups == ((0,), (1, 4), (2,), (3,))
    np.testing.assert_allclose(edit.theta(THETA)[:, 1], THETA[:, 1] + THETA[:, 4])
    np.testing.assert_allclose(edit.means(BETA)[1], 0.25 * BETA[1] + 0.75 * BETA[4])
    np.testing.assert_allclose(edit.means(BETA).sum(axis=1), 1)


def test_merging_keeps_the_words_that_the_corpus_is_predicted_to_have():
    edit = TopicEdit.of(SHARE, merge=[(0, 2), (1, 3)])
    np.testing.assert_allclose(edit.theta(SHARE[None])[0] @ edit.means(BETA), SHARE @ BETA)


def test_after_a_drop_proportions_sum_to_one_in_their_old_ratios():
    found = TopicEdit.of(SHARE, drop=[0]).theta(THETA)
    np.testing.assert_allclose(found, THETA[:, 1:] / (1 - THETA[:, :1]))
    assert TopicEdit.of(SHARE, drop=[0]).theta(np.eye(5)[:1]).tolist() == [[0.25] * 4]


def test_order_names_come_by_present_numbers():
    edit = TopicEdit.of(SHARE, merge=[(1, 4)], drop=[2], order=[3, 4], names={4: "sea", 0: "town"})
    assert edit.groups == ((3,), (1, 4), (0,))
    assert edit.names == ("", "sea", "town")


def test_two_edits_are_one():
    first = TopicEdit.of(SHARE, merge=[(0, 3)], drop=[2], names={0: "a"})
    share = first.theta(SHARE[None])[0]
    second = TopicEdit.of(share, merge=[(0, 2)], order=[1])
    both = second.after(first)
    np.testing.assert_allclose(both.theta(THETA), second.theta(first.theta(THETA)))
    np.testing.assert_allclose(both.means(BETA), second.means(first.means(BETA)))
    assert both.names == ("", "a")
    assert second.after(None) is second


def test_the_jacobian_is_the_derivative():
    edit, theta, moved = TopicEdit.of(SHARE, merge=[(1, 4)], drop=[2]), THETA[0], RNG.normal(size=5) * 1e-6
    moved -= moved.mean()
    change = edit.theta((theta + moved)[None])[0] - edit.theta(theta[None])[0]
    np.testing.assert_allclose(edit.jacobian(theta) @ moved, change, rtol=1e-4, atol=1e-11)


def test_a_record_is_read_as_it_was_written_or_refused():
    edit = TopicEdit.of(SHARE, merge=[(1, 4)], names={1: "sea"})
    values = json.loads(json.dumps(edit.to_json()))
    assert TopicEdit.from_json(values) == edit
    for wrong in ([0, 9], [0, 0], ["0", 1]):
        values["topics"][1]["of"] = wrong
        with pytest.raises((ValueError, TypeError)):
            TopicEdit.from_json(values)


def test_a_dirichlet_prior_is_summed_and_what_inference_needs_is_kept():
    prior = np.arange(1.0, 6.0)
    edit = TopicEdit.of(SHARE, merge=[(1, 4)], drop=[0])
    model = edit.applied(TopicArrays(BETA, THETA, THETA, THETA, THETA, own={"theta_prior": prior}))
    assert model.own["theta_prior"].tolist() == [7, 3, 4]
    assert model.own["unedited_theta_prior"] is prior
    assert model.own["unedited_beta"] is BETA


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"merge": [(1, 5)]}, "merge has topic 5; topics are 0 to 4"),
        ({"merge": [(1, 2), (2, 3)]}, "merge has topic 2 twice"),
        ({"merge": [(1,)]}, "names one topic"),
        ({"merge": [(1, 2)], "drop": [2]}, "topic 2 is in --merge and in --drop"),
        ({"drop": range(5)}, "leaves no topic"),
        ({"order": [1], "drop": [1]}, "topic 1 is in --order and in --drop"),
        ({"merge": [(1, 2)], "order": [1, 2]}, "names a merged topic twice"),
        ({"names": {7: "x"}}, "names has topic 7"),
    ],
)
def test_what_cannot_be_is_said(request_, message):
    with pytest.raises(UserError, match=message):
        TopicEdit.of(SHARE, **request_, dashes="--")
