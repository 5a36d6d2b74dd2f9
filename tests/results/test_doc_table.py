import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.results.doc_table import document_rows, header, prior_of

TEXTS = ["red fox fox", "", "red hen rare", "rare", "   ", "fox hen hen", "red fox odd", "hen red", "fox red", "  "]
"""Of a table with blank rows: rare and odd are filtered out, and with them all of the fourth."""


@pytest.fixture(params=["csv", "jsonl"])
def config(request, tmp_path):
    path = tmp_path / f"table.{request.param}"
    with path.open("w", encoding="utf-8", newline="") as file:
        if request.param == "csv":
            csv.writer(file).writerows([["text", "source"], *([text, f"s{i}"] for i, text in enumerate(TEXTS))])
        else:
            file.writelines(json.dumps({"text": text, "source": f"s{i}"}) + "\n" for i, text in enumerate(TEXTS))
    return CorpusConfig(
        corpus=str(path), meta_fields="source", lang="en", segmenter="whitespace", no_below=3, no_above=1.0,
        valid_share=0.2, test_share=0.2,
    )  # fmt: skip


def model_of(corpus):
    """Its two topics have the shares of the words red and hen, so that each document tells its own."""
    columns = [corpus.vocabulary.words.index(word) for word in ("red", "hen")]

    def theta(counts):
        some = counts[:, columns].toarray() + 0.5
        return some / some.sum(1, keepdims=True)

    parts = {f"theta_{part}": theta(getattr(corpus, part).counts) for part in ("train", "valid", "test")}
    return TopicArrays(
        beta=np.ones((2, len(corpus.vocabulary))),
        theta_test_h1=parts["theta_test"],
        prior=np.array([0.3, 0.7]),
        **parts,
    )


def test_a_row_in_is_a_row_out_in_the_order_of_the_input(config, tmp_path):
    corpus = prepare(find_source(config), config, tmp_path / "cache")
    again = prepare(find_source(config), config, tmp_path / "cache")
    for prepared in (corpus, again):
        assert header(["", ""], prepared.metadata.names)[-3:] == ["topic_0", "topic_1", "source"]
        rows = [[*row.cells, *row.theta.split(","), *row.meta] for row in document_rows(model_of(prepared), prepared)]
        assert [row[-1] for row in rows] == [f"s{i}" for i in range(len(TEXTS))]
        assert [row[2] for row in rows] == [len(text.split()) for text in TEXTS]
        assert [row[1] == "blank" for row in rows] == [not text.strip() for text in TEXTS]
        assert [row[1] for row in rows].count("emptied") == 1
        assert {row[1] for row in rows} == {"train", "valid", "test", "blank", "emptied"}
        assert [row[5].strip() for row in rows] == [text.strip() for text in TEXTS]
        for row, text in zip(rows, TEXTS, strict=True):
            red, hen = text.split().count("red") + 0.5, text.split().count("hen") + 0.5
            share = red / (red + hen) if row[1] in ("train", "valid", "test") else 0.3
            assert row[6:8] == [f"{share:.6f}", f"{1 - share:.6f}"]
        assert [row[3] for row in rows][:4] == ["0.0000", "1.0000", "0.3333", "1.0000"]


def test_blank_rows_change_nothing_else(config, tmp_path):
    kept = prepare(find_source(config), config, None)
    path = Path(config.corpus)
    rows = path.read_text("utf-8").splitlines(keepends=True)
    has_text = [path.suffix == ".csv", *(bool(text.strip()) for text in TEXTS)][-len(rows) :]
    path.write_text("".join(row for row, wanted in zip(rows, has_text, strict=True) if wanted), "utf-8")
    plain = prepare(find_source(config), config, None)
    assert (len(kept.left), len(plain.left)) == (4, 1)
    assert kept.report == plain.report
    assert kept.vocabulary.words == plain.vocabulary.words
    for part in ("train", "valid", "test"):
        one, other = getattr(kept, part), getattr(plain, part)
        assert (one.counts != other.counts).nnz == 0
        assert one.meta["source"] == other.meta["source"]


def test_a_corpus_of_an_earlier_version_has_its_rows_by_part(config):
    corpus = prepare(find_source(config), config, None)
    names = ("train", "valid", "test")
    parts = {name: dataclasses.replace(getattr(corpus, name), places=None, tokens=None) for name in names}
    of_before = dataclasses.replace(corpus, left=None, **parts)
    rows = [row.cells for row in document_rows(model_of(corpus), of_before)]
    assert [row[0] for row in rows] == [*corpus.train.ids, *corpus.valid.ids, *corpus.test.ids]
    assert {row[3] for row in rows} == {""}


def test_the_prior_of_topics_that_were_merged_since_is_uniform():
    none = np.zeros((0, 2))
    model = TopicArrays(np.ones((2, 3)), none, none, none, none, prior=np.array([0.2, 0.3, 0.5]))
    assert prior_of(model).tolist() == [0.5, 0.5]
    assert prior_of(model._replace(prior=None, own={"theta_prior": np.array([1.0, 3.0])})).tolist() == [0.25, 0.75]
