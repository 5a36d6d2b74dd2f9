"""gensim's coherences: by hand where that can be, the same as gensim's own, and never nan."""

import numpy as np
import pytest
import scipy.sparse as sp
from gensim.corpora import Dictionary
from gensim.models import CoherenceModel, KeyedVectors
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import planted_counts, themed_lines, token_stream
from etm_jax.metrics.coherence import LOWEST, WINDOWS, Coherence, coherences
from etm_jax.vectors.ppmi import ppmi_vectors

EPS = 1e-12


def counts_of(documents: list[list[str]], vocab: list[str]) -> sp.csr_matrix:
    rows = [[document.count(word) for word in vocab] for document in documents]
    return sp.csr_matrix(np.array(rows, np.int32).reshape(len(documents), len(vocab)))


def scored(words, vocab, documents, with_text=True) -> dict[str, Coherence]:
    text = token_stream(documents) if with_text else None
    return {c.measure: c for c in coherences(np.array(words), vocab, counts_of(documents, vocab), text)}


def test_umass_and_pmi_by_hand():
    # In 4 documents, each of one window: a in 2, b in 3, both in 1.
    found = scored([[0, 1]], ["a", "b"], [["a", "b"], ["a"], ["b"], ["b", "b"]])
    # UMass: log p(b, a) / p(a), the less probable word given the more probable one before it.
    assert found["UMass"].value == pytest.approx(np.log(1 / 2))
    pmi = np.log((1 / 4) / (2 / 4 * 3 / 4))
    assert found["C_UCI"].value == pytest.approx(pmi)
    assert found["C_NPMI"].value == pytest.approx(pmi / -np.log(1 / 4))


def test_windows_are_of_ten_words():
    filler = [f"x{i}" for i in range(20)]
    vocab = ["a", "b", *filler]
    near, far = (scored([[0, 1]], vocab, [["a", *filler[:n], "b", *filler[10:]]]) for n in (8, 9))
    # At a distance of 9 words one of the windows holds both; at 10 none does.
    assert near["C_NPMI"].value > -1
    assert far["C_NPMI"].value == pytest.approx(-1, abs=0.2)
    assert far["C_UCI"].value < near["C_UCI"].value - 20


@pytest.fixture(scope="module")
def themed():
    documents = [line.split() for line in themed_lines(60)]
    vocab = sorted({word for document in documents for word in document})
    topics = np.random.default_rng(0).permutation(len(vocab))[:30].reshape(3, 10)
    return documents, vocab, topics, scored(topics, vocab, documents)


def gensims(measure, topics, vocab, documents, window=None) -> CoherenceModel:
    dictionary = Dictionary(documents)
    return CoherenceModel(
        topics=[[vocab[j] for j in topic] for topic in topics],
        texts=documents,
        corpus=[dictionary.doc2bow(document) for document in documents],
        dictionary=dictionary,
        window_size=window,
        coherence={"UMass": "u_mass"}.get(measure, measure.lower()),
        processes=1,
    )


@pytest.mark.parametrize("measure", ["UMass", "C_V", "C_UCI", "C_NPMI"])
def test_the_values_are_gensims(themed, measure):
    documents, vocab, topics, found = themed
    model = gensims(measure, topics, vocab, documents)
    np.testing.assert_allclose(found[measure].per_topic, model.get_coherence_per_topic(), rtol=1e-12)
    assert found[measure].value == pytest.approx(model.get_coherence())


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcdefg"), max_size=30), min_size=1, max_size=6),
    st.integers(1, 12),
    st.integers(1, 12),
    st.randoms(use_true_random=False),
)
def test_the_values_of_any_text_are_gensims(documents, wide, narrow, random):
    vocab = sorted({word for document in documents for word in document})
    assume(len(vocab) >= 2)
    size = random.randint(2, len(vocab))
    topics = [random.sample(range(len(vocab)), size) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        for measure, window in {"C_V": wide, "C_UCI": narrow, "C_NPMI": narrow}.items():
            patch.setitem(WINDOWS, measure, window)
        found = scored(topics, vocab, documents)
    for measure, window in {"UMass": None, "C_V": wide, "C_UCI": narrow, "C_NPMI": narrow}.items():
        by_gensim = gensims(measure, topics, vocab, documents, window).get_coherence_per_topic()
        np.testing.assert_allclose(found[measure].per_topic, by_gensim, rtol=1e-9, atol=1e-9, err_msg=measure)


def test_cosines_of_vectors_are_gensims_in_double_precision():
    counts = planted_counts(80, 24, 3)
    vocab = [f"w{j}" for j in range(24)]
    topics = np.random.default_rng(0).permutation(24).reshape(4, 6)
    keyed = KeyedVectors(24, dtype=np.float64)
    keyed.add_vectors(vocab, ppmi_vectors(counts, 24, 1))
    model = CoherenceModel(
        topics=[[vocab[j] for j in topic] for topic in topics],
        dictionary=Dictionary([vocab]),
        keyed_vectors=keyed,
        coherence="c_w2v",
    )
    found = coherences(topics, vocab, counts)[-1]
    assert found.measure == "C_W2V"
    np.testing.assert_allclose(found.per_topic, model.get_coherence_per_topic(), rtol=1e-12)


def test_each_value_comes_with_reference_window_and_words(themed):
    found = themed[3]
    assert {(c.measure, c.window, c.top_n) for c in found.values()} == {
        ("UMass", 0, 10), ("C_V", 110, 10), ("C_UCI", 10, 10), ("C_NPMI", 10, 10), ("C_W2V", 5, 10),
    }  # fmt: skip
    assert found["UMass"].reference == "bags of words of 60 documents"
    assert found["C_V"].reference == "running text of 60 documents"
    assert found["C_W2V"].reference == "skip-gram vectors of the running text of 60 documents"


def test_vectors_repeat_themselves(themed):
    documents, vocab, topics, found = themed
    again = scored(topics, vocab, documents)
    np.testing.assert_array_equal(again["C_W2V"].per_topic, found["C_W2V"].per_topic)


def test_of_bags_each_document_is_one_window():
    counts = planted_counts(80, 24, 3)
    words = np.arange(24).reshape(3, 8)
    vocab = [f"w{j}" for j in range(24)]
    found = {c.measure: c for c in coherences(words, vocab, counts, label="training documents")}
    assert {c.window for c in found.values()} == {0}
    assert found["C_NPMI"].reference == "bags of words of 80 training documents"
    assert found["C_W2V"].reference == "PPMI vectors of the bags of words of 80 training documents"
    # The mean NPMI of documents, which the paper takes too, but for gensim's ε.
    present = (counts > 0).toarray().astype(float)
    p = present.T @ present / 80
    pairs = [
        np.log((p[i, j] + EPS) / (p[i, i] * p[j, j])) / -np.log(p[i, j] + EPS)
        for i in range(8)
        for j in range(8)
        if i != j
    ]
    assert found["C_NPMI"].per_topic[0] == pytest.approx(np.mean(pairs), rel=1e-6)
    mixed = {c.measure: c.value for c in coherences(words.T[:, :3], vocab, counts)}
    assert all(mixed[measure] < found[measure].value for measure in LOWEST)


@pytest.mark.parametrize("with_text", [True, False])
def test_words_that_never_occur_score_the_lowest(with_text):
    documents = [["a", "b", "c"], ["a", "b"], ["c"], ["d", "a"], []]
    vocab = ["a", "b", "c", "d", "never", "nor"]
    # Of three pairs, two hold the word that never occurs; of three words, one is it.
    some, without = scored([[0, 1, 4]], vocab, documents, with_text), scored([[0, 1]], vocab, documents, with_text)
    for measure in ("UMass", "C_UCI", "C_NPMI"):
        expected = (without[measure].value + 2 * LOWEST[measure]) / 3
        assert some[measure].value == pytest.approx(expected), measure
    for measure in ("C_V", "C_W2V"):
        assert some[measure].value == pytest.approx(without[measure].value * 2 / 3), measure
    for words in ([[4, 5]], [[0, 4]]):
        assert {m: c.value for m, c in scored(words, vocab, documents, with_text).items()} == LOWEST


@pytest.mark.parametrize("with_text", [True, False])
def test_topics_of_one_document_and_of_one_word_are_numbers(with_text):
    documents = [["a", "b", "c"], [], ["d", "e", "d"], ["d"]]
    vocab = ["a", "b", "c", "d", "e"]
    for words in ([[0, 1, 2], [3, 4, 0]], [[0], [3]]):
        for c in scored(words, vocab, documents, with_text).values():
            assert np.isfinite(c.per_topic).all(), c
    single = scored([[0]], vocab, documents, with_text)
    assert {measure: c.value for measure, c in single.items()} == LOWEST


def test_without_documents_all_is_lowest():
    found = coherences(np.array([[0, 1]]), ["a", "b"], sp.csr_matrix((0, 2), dtype=np.int32))
    assert {c.measure: c.value for c in found} == LOWEST
