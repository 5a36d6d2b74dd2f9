"""Arguments that no method can take: a ValueError of one line, which names them."""

import os
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import forked
from conftest import planted_counts, small_etm, themed_lines
from etm_jax import ETM
from etm_jax.corpus.given import valid_counts
from etm_jax.util.errors import UserError

LINES = themed_lines(60)


@pytest.mark.parametrize("odd", [-1, 0, 2.0, "3", None, True])
def test_numbers_of_words_documents_and_topics_are_whole_and_positive(fitted_etm: ETM, odd) -> None:
    calls = {
        "n": [
            lambda: fitted_etm.topics(odd),
            lambda: fitted_etm.nearest("船", odd),
            lambda: fitted_etm.representative_docs(odd),
            lambda: fitted_etm.find_topics("船", odd),
            lambda: fitted_etm.plot_topics(odd),
        ],
        "to": [lambda: fitted_etm.reduce_topics(odd)],
        "n_topic": [lambda: fitted_etm.search_k(LINES, [odd])],
        "num_seeds": [lambda: fitted_etm.search_k(LINES, [2], num_seeds=odd)],
    }
    for name, of_name in calls.items():
        for call in of_name:
            with pytest.raises(ValueError, match=rf"^{name}={odd!r} is not a whole number from [12] on$"):
                call()


def test_numbers_of_numpy_are_as_good_as_pythons(fitted_etm: ETM) -> None:
    assert fitted_etm.topics(np.int64(3)) == fitted_etm.topics(3)
    assert fitted_etm.nearest("船", np.uint8(2)) == fitted_etm.nearest("船", 2)


def test_a_word_is_text(fitted_etm: ETM) -> None:
    with pytest.raises(ValueError, match="word=3 is not text"):
        fitted_etm.nearest(3)


@pytest.mark.parametrize("documents", [[], [""], ["火箭 卫星"]])
def test_documents_without_a_word_to_predict_have_no_perplexity(fitted_etm: ETM, documents) -> None:
    for measure in (fitted_etm.perplexity, fitted_etm.score):
        with pytest.raises(ValueError, match="no document has a word that the model knows"):
            measure(documents)


def test_masked_counts_are_refused_and_masked_texts_are_missing(fitted_etm: ETM) -> None:
    counts = planted_counts(60, 12, 3).toarray()
    hidden = np.ma.masked_array(counts, counts > 2)
    with pytest.raises(ValueError, match=r"X is a masked array with missing counts; give X\.filled\(0\)"):
        small_etm().fit(hidden)
    shown = valid_counts(small_etm(), np.ma.masked_array(counts, False), reset=True)
    np.testing.assert_array_equal(shown.toarray(), counts)
    texts = np.ma.masked_array(np.array(LINES[:2], object), [False, True])
    with pytest.raises(ValueError, match=r"document 1 is masked, .* missing='empty'"):
        fitted_etm.transform(texts)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.full((9, 5), np.nan), "^Input X contains NaN; give counts, which are 0 where a word is not there"),
        (sp.csr_matrix([[1.0, np.inf]]), "^Input X contains infinity .*; give counts"),
        (np.ones((9, 5), complex), "^X holds complex numbers: Complex data not supported; give counts$"),
        (sp.csr_matrix(np.ones((9, 5), complex)), "^X holds complex numbers"),
        (np.ones((9, 5), "M8[D]"), "^X, of type ndarray, is no table of numbers; give an array"),
    ],
)
def test_what_is_no_count_is_told_in_one_line_of_our_own(given, told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        valid_counts(small_etm(), given, reset=True)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_tables_of_dates_and_sparse_tensors_are_no_counts() -> None:
    pandas = pytest.importorskip("pandas")
    dates = pandas.to_datetime(["2024-01-01", "2024-01-02"])
    for table in (pandas.DataFrame({"a": dates, "b": dates}), pandas.DataFrame({"a": dates, "b": [1, 2]})):
        with pytest.raises(ValueError, match="X, of type DataFrame, is no table of numbers"):
            small_etm().fit(table)

    class Tensor:
        """As torch's sparse ones refuse to be arrays."""

        shape, ndim = (9, 5), 2

        def __array__(self, *given: object, **more: object) -> np.ndarray:
            raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    with pytest.raises(ValueError, match=r"^X, of type Tensor, is no table of numbers \(.*to_dense\(\) first\)"):
        small_etm().fit(Tensor())


def test_a_gpu_that_is_not_there_is_one_line() -> None:
    program = (
        "import sys; from etm_jax import ETM\n"
        "try: ETM(2, num_epochs=1, verbose=0).fit([[1, 2], [2, 1], [3, 1]])\n"
        "except ValueError as error: sys.exit(str(error))"
    )
    environment = os.environ | {"JAX_PLATFORMS": "rocm"}
    done = forked.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.stderr.startswith("JAX finds no device for JAX_PLATFORMS=rocm here; unset that")
    assert done.stderr.count("\n") == 1
