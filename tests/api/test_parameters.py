"""Parameters and documents as people who write Python have them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline

from conftest import planted_counts, small_etm, themed_lines
from etm_jax import ETM
from etm_jax.api.parameters import in_python

LINES = themed_lines(60)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--n_topic=1 is out of range; give at least 2", "num_topics=1 is out of range; give at least 2"),
        ("give 0, or --notheta_layer", "give 0, or theta_layer=False"),
        ("filter less (--no_below, --no_above)", "filter less (no_below, no_above)"),
        ("--something=3", "--something=3"),
        ("python -m etm_jax.train --model=lda fits one", "python -m etm_jax.train --model=lda fits one"),
    ],
)
def test_messages_name_parameters(message: str, expected: str) -> None:
    assert in_python(message) == expected


def test_a_setting_has_the_name_of_its_flag_or_its_own(fitted_etm: ETM) -> None:
    own = small_etm(settings={"hidden": (16,), "embed_dim": 8, "batch_size": 32}).fit(LINES)
    np.testing.assert_array_equal(own.components_, fitted_etm.components_)
    with pytest.raises(ValueError, match="settings has 'embed_dim' twice"):
        small_etm(settings={"embed_dim": 8, "emb_dim": 9}).fit(LINES)
    with pytest.raises(ValueError, match="did you mean 'embed_dim'"):
        small_etm(settings={"emb_dims": 8}).fit(LINES)
    assert small_etm(settings={"--emb_dim": 8}).fit(LINES).transform(LINES[:1]).shape == (1, 3)


def test_columns_of_other_libraries_are_texts(fitted_etm: ETM) -> None:
    expected = fitted_etm.transform(LINES[:5])
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    words = [line.split() for line in LINES[:5]]
    given = [pandas.Series(LINES[:5]), pandas.Index(LINES[:5]), pandas.Series(LINES[:5], dtype="string")]
    given += [pandas.Series(words), pyarrow.array(LINES[:5]), pyarrow.chunked_array([LINES[:2], LINES[2:5]])]
    for documents in [*given, pyarrow.array(words)]:
        np.testing.assert_array_equal(fitted_etm.transform(documents), expected)


def test_columns_of_polars_are_texts_and_its_frames_counts(fitted_etm: ETM) -> None:
    polars = pytest.importorskip("polars")
    words = [line.split() for line in LINES[:5]]
    for documents in (polars.Series(LINES[:5]), polars.Series(words)):
        np.testing.assert_array_equal(fitted_etm.transform(documents), fitted_etm.transform(LINES[:5]))
    with pytest.raises(ValueError, match="document 1 is None"):
        fitted_etm.transform(polars.Series(["海洋", None]))
    counts = planted_counts(60, 12, 3)
    table = polars.DataFrame(counts.toarray(), schema=[f"word{j}" for j in range(12)])
    assert small_etm().fit(table).vocab_ == table.columns


class Rows:
    """The rows of a table, as a Dataset of Hugging Face gives them: no sequence, a dictionary each."""

    def __init__(self, texts: list) -> None:
        self.texts = texts

    def __iter__(self) -> Iterator[dict]:
        return ({"text": text, "year": 2024} for text in self.texts)

    def __getitem__(self, key: str) -> Iterable:
        assert key == "text"
        return Column(self)


class Column(Sequence):
    """One of its columns, which is read anew each time."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows.texts)

    def __iter__(self) -> Iterator:
        return (row["text"] for row in self.rows)

    def __getitem__(self, key) -> object:
        return self.rows.texts[key]


def hugging_face(texts: list) -> Iterable:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (pip install datasets)")
    return datasets.Dataset.from_dict({"text": texts, "year": [2024] * len(texts)})


@pytest.mark.parametrize("dataset", [Rows, hugging_face])
def test_a_column_of_a_dataset_is_texts_and_the_dataset_is_none(fitted_etm: ETM, dataset) -> None:
    column, words = dataset(LINES)["text"], dataset([line.split() for line in LINES])["text"]
    np.testing.assert_array_equal(small_etm().fit(column).components_, fitted_etm.components_)
    expected = fitted_etm.transform(LINES)
    for documents in (column, words):
        np.testing.assert_array_equal(fitted_etm.transform(documents), expected)
    assert fitted_etm.representative_docs(1, column) == fitted_etm.representative_docs(1, LINES)
    missing = dataset([LINES[0], None])["text"]
    with pytest.raises(ValueError, match=r"document 1 is None, .* missing='empty'"):
        fitted_etm.transform(missing)
    theta = small_etm(missing="empty").fit(dataset([None, *LINES])["text"]).transform(missing)
    np.testing.assert_allclose(theta[1], 1 / 3, atol=1e-6)
    for records in (dataset(LINES), list(dataset(LINES))):
        with pytest.raises(ValueError, match=r"^documents are records, .*; give their texts alone, as X\['text'\]"):
            fitted_etm.transform(records)


@pytest.mark.parametrize(("library", "kind"), [("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "table")])
def test_a_table_of_texts_is_told_to_give_its_column(library: str, kind: str) -> None:
    table = getattr(pytest.importorskip(library), kind)({"text": LINES, "year": [2024] * len(LINES)})
    with pytest.raises(ValueError, match=r"^a table of text is no table of counts; give its column of texts"):
        small_etm().fit(table)


def test_missing_texts_are_refused_or_keep_their_row(fitted_etm: ETM, capsys) -> None:
    with pytest.raises(ValueError, match=r"document 1 is None, .* missing='empty'"):
        fitted_etm.transform([LINES[0], None])
    with pytest.raises(ValueError, match="document 0 is None"):
        fitted_etm.transform([None])
    model = small_etm(missing="empty", verbose=1).fit([None, *LINES[1:-1], float("nan")])
    assert "2 of 60 documents are missing" in capsys.readouterr().err
    theta = model.transform([None, LINES[0].split()])
    np.testing.assert_allclose(theta[0], 1 / 3, atol=1e-6)
    with pytest.raises(ValueError, match="missing='drop' is not one of error, empty"):
        small_etm(missing="drop").fit(LINES)


def test_a_text_in_is_a_row_out_blank_or_not() -> None:
    model = small_etm()
    theta = model.fit_transform(["", *LINES[1:-1], " \n"])
    assert theta.shape == (len(LINES), 3)
    np.testing.assert_allclose(theta[[0, -1]], 1 / 3, atol=1e-6)
    np.testing.assert_allclose(model.transform(["", LINES[5], "\t", ""]), theta[[0, 5, -1, 0]], atol=1e-5)


def test_texts_for_a_model_of_unnamed_counts_are_refused() -> None:
    model = small_etm().fit(planted_counts(60, 12, 3))
    with pytest.raises(ValueError, match="fitted to counts without the words"):
        model.transform(LINES)
    assert model.transform([]).shape == (0, 3)


def test_counts_get_their_words_from_the_step_before(capsys, tmp_path: Path) -> None:
    pipeline = make_pipeline(CountVectorizer(), small_etm(verbose=1)).fit(LINES)
    assert "pipeline[-1].name_words(pipeline[:-1])" in capsys.readouterr().err
    numbers, theta = pipeline[-1].topics(), pipeline.transform(LINES)
    merged = pipeline[-1].merge_topics([0, 1])
    model = pipeline[-1].name_words(pipeline[:-1])
    assert model is pipeline[-1]
    assert model.vocab_ == pipeline[0].get_feature_names_out().tolist()
    assert model.topics() == [[model.vocab_[int(j)] for j in row] for row in numbers]
    np.testing.assert_array_equal(pipeline.transform(LINES), theta)
    assert merged.name_words(pipeline[0].vocabulary_).topics()[1] == model.topics()[2]
    assert model.vocab_[0] in model.report(tmp_path / "page.html").read_text("utf-8")
    model.save(tmp_path / "model")
    assert ETM.load(tmp_path / "model").vocab_ == model.vocab_
    assert model.name_words(model.vocab_) is model
    with pytest.raises(ValueError, match="the model has words already"):
        model.name_words(model.vocab_[::-1])


def test_the_steps_before_name_the_columns_while_the_pipeline_is_fitted() -> None:
    pipeline = make_pipeline(CountVectorizer(), VarianceThreshold(0.5), small_etm())
    pipeline.fit(LINES, etm__vocab=pipeline[:-1])
    assert pipeline[-1].vocab_ == pipeline[:-1].get_feature_names_out().tolist()
    assert len(pipeline[-1].vocab_) < len(pipeline[0].vocabulary_)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["海洋"], "^words: 1 were given for the 12 columns"),
        (None, "^words: 0 were given"),
        (["海洋"] * 12, "has the word '海洋' 12 times"),
        (CountVectorizer(), "^vocab is a CountVectorizer that does not name its columns .*not fitted"),
        (make_pipeline(HashingVectorizer()), "^vocab is a Pipeline that does not name its columns"),
        (5, "^vocab is a int; give the words"),
    ],
)
def test_words_that_are_not_those_of_the_columns_are_refused(words, told: str) -> None:
    model = small_etm().fit(planted_counts(60, 12, 3))
    with pytest.raises(ValueError, match=told) as error:
        model.name_words(words)
    assert "\n" not in str(error.value)
    assert model.vocab_ == list(map(str, range(12)))


@pytest.mark.parametrize("given", [{"海洋"}, np.array(["海洋", "船"]), []])
def test_stop_words_are_any_collection(given, tmp_path: Path) -> None:
    model = clone(small_etm(stopwords=given)).fit(LINES)
    assert ("海洋" in model.vocab_) == (len(given) == 0)
    model.save(tmp_path / "model")
    assert set(ETM.load(tmp_path / "model").stopwords) == set(given)


def test_what_is_no_word_is_no_stop_word() -> None:
    for odd in ("a,b", "words.txt", 3):
        with pytest.raises(ValueError, match="is not a word; give words alone"):
            small_etm(stopwords=[odd]).fit(LINES)


def test_a_function_can_segment(fitted_etm: ETM, tmp_path: Path) -> None:
    model = small_etm(segmenter=str.split).fit(LINES)
    np.testing.assert_array_equal(model.components_, fitted_etm.components_)
    np.testing.assert_array_equal(model.transform(LINES[:5]), fitted_etm.transform(LINES[:5]))
    model.save(tmp_path / "model")
    loaded = ETM.load(tmp_path / "model")
    with pytest.raises(ValueError, match="was a function, which is not saved"):
        loaded.transform(LINES[:5])
    loaded.segmenter = str.split
    np.testing.assert_array_equal(loaded.transform(LINES[:5]), fitted_etm.transform(LINES[:5]))


def test_what_clean_drops_a_function_that_segments_does_not_get(capsys) -> None:
    read: list[str] = []

    def segment(text: str) -> list[str]:
        read.append(text)
        return text.split()

    model = small_etm(segmenter=segment, settings={"clean": "web"})
    model.fit([f"{line} https://example.org/{i} <b>x</b>" for i, line in enumerate(LINES)])
    assert not any("example.org" in text or "<b>" in text for text in read)
    assert "clean" not in capsys.readouterr().err
    np.testing.assert_array_equal(model.transform(LINES[:2]), model.transform([f"{x} http://e.org" for x in LINES[:2]]))


def test_texts_without_words_of_the_model_are_told(capsys) -> None:
    model = small_etm(verbose=1).fit(LINES)
    capsys.readouterr()
    model.transform(["quantum chromodynamics", LINES[0], "gluons"])
    assert "2 of 3 documents hold no word that the model knows; they have the prior's topics" in capsys.readouterr().err
    model.transform(["quantum chromodynamics", *LINES[:2]])
    assert "the model knows" not in capsys.readouterr().err


def test_lists_of_words_are_not_cleaned(capsys) -> None:
    small_etm(settings={"clean": "web"}, verbose=1).fit([[*line.split(), "https://e.org"] for line in LINES])
    assert "comes as words, and only text is cleaned" in capsys.readouterr().err


def test_a_function_that_returns_no_words_is_named() -> None:
    with pytest.raises(ValueError, match="segmenter returned 'A SEA' for document 0; it must return a list of words"):
        small_etm(segmenter=str.upper).fit(["a sea", *LINES])


def test_the_analyzer_of_a_vectorizer_segments() -> None:
    vectorizer = CountVectorizer(token_pattern=r"\S+", max_df=0.6)
    words = vectorizer.fit(LINES).get_feature_names_out()
    model = clone(small_etm(segmenter=vectorizer.build_analyzer())).fit(LINES)
    assert sorted(model.vocab_) == sorted(words)
