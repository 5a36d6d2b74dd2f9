"""Vectors of whole documents in Python: ETM(context=…)."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer

from conftest import small_etm, themed_lines
from etm_jax import ETM

D, C = 60, 4
LINES = themed_lines(D)
VECTORS = (np.eye(C)[np.arange(D) % 3] + 0.1 * np.random.default_rng(0).normal(size=(D, C))).astype(np.float32)
ALONE = {"hidden": (16,), "embed_dim": 8, "batch_size": 32, "encoder": "context"}


@pytest.fixture(scope="module")
def by_vectors() -> ETM:
    return small_etm(context=VECTORS, num_epochs=40, settings=ALONE).fit(LINES)


def test_an_array_of_the_parameter_or_of_fit_is_the_same(by_vectors: ETM) -> None:
    other = small_etm(num_epochs=40, settings=ALONE).fit(LINES, context=VECTORS)
    assert other.theta_.tobytes() == by_vectors.theta_.tobytes()


def test_documents_of_no_known_word_have_the_topics_of_their_vectors(by_vectors: ETM) -> None:
    theta = by_vectors.transform(["sea", "hill", "town"], context=np.eye(C)[:3])
    assert sorted(theta.argmax(axis=1)) == [0, 1, 2]
    np.testing.assert_array_equal(theta.argmax(axis=1), by_vectors.theta_[:3].argmax(axis=1))


def test_the_documents_of_fit_have_what_transform_gives_them(by_vectors: ETM) -> None:
    np.testing.assert_allclose(by_vectors.transform(LINES, context=VECTORS), by_vectors.theta_, atol=1e-6)


def test_vectors_go_with_counts_too() -> None:
    counts = CountVectorizer(token_pattern=r"\S+").fit_transform(LINES)
    model = small_etm(context=VECTORS).fit(counts)
    assert model.transform(counts[:5], context=VECTORS[:5]).shape == (5, 3)
    with pytest.raises(ValueError, match="reads texts, but counts were given"):
        small_etm(context="use").fit(counts)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "context is missing: the model reads a vector of each document; give them as an array"),
        (VECTORS[:2], "context has 2 rows for 3 documents"),
        (VECTORS[:3, :2], r"context has the shape \[3, 2\], and the model reads \[3, 4\]"),
        (np.full((3, C), np.nan), r"context: row 0 of 3 \(from 0\) holds nan"),
        ([["a"] * C] * 3, "context holds an array"),
        ([[1, 2], [3]], "context is no array"),
    ],
)
def test_vectors_that_cannot_be_used_are_one_line_in_python(by_vectors: ETM, given, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        by_vectors.transform(LINES[:3], context=given)


def test_a_model_without_vectors_takes_none(fitted_etm: ETM) -> None:
    with pytest.raises(ValueError, match="context: the model was fitted without; leave it out"):
        fitted_etm.transform(LINES[:3], context=VECTORS[:3])


def test_a_model_with_vectors_is_saved_and_cloned(by_vectors: ETM, tmp_path) -> None:
    by_vectors.save(tmp_path / "model")
    again = ETM.load(tmp_path / "model")
    found = again.transform(LINES[:9], context=VECTORS[:9])
    np.testing.assert_array_equal(found, by_vectors.transform(LINES[:9], context=VECTORS[:9]))
    assert clone(by_vectors).context is not None
    with pytest.raises(ValueError, match="stands for vectors of other documents"):
        again.fit(LINES)
    assert again.fit(LINES, context=VECTORS).theta_.tobytes() == by_vectors.theta_.tobytes()
    with pytest.raises(ValueError, match="documents=True writes no vectors"):
        by_vectors.save(tmp_path / "more", documents=True)


def test_a_model_that_got_its_vectors_with_fit_is_saved_too(tmp_path) -> None:
    model = small_etm(settings=ALONE).fit(LINES, context=VECTORS)
    model.save(tmp_path / "model")
    found = ETM.load(tmp_path / "model").transform(LINES[:9], context=VECTORS[:9])
    np.testing.assert_array_equal(found, model.transform(LINES[:9], context=VECTORS[:9]))


def test_a_call_that_is_refused_leaves_the_model_as_it_was(by_vectors: ETM) -> None:
    model = small_etm(settings=ALONE).fit(LINES, context=VECTORS)
    with pytest.raises(ValueError, match="context is missing"):
        model.partial_fit(LINES[:20])
    assert model.partial_fit(LINES[:20], context=VECTORS[:20]).theta_.shape == (20, 3)


def test_context_has_one_place() -> None:
    with pytest.raises(ValueError, match="a parameter of its own; give it as context="):
        small_etm(settings={"context": "use"}).fit(LINES)
    with pytest.raises(ValueError, match="context is given twice"):
        small_etm(context="ppmi").fit(LINES, context=VECTORS)


def test_a_text_to_explain_has_no_vector(by_vectors: ETM) -> None:
    with pytest.raises(ValueError, match="which has no vector of a text that is given here"):
        by_vectors.explain(LINES[0])


def test_training_goes_on_with_other_vectors(by_vectors: ETM) -> None:
    model = small_etm(context=VECTORS).fit(LINES)
    before = model.components_.copy()
    model.partial_fit(LINES[:20], context=VECTORS[:20])
    assert np.abs(model.components_ - before).max() > 0
    assert model.theta_.shape == (20, 3)


def test_perplexity_is_by_no_vector_that_knows_the_words_to_predict(by_vectors: ETM) -> None:
    # Any vector but the mean would give the documents different topics.
    model = small_etm(context=VECTORS, num_epochs=40).fit(LINES)
    assert np.isfinite(model.perplexity(LINES))
    assert by_vectors.perplexity(LINES) > model.perplexity(LINES)


def test_the_mean_of_words_vectors_needs_nothing_new() -> None:
    model = small_etm(context="ppmi").fit(LINES)
    np.testing.assert_allclose(model.transform(LINES), model.theta_, atol=1e-6)
