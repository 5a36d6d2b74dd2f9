"""The Python API: scikit-learn's conventions, and the same path as the command line."""

import inspect
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from conftest import planted_counts, themed_lines
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.declaration import settings_of
from etm_jax.config.settings import SECTIONS, RunOptions
from etm_jax.interop import read_saved_model

TINY = {"hidden": (16,), "embed_dim": 8}
LINES = themed_lines(300)


def small(**given) -> ETM:
    defaults = {"num_topics": 3, "segmenter": "whitespace", "no_below": 1, "no_above": 0.6, "num_epochs": 6}
    return ETM(**(defaults | {"settings": TINY | {"batch_size": 32}, "verbose": 0} | given))


@pytest.fixture(scope="module")
def fitted() -> ETM:
    return small().fit(LINES)


def one_topic_a_theme(theta: np.ndarray) -> bool:
    """Whether all documents of a theme have the same largest topic, and no two themes share it."""
    largest = [set(theta[i::3].argmax(axis=1).tolist()) for i in range(3)]
    return [len(topics) for topics in largest] == [1, 1, 1] and len(set.union(*largest)) == 3


def test_themes_are_found_in_documents_that_were_not_there(fitted: ETM) -> None:
    theta = fitted.transform(themed_lines(60, seed=9))
    assert theta.shape == (60, 3)
    np.testing.assert_allclose(theta.sum(axis=1), 1, atol=1e-5)
    assert one_topic_a_theme(theta)


def test_fit_transform_is_fit_and_then_transform(fitted: ETM) -> None:
    both = small().fit_transform(LINES)
    np.testing.assert_array_equal(both, fitted.transform(LINES))


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(fitted: ETM) -> None:
    again, other = small().fit(LINES), small(seed=2).fit(LINES)
    assert again.components_.tobytes() == fitted.components_.tobytes()
    assert other.components_.tobytes() != fitted.components_.tobytes()


def test_lists_of_words_are_the_text_that_they_were_cut_from(fitted: ETM) -> None:
    tokens = [line.split() for line in LINES]
    model = small().fit(tokens)
    assert model.vocab_ == fitted.vocab_
    np.testing.assert_array_equal(model.components_, fitted.components_)
    np.testing.assert_array_equal(model.transform(tokens[:9]), fitted.transform(LINES[:9]))


def test_it_is_what_the_command_line_trains(fitted: ETM, tmp_path: Path) -> None:
    corpus = tmp_path / "lines.txt"
    corpus.write_text("\n".join(LINES), encoding="utf-8")
    flags = ["--n_topic=3", "--segmenter=whitespace", "--no_below=1", "--no_above=0.6", "--num_epochs=6", "--hidden=16"]
    more = ["--emb_dim=8", "--batch_size=32", "--test_share=0", f"--workdir={tmp_path / 'run'}"]
    run(*cli.parse(["train", f"--corpus={corpus}", *flags, *more]))
    np.testing.assert_array_equal(np.load(tmp_path / "run" / "export" / "beta.npy"), fitted.components_)


def test_what_it_shows(fitted: ETM) -> None:
    info = fitted.topic_info()
    assert sum(row.share for row in info) == pytest.approx(1, abs=1e-5)
    assert [row.share for row in info] == sorted((row.share for row in info), reverse=True)
    assert all(row.words == fitted.topics(10)[row.topic] for row in info)
    assert all(-1 <= row.npmi <= 1 for row in info)
    near = fitted.nearest("船", 4)
    assert len(near) == 4
    assert "船" not in dict(near)
    assert [cosine for _, cosine in near] == sorted((cosine for _, cosine in near), reverse=True)
    with pytest.raises(ValueError, match="'海' is not one of the model's"):
        fitted.nearest("海")
    theta = fitted.transform(LINES)
    documents = fitted.representative_docs(2)
    assert [docs[0] for docs in documents] == [LINES[i] for i in theta.argmax(axis=0)]
    assert [len(docs) for docs in documents] == [2, 2, 2]


def test_a_document_without_a_known_word_gets_the_prior(fitted: ETM) -> None:
    theta = fitted.transform(["火箭 卫星", "", LINES[0]])
    np.testing.assert_allclose(theta[:2], 1 / 3, atol=1e-6)
    assert theta[2].max() > 0.5


def test_counts_with_their_words_and_scikit_learns_tools() -> None:
    counter = CountVectorizer(token_pattern=r"\S+")
    pipeline = make_pipeline(counter, small(num_topics=2))
    theta = pipeline.fit(LINES).transform(LINES)
    assert theta.shape == (300, 2)
    assert list(pipeline[-1].get_feature_names_out()) == ["etm0", "etm1"]
    counts = counter.transform(LINES)
    model = small().fit(counts, vocab=counter.get_feature_names_out())
    assert model.n_features_in_ == counts.shape[1]
    assert set(model.vocab_) == set(counter.vocabulary_)
    assert model.representative_docs(1)[0][0] == model.transform(counts)[:, 0].argmax()
    search = GridSearchCV(small(num_epochs=3), {"num_topics": np.arange(2, 4)}, cv=2, refit=False).fit(counts)
    assert search.best_params_ == {"num_topics": 3}


def test_a_score_is_the_completion_perplexity_with_a_minus(fitted: ETM) -> None:
    held_out = themed_lines(60, seed=9)
    perplexity = fitted.perplexity(held_out)
    assert fitted.score(held_out) == -perplexity
    assert 1 < perplexity < len(fitted.vocab_)


def test_a_saved_model_is_the_same_in_another_process(fitted: ETM, tmp_path: Path) -> None:
    folder = tmp_path / "我的 model"
    fitted.save(folder)
    assert {path.name for path in folder.iterdir()} == {"SHA256SUMS", "model.json", "weights.npz", "vocabulary.json"}
    (tmp_path / "new.txt").write_text("\n".join(LINES[:40]), encoding="utf-8")
    program = (
        "import pathlib, sys, numpy as np; from etm_jax import ETM; model = ETM.load(sys.argv[1]); "
        "np.save(sys.argv[3], model.transform(pathlib.Path(sys.argv[2]).read_text('utf-8').splitlines()))"
    )
    args = [str(folder), str(tmp_path / "new.txt"), str(tmp_path / "theta.npy")]
    subprocess.run([sys.executable, "-W", "error", "-c", program, *args], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "theta.npy"), fitted.transform(LINES[:40]))
    loaded = ETM.load(folder)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.topic_info() == fitted.topic_info()
    assert loaded.history_ == fitted.history_
    assert read_saved_model(str(folder)).vocabulary.words == fitted.vocab_
    with pytest.raises(ValueError, match="has no documents; give some"):
        loaded.representative_docs()
    assert loaded.representative_docs(1, LINES) == fitted.representative_docs(1)


def test_a_damaged_or_foreign_folder_is_refused(fitted: ETM, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no saved model: model\.json is missing"):
        ETM.load(tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="holds something other than a saved model"):
        fitted.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    folder = tmp_path / "model"
    fitted.save(folder)
    model = folder / "model.json"
    model.write_text(model.read_text("ascii").replace('"kind": "etm"', '"kind": "prodlda"'), encoding="ascii")
    (folder / "SHA256SUMS").unlink()  # Which would find it first.
    with pytest.raises(ValueError, match="is of another model: kind='prodlda' is unknown"):
        ETM.load(folder)
    fitted.save(folder)
    weights = folder / "weights.npz"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged"):
        ETM.load(folder)


def test_more_documents_over_the_same_words(capsys) -> None:
    model = small(verbose=1).partial_fit(LINES)
    before = model.components_.copy()
    more = [f"{line} 火箭 火箭 卫星" for line in themed_lines(60, seed=4)]
    model.partial_fit(more)
    assert model.components_.shape == before.shape
    assert not np.array_equal(model.components_, before)
    assert dict(model.new_words_) == {"火箭": 120, "卫星": 60}
    assert "2 words are not the model's and were left out, such as 火箭, 卫星" in capsys.readouterr().err
    assert one_topic_a_theme(model.transform(LINES))


def test_callbacks_see_every_epoch_and_silence_is_silent(capfd) -> None:
    rows: list[dict] = []
    model = small(callbacks=[rows.append]).fit(LINES)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows == model.history_
    assert {"nelbo", "recon", "kl", "valid_nelbo"} <= set(rows[0])
    assert capfd.readouterr() == ("", "")
    assert clone(model).get_params()["callbacks"] == [rows.append]


@pytest.mark.parametrize(
    ("given", "documents", "told"),
    [
        ({}, "one long text", "one string is no corpus"),
        ({}, ["的"] * 9, "the corpus holds 1 different words"),
        ({}, [["海洋", "船"], "海洋 船"] * 9, "document 1 is plain text"),
        ({"num_topics": 0}, LINES, "num_topics=0"),
        ({"lang": "fr"}, LINES, "lang='fr' is not one of zh, en"),
        ({"settings": {"nonsense": 1}}, LINES, "unknown setting 'nonsense'"),
        ({"settings": {"kind": "lda"}}, LINES, "ETM"),
        ({}, -np.ones((9, 5)), "Negative values"),
        ({}, np.zeros((9, 5)), "no document holds a word"),
        ({}, [], "there are no documents"),
        ({}, set(LINES), "a set is no list of documents"),
        ({}, [*LINES, None], "document 300 is None, neither text nor a list of words"),
        ({}, [float("nan"), *LINES], "document 0 is nan, neither text nor a list of words"),
        ({}, [*LINES[:9], b"star"], "document 9 is b'star', neither text nor a list of words; decode it"),
        ({}, [["海洋", "船"], ["船", None]], "document 1: its word 1 is None, not text"),
        ({}, np.array([["海洋"], ["船"]], object), "give its column of texts"),
        ({}, [1, 2, 3], "Expected 2D array, got 1D array instead; Reshape"),
        ({}, np.full((9, 5), np.nan), "Input X contains NaN"),
        ({}, np.full((9, 5), 1e38), "document 0 has 5e"),
    ],
)
def test_mistakes_are_value_errors_of_one_line(given: dict, documents, told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        small(**given).fit(documents)
    assert "\n" not in str(error.value)


def test_its_parameters_have_the_names_and_defaults_of_the_settings() -> None:
    declared = {s.name: s.default for kind in (RunOptions, *SECTIONS.values()) for s in settings_of(kind)}
    parameters = inspect.signature(ETM.__init__).parameters
    shared = {name: p.default for name, p in parameters.items() if name in declared.keys() - {"seed_words"}}
    assert shared == {name: declared[name] for name in shared}
    others = ("self", "seed_words", "settings", "missing", "callbacks", "verbose")
    assert parameters.keys() == {*shared, *others}


def test_a_former_name_of_a_variant_is_said_to_be_one(capsys) -> None:
    small(variant="report", num_epochs=1, verbose=1, vectors="random").fit(LINES)
    assert capsys.readouterr().err.count("variant=report is called variant=ntm now") == 1


def test_a_vocabulary_must_name_every_column() -> None:
    with pytest.raises(ValueError, match="vocab has 2 words for 3 columns"):
        small().fit(sp.csr_matrix(np.eye(3, dtype=int)), vocab=["a", "b"])


WORDS = [f"w{j}" for j in range(12)]


@pytest.fixture(scope="module")
def of_counts() -> ETM:
    return small(num_epochs=2).fit(planted_counts(60, 12, 3), vocab=WORDS)


def test_columns_are_found_by_their_names_at_every_door(of_counts: ETM) -> None:
    counts, order = planted_counts(40, 12, 3, seed=1), np.random.default_rng(0).permutation(12)
    turned, names = counts[:, order], [WORDS[j] for j in order]
    np.testing.assert_array_equal(of_counts.transform(turned, vocab=names), of_counts.transform(counts))
    assert of_counts.perplexity(turned, vocab=names) == of_counts.perplexity(counts)
    assert of_counts.score(turned, vocab=names) == of_counts.score(counts)
    both = [small(num_epochs=2).fit(planted_counts(60, 12, 3), vocab=WORDS) for _ in range(2)]
    both[0].partial_fit(counts)
    # A word that is not the model's comes along, and one that is does not.
    with_other = sp.csr_matrix(sp.hstack([turned, counts[:, :1]]))
    both[1].partial_fit(with_other, vocab=[*names, "other"])
    np.testing.assert_array_equal(both[1].components_, both[0].components_)
    assert dict(both[1].new_words_) == {"other": counts[:, 0].sum()}
    alone = sp.csr_matrix(([3], ([0], [4])), (1, 12))
    np.testing.assert_array_equal(of_counts.transform([[3]], vocab=["w4"]), of_counts.transform(alone))
    with pytest.raises(ValueError, match="none of the 2 columns is called like a word of the model"):
        of_counts.transform([[1, 2]], vocab=["a", "b"])


@pytest.mark.parametrize(
    "given",
    [{word: j for j, word in enumerate(WORDS)}, dict(enumerate(WORDS)), np.array(WORDS), (word for word in WORDS)],
)
def test_words_of_columns_in_every_form_that_has_an_order(given) -> None:
    assert small(num_epochs=1).fit(planted_counts(60, 12, 3), vocab=given).vocab_ == WORDS


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (set(WORDS), "vocab is a set"),
        ("abcdefghijkl", "vocab is a str"),
        (["a"] * 12, "has the word 'a' 12 times, in columns 0 and 1"),
        ([*WORDS[:11], None], "the word of column 11 is None"),
        (dict.fromkeys(WORDS, 1), "does not give each column from 0 to 11 one word"),
        (WORDS[:11], "vocab has 11 words for 12 columns"),
    ],
)
def test_words_without_an_order_or_twice_are_refused(given, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        small().fit(planted_counts(60, 12, 3), vocab=given)
    with pytest.raises(ValueError, match="texts were given"):
        small().fit(LINES, vocab=given)


def test_a_table_names_its_columns_itself(of_counts: ETM) -> None:
    pandas = pytest.importorskip("pandas")
    counts = planted_counts(60, 12, 3).toarray()
    named = pandas.DataFrame(counts, columns=WORDS)
    model = small(num_epochs=2).fit(named)
    np.testing.assert_array_equal(model.components_, of_counts.components_)
    assert model.vocab_ == WORDS
    turned = named[WORDS[::-1]]
    np.testing.assert_array_equal(of_counts.transform(turned), of_counts.transform(counts))
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        model.partial_fit(turned)
    with pytest.raises(ValueError, match="the table has the word 'w' 12 times"):
        small().fit(pandas.DataFrame(counts, columns=["w"] * 12))


FORMATS = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", "O"])
def test_counts_of_every_type_and_format_are_the_same_counts(of_counts: ETM, dtype: str) -> None:
    counts = planted_counts(8, 12, 3, seed=2)
    expected = of_counts.transform(counts)
    np.testing.assert_array_equal(of_counts.transform(counts.toarray().astype(dtype)), expected)
    if dtype not in ("f2", "O"):
        for form in FORMATS:
            np.testing.assert_array_equal(of_counts.transform(counts.astype(dtype).asformat(form)), expected)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32])
def test_entries_that_stand_twice_are_summed_whatever_their_type(of_counts: ETM, dtype) -> None:
    ones, column = np.ones(300, dtype), np.full(300, 5)
    once = of_counts.transform(sp.csr_matrix(([300], ([0], [5])), (1, 12)))
    in_place = (ones, (np.zeros(300, int), column))
    for twice in (sp.coo_matrix(in_place, (1, 12)), sp.coo_array(in_place, (1, 12))):
        np.testing.assert_array_equal(of_counts.transform(twice), once)
    np.testing.assert_array_equal(of_counts.transform(sp.csr_matrix((ones, column, [0, 300]), (1, 12))), once)


@pytest.mark.parametrize("value", [2**24 + 1, 2**31, 2**63, 2**64 - 1, 1e38, 1e300])
def test_a_count_that_no_float32_holds_is_refused_at_every_door(of_counts: ETM, value: float) -> None:
    counts = np.array([[0] * 12, [value] + [0] * 11], np.uint64 if isinstance(value, int) else np.float64)
    for door in (of_counts.transform, of_counts.perplexity, of_counts.partial_fit, small().fit):
        for given in (counts, sp.coo_matrix(counts)):
            with pytest.raises(ValueError, match=r"document 1 has .* words; a document has at most 16,777,216"):
                door(given)


def test_as_many_words_as_float32_counts_are_still_exact(of_counts: ETM) -> None:
    many = np.array([[2**24] + [0] * 11])
    assert np.isfinite(of_counts.transform(many)).all()
    model = small(num_epochs=1).fit(np.repeat(np.eye(3, dtype=np.float32) * (2**24 - 1), 4, axis=0))
    assert model._vocabulary.term_freq.tolist() == [4 * (2**24 - 1)] * 3


def test_documents_in_any_collection_that_has_an_order(fitted: ETM) -> None:
    expected = fitted.transform(LINES[:5])
    given = ((line for line in LINES[:5]), tuple(LINES[:5]), np.array(LINES[:5]), deque(LINES[:5]))
    for documents in (*given, [np.array(line.split()) for line in LINES[:5]]):
        np.testing.assert_array_equal(fitted.transform(documents), expected)
    assert fitted.transform([]).shape == (0, 3)
    np.testing.assert_array_equal(fitted.transform([[]]), fitted.transform([""]))
    assert np.isfinite(small(num_epochs=1).fit(planted_counts(60, 12, 3).todense()).components_).all()


def test_numpy_values_are_parameters_as_good_as_pythons(tmp_path: Path) -> None:
    settings = {"hidden": np.array([16]), "embed_dim": np.int64(8), "batch_size": np.int32(32), "skip": np.bool_(True)}
    own = {"num_topics": np.int64(3), "seed": np.uint8(1), "no_above": np.float64(0.6), "vectors": np.str_("ppmi")}
    model = small(**own, settings=settings, num_epochs=np.int64(1)).fit(LINES)
    np.testing.assert_array_equal(model.components_, small(num_epochs=1).fit(LINES).components_)
    model.save(tmp_path / "model")
    assert ETM.load(tmp_path / "model").get_params()["num_topics"] == 3


def test_perplexity_needs_whole_counts() -> None:
    counts = planted_counts(60, 12, 3)
    model = small().fit(counts)
    with pytest.raises(ValueError, match="needs whole counts"):
        model.score(counts * 0.5)


NO_WHOLE_COUNTS = "its data are no counts, and a document's words can be halved only where they are whole numbers"
FAIL_FOR_A_REASON = {"check_fit_score_takes_y": NO_WHOLE_COUNTS, "check_pipeline_consistency": NO_WHOLE_COUNTS}


@parametrize_with_checks(
    [ETM(num_topics=2, num_epochs=1, verbose=0, settings={"hidden": (4,), "embed_dim": 2, "infer_steps": 0})],
    expected_failed_checks=lambda _: FAIL_FOR_A_REASON,
)
def test_scikit_learns_own_checks(estimator: ETM, check) -> None:
    check(estimator)


@pytest.mark.parametrize("given", [{}, {"variant": "paper"}, {"settings": TINY | {"read_rho": False}}])
def test_double_precision_trains_too(float64: None, tmp_path: Path, given: dict) -> None:
    model = small(num_epochs=1, **given).fit(LINES[:90])
    theta = model.transform(LINES[:9])
    assert np.isfinite(theta).all()
    model.save(tmp_path / "model")
    np.testing.assert_allclose(ETM.load(tmp_path / "model").transform(LINES[:9]), theta, atol=1e-6)
