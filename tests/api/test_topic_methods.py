"""Topics in Python: edited, named, found, explained, and how many of them."""

import numpy as np
import pytest

from conftest import THEMES, themed_lines
from etm_jax.estimator import ETM

LINES = themed_lines()
SEA = THEMES["海"].split()


def small(**changes) -> ETM:
    given = {"num_topics": 3, "segmenter": "whitespace", "no_below": 1, "no_above": 0.6, "num_epochs": 20, "verbose": 0}
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32}
    return ETM(**given | {"settings": settings} | changes)


@pytest.fixture(scope="module")
def fitted() -> ETM:
    return small().fit(LINES)


def test_a_merged_model_is_a_model(fitted, tmp_path):
    theta, info = fitted.transform(LINES), {row.topic: row for row in fitted.topic_info()}
    merged = fitted.merge_topics([0, 2])
    np.testing.assert_allclose(merged.transform(LINES)[:, 0], theta[:, 0] + theta[:, 2], atol=1e-6)
    np.testing.assert_allclose(merged.components_.sum(axis=1), 1, rtol=1e-5)
    share = {row.topic: row.share for row in merged.topic_info()}
    assert share[0] == pytest.approx(info[0].share + info[2].share, abs=1e-6)
    assert len(merged.representative_docs(1)) == 2
    assert merged.perplexity(LINES) > 0
    assert list(merged.get_feature_names_out()) == ["etm0", "etm1"]
    merged.edit_topics(names={0: "sea"}).save(tmp_path / "model")
    loaded = ETM.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(LINES), merged.transform(LINES))
    assert loaded.topic_names_ == ["sea", ""]
    again = loaded.drop_topics([1])
    np.testing.assert_allclose(again.transform(LINES), 1)
    assert np.isnan(again.topic_info()[0].npmi)
    with pytest.raises(ValueError, match="were edited, which its weights do not hold"):
        merged.partial_fit(LINES)
    # The model itself is as it was, and can be fitted anew.
    np.testing.assert_array_equal(fitted.transform(LINES), theta)
    assert fitted.topic_names_ == ["", "", ""]


def test_reduction_is_along_the_tree(fitted):
    assert len(fitted.reduce_topics(2).components_) == 2
    assert len(fitted.reduce_topics(3).components_) == 3
    with pytest.raises(ValueError, match="to=4 is out of range; give 1 to 3"):
        fitted.reduce_topics(4)
    with pytest.raises(ValueError, match="merge has topic 7; topics are 0 to 2"):
        fitted.merge_topics([[0, 7]])


def test_the_tree_is_cut_at_any_level(fitted):
    nodes = fitted.hierarchy()
    assert [node.topics for node in nodes[:3]] == [(0,), (1,), (2,)]
    assert nodes[4].topics == (0, 1, 2)
    assert nodes[4].share == pytest.approx(1)
    for number in (1, 2, 3):
        branches = fitted.hierarchy(cut=number)
        assert len(branches) == number
        proportions = [fitted.theta_[:, list(branch.topics)].sum(axis=1) for branch in branches]
        np.testing.assert_allclose(sum(proportions), 1, rtol=1e-5)
        # Those that `reduce_topics` makes topics of.
        reduced = fitted.reduce_topics(number).theta_
        np.testing.assert_allclose(np.sort(np.stack(proportions, axis=1)), np.sort(reduced), atol=1e-6)
    with pytest.raises(ValueError, match="cut=4 is out of range; give 1 to 3"):
        fitted.hierarchy(cut=4)
    with pytest.raises(ValueError, match=r"cut=2\.5 is not a whole number"):
        fitted.hierarchy(cut=2.5)


def test_an_edited_model_has_the_tree_of_its_topics(fitted):
    edited = fitted.edit_topics(drop=[1], names={0: "first"})
    nodes = edited.hierarchy()
    assert [node.topics for node in nodes] == [(0,), (1,), (0, 1)]
    assert nodes[0].name == "first"


def test_names_are_made_or_given_by_a_function(fitted):
    auto = fitted.name_topics().topic_names_
    assert len(set(auto)) == 3
    seen = fitted.name_topics(lambda topic: f"{topic.words[0]} / {topic.documents[0]}").topic_names_
    assert seen[1] == f"{fitted.topics(1)[1][0]} / {fitted.representative_docs(1)[1][0]}"
    with pytest.raises(ValueError, match="namer='llm' must be a function"):
        fitted.name_topics("llm")


def test_a_query_and_a_document_have_the_topic_of_their_theme(fitted):
    [best] = fitted.find_topics(" ".join(SEA[:3]), n=1)
    assert set(best.words) == set(SEA)
    found = fitted.explain(f"{' '.join(SEA[:3])} 火箭", posterior=True)
    assert found.largest(1) == [best.topic]
    assert {word for word, _ in found.words_for(best.topic)} == set(SEA[:3])
    assert (found.unknown, found.deviation.shape) == (1, (3,))
    np.testing.assert_allclose(found.theta, fitted.transform([f"{' '.join(SEA[:3])} 火箭"])[0])
    assert fitted.explain(SEA[0]).deviation is None
    with pytest.raises(ValueError, match="query='火箭' has none of the model's"):
        fitted.find_topics("火箭")
    with pytest.raises(ValueError, match="text is a list; give one string"):
        fitted.explain(["火箭"])


def test_models_of_several_numbers_are_compared_on_one_preparation(monkeypatch):
    prepared = []
    model = small(num_epochs=1)
    once = model._prepared
    monkeypatch.setattr(model, "_prepared", lambda *given: prepared.append(1) or once(*given), raising=False)
    found = model.search_k(LINES, [2, 3], num_seeds=2)
    assert prepared == [1]
    assert [c.n_topic for c in found.candidates] == [2, 3]
    assert all(np.isfinite([c.coherence, c.perplexity, c.stability, c.exclusivity]).all() for c in found.candidates)
    assert "is suggested" in repr(found)
    assert found.best is found.models[found.suggested]
    assert found.models[2].transform(LINES[:4]).shape == (4, 2)
    assert found.models[3].get_params()["num_topics"] == 3
    with pytest.raises(ValueError, match="must be different numbers"):
        model.search_k(LINES, [2, 2])
    # A model of the search is the one that `fit` gives.
    alone = small(num_epochs=1, num_topics=2, seed=found.models[2].seed).fit(LINES)
    np.testing.assert_array_equal(found.models[2].components_, alone.components_)


def test_a_named_and_a_merged_model_report_their_own_topics(fitted, tmp_path):
    named = fitted.name_topics(lambda topic: f"about {topic.words[0]}")
    assert named.evaluate().values["diversity"] == fitted.evaluate().values["diversity"]
    merged = named.merge_topics([0, 2])
    assert merged.evaluate().num_topics == 2
    for model in (named, merged):
        page = model.report(tmp_path / "page.html").read_text("utf-8")
        assert all(name in page for name in model.topic_names_)
