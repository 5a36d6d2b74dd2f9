import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.types import Vocabulary

COUNTS = sp.csr_matrix(np.array([[3, 1, 0, 0], [0, 1, 2, 0], [1, 1, 0, 5], [0, 0, 0, 0]], dtype=np.int32))
VOCABULARY = Vocabulary(list("abcd"), np.array([2, 3, 1, 1]), np.array([4, 3, 2, 5]), 3, "none")


@pytest.mark.parametrize("kind", ["counts", "normalized", "log1p", "tfidf"])
def test_every_kind_keeps_the_places_of_the_counts(kind):
    inputs = encoder_input(COUNTS, kind, VOCABULARY)
    assert inputs.dtype == np.float32
    assert inputs.indices.tolist() == COUNTS.indices.tolist()
    assert inputs.indptr.tolist() == COUNTS.indptr.tolist()
    assert np.isfinite(inputs.data).all()


def test_values_by_hand():
    first = [encoder_input(COUNTS, kind, VOCABULARY)[0].toarray()[0] for kind in ("counts", "normalized", "log1p")]
    assert first[0].tolist() == [3, 1, 0, 0]
    assert first[1].tolist() == [0.75, 0.25, 0, 0]
    np.testing.assert_allclose(first[2], [np.log(4), np.log(2), 0, 0], rtol=1e-6)


def test_tfidf_is_gensims():
    models = pytest.importorskip("gensim.models")
    bows = [[(int(j), int(row[j])) for j in np.flatnonzero(row)] for row in COUNTS.toarray()]
    model = models.TfidfModel(bows[:3])
    expected = np.zeros(COUNTS.shape)
    for i, bow in enumerate(bows):
        for j, weight in model[bow]:
            expected[i, j] = weight
    np.testing.assert_allclose(encoder_input(COUNTS, "tfidf", VOCABULARY).toarray(), expected, atol=1e-6)


def test_a_word_of_no_training_document_weighs_nothing():
    vocabulary = Vocabulary(list("abcd"), np.array([2, 3, 0, 1]), np.array([4, 3, 0, 5]), 3, "none")
    assert encoder_input(COUNTS, "tfidf", vocabulary)[1].toarray().tolist() == [[0, 0, 0, 0]]


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="bm25"):
        encoder_input(COUNTS, "bm25", VOCABULARY)
