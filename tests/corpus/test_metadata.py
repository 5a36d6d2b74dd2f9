"""What a document carries besides its text: from the columns that hold it to the numbers that batches hold."""

import csv
import dataclasses
import datetime
import hashlib
import json
import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import etm_jax.corpus.metadata as metadata_module
from conftest import themed_lines
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.metadata import MetaColumn, Metadata, ValueTally, parse_number
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.tables import read_table
from etm_jax.corpus.readers.text_files import read_jsonl
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.store import cache
from etm_jax.corpus.types import Source
from etm_jax.util.errors import UserError

CONFIG = CorpusConfig(segmenter="whitespace", no_below=1, no_above=1.0, valid_share=0.1, test_share=0.1)


def days(*date: int) -> float:
    return (datetime.date(*date) - datetime.date(1970, 1, 1)).days


def column(*values: str) -> MetaColumn:
    return ValueTally.of(values).column("field")


# What a field is, and the numbers that it becomes


@pytest.mark.parametrize(
    "values, kind, levels, encoded",
    [
        (["1", "-2.5", "", "1e3"], "number", (), [1, -2.5, math.nan, 1000]),
        # A year alone, or eight figures, are numbers as much as dates.
        (["1998", "20240531"], "number", (), [1998, 20240531]),
        (["2024-05-31", "", "1969-12-31"], "date", (), [days(2024, 5, 31), math.nan, -1]),
        (["2024年5月3日", "2024", "2024/6"], "date", (), [days(2024, 5, 3), days(2024, 1, 1), days(2024, 6, 1)]),
        (["b", "a", "", "b"], "category", ("a", "b"), [1, 0, -1, 1]),
        (["1", "2", "n/a"], "category", ("1", "2", "n/a"), [0, 1, 2]),
        (["2024-05-31", "soon"], "category", ("2024-05-31", "soon"), [0, 1]),
        (["nan", "1"], "category", ("1", "nan"), [1, 0]),
        (["inf", "1e39"], "category", ("1e39", "inf"), [1, 0]),
        (["", ""], "number", (), [math.nan, math.nan]),
    ],
)
def test_a_field_is_what_all_its_values_are(values, kind, levels, encoded):
    found = column(*values)
    assert (found.kind, found.levels) == (kind, levels)
    numbers = found.encode(values)
    assert numbers.dtype == (np.int32 if kind == "category" else np.float32)
    np.testing.assert_array_equal(numbers, np.array(encoded, numbers.dtype))


def test_a_value_that_training_did_not_know_stands_for_none():
    np.testing.assert_array_equal(column("1", "2").encode(["3", "three", ""]), np.float32([3, np.nan, np.nan]))
    np.testing.assert_array_equal(column("2024-05-31").encode(["1970-01-03", "soon"]), np.float32([2, np.nan]))
    np.testing.assert_array_equal(column("a", "b").encode(["c", "b", ""]), [-1, 1, -1])


@pytest.mark.parametrize(
    "text, number",
    [
        ("3", 3), ("-0.5", -0.5), ("1e6", 1e6), ("１２", 12), ("", None), ("1_000", None), ("nan", None),
        ("-inf", None), ("1e39", None), ("3 apples", None), ("0x10", None),
    ],
)  # fmt: skip
def test_what_is_a_number(text, number):
    assert parse_number(text) == number


def test_a_field_of_too_many_values_is_text_and_in_no_batch(monkeypatch):
    monkeypatch.setattr(metadata_module, "MOST_LEVELS", 2)
    assert column("a", "b", "a").kind == "category"
    tally = ValueTally.of(["a", "b", "c"])
    assert tally.column("title").kind == "text"
    assert "'title' has more than 2 different values" in tally.warnings("title")[0]
    # Of numbers and dates there may be any number.
    assert column("1", "2", "3").kind == "number"
    both = Metadata((tally.column("title"), column("1", "2", "3")))
    assert [*both.encode({"title": ["a"], "field": ["1"]}, 1)] == ["field"]


values = st.lists(st.sampled_from(["", "1", "2.5", "2024-05-31", "2024", "x", "y", "z"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(values, max_size=4), st.randoms())
def test_tallies_are_added_in_any_order_and_grouping(some, random):
    whole = ValueTally.of([value for part in some for value in part])
    tallies = [ValueTally.from_json(json.loads(json.dumps(ValueTally.of(part).to_json()))) for part in some]
    random.shuffle(tallies)
    cut = random.randint(0, len(tallies))
    halves = ValueTally(), ValueTally()
    for i, tally in enumerate(tallies):
        halves[i < cut].add(tally)
    halves[0].add(halves[1])
    assert halves[0] == whole


def test_mixed_values_are_said():
    assert ValueTally.of(["1", "2", "", "n/a"]).warnings("score") == [
        "metadata field 'score': 2 of 3 values are numbers, but 'n/a' is not; it is taken for a category of 3 values "
        "(leave blank what is no number)"
    ]
    assert "1 of 2 values are dates, but 'soon' is not" in ValueTally.of(["2024-05-31", "soon"]).warnings("day")[0]
    assert "none of the 2 documents to train on has a value" in ValueTally.of(["", ""]).warnings("score")[0]
    for plain in (["1", "2"], ["a", "b", "1"], ["2024-05-31"]):
        assert ValueTally.of(plain).warnings("field") == []


def test_metadata_come_back_from_json_and_others_are_refused():
    found = Metadata((MetaColumn("日期", "date"), MetaColumn("source", "category", ("a", "b"))))
    plain = json.loads(json.dumps(found.to_json()))
    assert Metadata.from_json(plain) == found
    assert found.describe() == "日期 (dates), source (2 categories)"
    wrongs = [
        {"levels": ["b", "a"]},
        {"levels": "ab"},
        {"kind": "colour"},
        {"kind": "date"},
        {"name": "日期"},
        {"name": 3},
    ]
    for wrong in wrongs:
        changed = [dict(one) for one in plain]
        changed[1] |= wrong
        with pytest.raises((ValueError, TypeError)):
            Metadata.from_json(changed)


# Readers


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_columns_of_a_table(tmp_path, delimiter):
    rows = [["text", "day", " source "], ["one", " 2024-05-31", "a"], ["", "2024-06-01", "b"], ["two", "", " "]]
    path = tmp_path / "news"
    path.write_text("\n".join(delimiter.join(row) for row in rows))
    found = list(read_table(path, Columns(meta=("source", "day")), "utf-8"))
    assert [(doc.id, doc.text, doc.meta) for doc in found] == [
        ("1", "one", {"source": "a", "day": "2024-05-31"}),
        ("2", "", {"source": "b", "day": "2024-06-01"}),
        ("3", "two", {"source": "", "day": ""}),
    ]
    with pytest.raises(UserError, match=r"--meta_fields='date' is not in .*news; its columns are text, day, "):
        list(read_table(path, Columns(meta=("day", "date")), "utf-8"))


def test_keys_of_objects(tmp_path):
    path = tmp_path / "news.jsonl"
    records = [
        {"text": "one", "day": "2024-05-31", "n": 3, "tags": ["a", {"b": None}]},
        {"text": "two", "n": math.nan, "day": None},
        {"text": "three", "n": -0.5, "day": "  ", "tags": True},
        {"text": "four", "tags": "half \ud83d"},
        {"text": None, "n": 7},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    found = [doc.meta for doc in read_jsonl(path, Columns(meta=("n", "day", "tags")), "utf-8")]
    assert found == [
        {"n": "3", "day": "2024-05-31", "tags": '["a", {"b": null}]'},
        {"n": "", "day": "", "tags": ""},
        {"n": "-0.5", "day": "", "tags": "true"},
        {"n": "", "day": "", "tags": "half ?"},
        {"n": "7", "day": "", "tags": ""},
    ]
    with pytest.raises(UserError, match=r"'date' is not in .*news\.jsonl; its keys are text, day, n, tags; "):
        list(read_jsonl(path, Columns(meta=("n", "date")), "utf-8"))


def test_what_has_no_columns_says_so(tmp_path, lines_file):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("text")
    for corpus in (str(lines_file), str(tmp_path / "folder"), "lee"):
        with pytest.raises(UserError, match=r"--meta_fields: day cannot be in .*--meta=FILE"):
            find_source(CorpusConfig(corpus=corpus, meta_fields="day"))


# A table beside the corpus


def write_table(path, rows, columns=("document", "day", "source")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([columns, *rows])
    return str(path)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_table_gives_its_columns_by_document(tmp_path, lines_file, suffix):
    rows = [(str(i), f"2024-01-{i % 28 + 1:02}", " a " if i % 2 else "b") for i in range(1, 121)]
    table = write_table(tmp_path / f"meta.{suffix}", rows)
    config = dataclasses.replace(CONFIG, corpus=str(lines_file), meta=table)
    corpus = prepare(find_source(config), config)
    assert [(one.name, one.kind) for one in corpus.metadata.columns] == [("day", "date"), ("source", "category")]
    assert corpus.metadata.columns[1].levels == ("a", "b")
    for part in (corpus.train, corpus.valid, corpus.test):
        for name, day, source in zip(part.ids, part.meta["day"], part.meta["source"], strict=True):
            assert (name, day, source) == (name, rows[int(name) - 1][1], rows[int(name) - 1][2].strip())
    config = dataclasses.replace(config, meta_fields="source")
    assert prepare(find_source(config), config).metadata.names == ("source",)


def test_fields_come_from_the_table_and_else_from_the_corpus(tmp_path):
    (tmp_path / "news.csv").write_text("text,day,source\none,2024-05-31,x\ntwo,2024-06-01,y\n")
    table = write_table(tmp_path / "meta.csv", [("1", "red", "a")], ("document", "colour", "source"))
    config = CorpusConfig(corpus=str(tmp_path / "news.csv"), meta=table, meta_fields="day, colour,source")
    fields = fields_of(config)
    assert (fields.of_corpus, fields.joined) == (("day",), ("colour", "source"))
    documents = find_source(config).documents
    assert [fields.values(doc.meta, doc.id) for doc in documents()] == [
        ["2024-05-31", "red", "a"],
        ["2024-06-01", "", ""],
    ]


def test_documents_without_a_row_are_counted(tmp_path, lines_file, capsys):
    config = dataclasses.replace(CONFIG, corpus=str(lines_file))
    rows = [(str(i), str(i), "a") for i in range(1, 100)]
    config = dataclasses.replace(config, meta=write_table(tmp_path / "meta.csv", rows))
    corpus = prepare(find_source(config), config)
    told = capsys.readouterr().err
    assert f"warning: 99 of 120 documents have a row in --meta={config.meta}" in told
    assert {day for name, day in zip(corpus.train.ids, corpus.train.meta["day"], strict=True) if int(name) > 99} == {""}
    whole = [(str(i), str(i), "a") for i in range(1, 121)]
    config = dataclasses.replace(config, meta=write_table(tmp_path / "whole.csv", whole))
    prepare(find_source(config), config)
    assert "have a row" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, flags, said",
    [
        ("document,day\nx1,1\n", {}, r"--meta=.* names none of the 120 documents, which are called such as '1'"),
        ("document,day\n1,1\n1,2\n", {}, r"--meta=.* has two rows for document '1'"),
        ("document,day\n1\n", {}, r"--meta=.*, line 2, has 1 fields where the header has 2"),
        ("document,day\n1,2,3\n", {}, r"--meta=.*, line 2, has 3 fields where the header has 2"),
        ("id,day\n1,1\n", {}, r"--meta=.* has columns id, day; it needs document"),
        ("document\n1\n", {}, r"--meta=.* has no column for a field; its columns are document$"),
        ("document,day\n1,1\n", {"meta_fields": "date"}, r"has none of --meta_fields=date; its columns are docum"),
        ("document,day\n1,1\n", {"meta_fields": "day,day"}, r"--meta_fields=day,day must be the names of different"),
        ("document,day\n1,1\n", {"meta_fields": "day,"}, r"--meta_fields=day, must be the names of different columns"),
        ("document,topics\n1,1\n", {}, r"the metadata field 'topics' is called like a column of the results"),
        ("document,topic_12\n1,1\n", {}, r"'topic_12' is called like a column of the results"),
        ("document,day\n1,1\n", {"meta_fields": "day,source"}, r"source cannot be in"),
        (b"document,day\n1,\xff\n", {}, r"--meta=.* cannot be read \(.*codec"),
        (None, {}, r"--meta=.* cannot be read \(.*No such file"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_one_line(tmp_path, lines_file, text, flags, said):
    path = tmp_path / "meta.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    config = dataclasses.replace(CONFIG, corpus=str(lines_file), meta=str(path), **flags)
    with pytest.raises(UserError, match=said):
        prepare(find_source(config), config)


def test_a_table_that_was_changed_is_read_again(tmp_path):
    table = tmp_path / "meta.csv"
    for name in ("day", "place"):
        write_table(table, [("1", "x")], ("document", name))
        assert fields_of(CorpusConfig(meta=str(table))).names == (name,)


def test_a_corpus_of_counts_has_a_table_too(tmp_path, lines_file, capsys):
    config = dataclasses.replace(CONFIG, corpus=str(lines_file))
    text = prepare(find_source(config), config)
    export = tmp_path / "export"
    export.mkdir()
    (export / "vocab.txt").write_text("\n".join(text.vocabulary.words) + "\n", encoding="utf-8")
    parts = {"train": text.train.counts, "valid": text.valid.counts, "test_h1": text.test_h1, "test_h2": text.test_h2}
    for name, counts in parts.items():
        sp.save_npz(export / f"{name}.npz", counts)
    config = dataclasses.replace(config, corpus=str(export))
    plain = prepare(find_source(config), config)
    table = write_table(tmp_path / "meta.csv", [("train-3", "2024-05-31", "a"), ("test-0", "2024-06-01", "b")])
    config = dataclasses.replace(config, meta=table)
    corpus = prepare(find_source(config), config)
    assert f"2 of {len(text.train) + len(text.valid) + len(text.test)} documents" in capsys.readouterr().err
    assert [i for i, day in enumerate(corpus.train.meta["day"]) if day] == [3]
    assert corpus.test.meta["source"][0] == "b"
    # A level of test documents alone is none.
    assert corpus.metadata.columns[1].levels == ("a",)
    assert corpus.digest != plain.digest


# The prepared corpus


@pytest.fixture
def news(tmp_path):
    """A corpus of 120 documents with three columns: a day, a score with some gaps, and a name of any kind."""
    path = tmp_path / "news.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "day", "score", "来源"])
        for i, line in enumerate(themed_lines()):
            writer.writerow([line, f"2024-01-{i % 28 + 1:02}", "" if i % 7 == 0 else i - 60.5, ["海", "=山"][i % 2]])
    return dataclasses.replace(CONFIG, corpus=str(path), meta_fields="day,score,来源")


def test_the_digest_knows_of_metadata_only_where_there_are_some(news, tmp_path, lines_file):
    def digest(**given) -> str:
        # That version cleaned all tokens, and named documents by their lines.
        earlier = {"meta_fields": "", "clean_tokens": True, "names_by_line": True}
        config = dataclasses.replace(news, **(earlier | given))
        return cache.corpus_digest(find_source(config), config, "whitespace")

    plain = digest()
    # By the settings that the version before had and counted.
    counted = (
        "text_field encoding lang unit nfkc lowercase min_token_len no_below no_above keep_n auto_adj valid_share "
        "test_share split_seed"
    )
    before = {name: getattr(news, name) for name in counted.split()}
    files = [["news.csv", hashlib.sha256((tmp_path / "news.csv").read_bytes()).hexdigest()]]
    before |= {"format": cache.COMPUTED, "segmenter": "whitespace", "files": files}
    assert plain == hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    table = write_table(tmp_path / "meta.csv", [("2", "1", "a")])
    others = [digest(meta_fields="day"), digest(meta_fields="day,score"), digest(meta=table)]
    write_table(tmp_path / "meta.csv", [("2", "1", "b")])
    others.append(digest(meta=table))
    assert len({plain, *others}) == 5
    (tmp_path / "meta.csv").rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "meta.csv")
    assert digest(meta=str(tmp_path / "elsewhere" / "meta.csv")) == others[-1]


def test_metadata_come_back_from_the_cache(news, tmp_path):
    corpus = prepare(find_source(news), news, tmp_path / "cache")
    again = prepare(find_source(news), news, tmp_path / "cache")
    assert [one.kind for one in corpus.metadata.columns] == ["date", "number", "category"]
    assert again.metadata == corpus.metadata
    for part in ("train", "valid", "test"):
        ours, theirs = getattr(corpus, part), getattr(again, part)
        assert {name: list(column) for name, column in ours.meta.items()} == {
            name: list(column) for name, column in theirs.meta.items()
        }
        for name, score in zip(theirs.ids, theirs.meta["score"], strict=True):
            i = int(name) - 1
            assert score == ("" if i % 7 == 0 else str(i - 60.5))


def test_texts_come_back_where_they_are_asked_for(news, tmp_path):
    lines = themed_lines()
    assert prepare(find_source(news), news, tmp_path / "cache").train.texts is None
    (entry,) = (tmp_path / "cache").iterdir()
    for corpus in (cache.load_corpus(entry, texts=True), prepare(find_source(news), news, texts=True)):
        for part in (corpus.train, corpus.valid, corpus.test):
            assert list(part.texts) == [lines[int(name) - 1] for name in part.ids]
            assert part.places.tolist() == [int(name) - 1 for name in part.ids]
    # They are written again as they were read.
    cache.save_corpus(cache.load_corpus(entry, texts=True), tmp_path / "copy")
    assert cache.load_corpus(tmp_path / "copy", texts=True).train.texts == corpus.train.texts


def without_what_came_later(entry):
    """An entry as the version before wrote it."""
    manifest = json.loads((entry / "corpus.json").read_text())
    for name in ("texts.npz", "metadata.json"):
        if manifest["sha256"].pop(name, None):
            (entry / name).unlink()
    (entry / "corpus.json").write_text(json.dumps(manifest))


def test_an_entry_of_before_has_neither_metadata_nor_texts(news, tmp_path, capsys):
    config = dataclasses.replace(news, meta_fields="")
    first = prepare(find_source(config), config, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    without_what_came_later(entry)
    capsys.readouterr()
    again = prepare(find_source(config), config, tmp_path / "cache", first.digest, texts=True)
    assert "prepared before" in capsys.readouterr().err
    assert (again.metadata, again.train.meta, again.train.texts) == (Metadata(), {}, None)


@pytest.mark.parametrize("name", ["texts.npz", "metadata.json"])
def test_a_damaged_file_is_made_again(news, tmp_path, capsys, name):
    corpus = prepare(find_source(news), news, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    content = (entry / name).read_bytes()
    (entry / name).write_bytes(content[:-9] + b"?" + content[-8:])
    again = prepare(find_source(news), news, tmp_path / "cache", texts=True)
    assert f"{name} has changed" in capsys.readouterr().err
    assert again.metadata == corpus.metadata
    assert again.train.texts[0] == themed_lines()[int(again.train.ids[0]) - 1]


def test_what_a_person_may_not_expect_is_said_when_the_corpus_is_prepared(news, tmp_path, capsys):
    path = tmp_path / "news.csv"
    path.write_text(path.read_text("utf-8").replace(",1.5,", ",unknown,"), encoding="utf-8")
    corpus = prepare(find_source(news), news)
    assert "but 'unknown' is not; it is taken for a category" in capsys.readouterr().err
    assert corpus.metadata.columns[1].kind == "category"


def test_documents_from_python_may_carry_some():
    """Fields are asked for by the settings, whoever reads the documents."""
    from etm_jax.corpus.types import Document

    documents = [Document(str(i), line, meta={"n": str(i)}) for i, line in enumerate(themed_lines())]
    config = dataclasses.replace(CONFIG, meta_fields="n")
    corpus = prepare(Source("given", [], documents=lambda: iter(documents)), config)
    assert list(corpus.train.meta["n"]) == list(corpus.train.ids)
