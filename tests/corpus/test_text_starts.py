"""Text, order and dates of documents, read again from where the corpus was."""

import dataclasses
import datetime
import json

import numpy as np
import pytest

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.metadata import MetaColumn, Metadata, parse_date
from etm_jax.corpus.types import Documents
from etm_jax.corpus.words.text_starts import SHOWN, beginning_of, shown_text
from etm_jax.report.page.texts import dates_of, parts_of, prepared_dates, read_texts, texts_of
from etm_jax.util.errors import UserError


@pytest.mark.parametrize(
    "text, words, marked, parts",
    [
        ("两岸人民", {"人民", "两岸"}, {"人民"}, ["两岸", "人民", ""]),
        # 人 stands within 人民, which is no word of the topic.
        ("人民的人", {"人民", "人"}, {"人"}, ["人民的", "人", ""]),
        ("a Cat sat; category", {"cat", "category"}, {"cat"}, ["a ", "Cat", " sat; category"]),
        ("海海", {"海"}, {"海"}, ["", "海", "", "海", ""]),
        ("no word of it", set(), set(), ["no word of it"]),
        ("a.b (c)", {"a.b", "(c)"}, {"(c)"}, ["a.b ", "(c)", ""]),
    ],
)
def test_every_second_part_is_a_word_of_the_topic(text, words, marked, parts):
    assert parts_of(text, words, marked) == parts
    assert "".join(parts) == text


@pytest.mark.parametrize(
    "text, date",
    [
        ("2024-05-31", (2024, 5, 31)),
        ("2024-05-31T10:00:00Z", (2024, 5, 31)),
        ("20240531-12", (2024, 5, 31)),
        ("2024/5/3", (2024, 5, 3)),
        ("2024年5月31日", (2024, 5, 31)),
        ("2024-05", (2024, 5, 1)),
        ("1998", (1998, 1, 1)),
        ("2024Q3", (2024, 7, 1)),
        ("2024-Q1", (2024, 1, 1)),
        ("2024年第3季度", (2024, 7, 1)),
        ("2024年四季度", (2024, 10, 1)),
        ("2024-W05", (2024, 1, 29)),
        ("2024-W05-3", (2024, 1, 31)),
        ("2024年Q3", (2024, 7, 1)),
        ("2024年第5周", (2024, 1, 29)),
        ("2024年5周", (2024, 1, 29)),
        ("2024年", (2024, 1, 1)),
        ("2024年三月", (2024, 3, 1)),
        ("2024年十二月二十三日", (2024, 12, 23)),
        ("2024年十月十日", (2024, 10, 10)),
        ("2024年5月31日 星期五", (2024, 5, 31)),
        ("2024年上半年", None),
        ("2024年春", None),
        ("2024年度", None),
        ("2024H1", None),
        ("2024 H2", None),
        ("2024年十三月", None),
        ("2024年五十月", None),
        ("2024-W60", None),
        ("2024Q5", None),
        ("31/05/2024", None),
        ("1717113600", None),
        ("2024-13-01", None),
        ("20240532", None),
        ("12345", None),
        ("May 2024", None),
        ("", None),
    ],
)
def test_dates_as_people_write_them(text, date):
    assert parse_date(text) == (date and datetime.date(*date))


@pytest.mark.parametrize("words", ["word ", "word \n ", "字", " " * 5000 + "w", "w" + " " * 600, " " * 9])
@pytest.mark.parametrize("times", [1, 50, 51, 52, 130, 261, 3000])
def test_what_is_shown_is_the_beginning_of_the_folded_text(words, times):
    folded = " ".join((words * times).split())
    assert shown_text(words * times) == (folded if len(folded) <= SHOWN else folded[:SHOWN] + "…")


def documents(ids, **given):
    return Documents(counts=None, ids=ids, first_words=[f"first of {name}" for name in ids], **given)


def test_kept_texts_are_those_of_the_documents_asked_for_and_the_first_that_were_read():
    parts = (
        documents(["a", "d"], texts=["text a", ""], places=np.array([0, 7])),
        documents(["c"], texts=["text c"], places=np.array([3])),
    )
    found = texts_of(parts, CorpusConfig(corpus="unread"), "zh", {"a", "d"}, first=2)
    assert found == ({"a": "text a", "c": "text c"}, ["a", "c"], "")
    # Of shards nobody knows the order.
    found = texts_of((documents(["a"], texts=["text a"]),), CorpusConfig(corpus="unread"), "zh", {"a"}, first=2)
    assert found == ({"a": "text a"}, [], "")


def test_dates_of_the_metadata():
    meta = {"n": ["1", "2"], "day": ["2024-05-31", ""], "year": ["1998", "x"]}
    two = documents(["a", "b"], meta=meta)
    fields = Metadata((MetaColumn("n", "number"), MetaColumn("day", "date"), MetaColumn("year", "category", ("1998",))))
    day = {"a": datetime.date(2024, 5, 31)}
    assert prepared_dates(two, fields, "day") == prepared_dates(two, fields, "") == day
    assert prepared_dates(two, fields, "year") == {"a": datetime.date(1998, 1, 1)}
    assert prepared_dates(two, fields, "another") is None
    assert prepared_dates(documents(["a", "b"]), Metadata(), "") is None
    with pytest.raises(UserError, match="--date_field=n holds no dates, but values such as '1'; dates"):
        prepared_dates(two, fields, "n")


def test_names_that_begin_with_a_date_give_it_and_numbers_of_lines_do_not():
    config = CorpusConfig(corpus="unread")
    assert dates_of(["19980101-01-002", "19980102-01"], config, "")["19980102-01"] == datetime.date(1998, 1, 2)
    assert dates_of(["1998", "1999", "2000"], config, "") == {}
    assert dates_of(["19980101-01", "appendix"], config, "") == {}


@pytest.fixture(params=["csv", "tsv", "jsonl"])
def dated(request, tmp_path):
    """A file of three documents, the second without a date."""
    path = tmp_path / f"news.{request.param}"
    rows = [("first text", "2024-01-02"), ("second text", ""), ("third text", "2024-03-04")]
    if request.param == "jsonl":
        path.write_text("".join(json.dumps({"body": t, "day": d}) + "\n" for t, d in rows), encoding="utf-8")
        return path, ["1", "2", "3"]
    comma = {"csv": ",", "tsv": "\t"}[request.param]
    path.write_text("".join(f"{t}{comma}{d}\n" for t, d in [("body", "day"), *rows]), encoding="utf-8")
    return path, ["1", "2", "3"]


def test_a_field_of_the_corpus_gives_dates(dated):
    path, ids = dated
    config = CorpusConfig(corpus=str(path), text_field="body")
    assert dates_of(ids, config, "day") == {
        ids[0]: datetime.date(2024, 1, 2),
        ids[2]: datetime.date(2024, 3, 4),
    }
    if path.suffix == ".csv":  # A run of before has the names of lines.
        by_line = dates_of(["2", "3", "4"], dataclasses.replace(config, names_by_line=True), "day")
        assert by_line["4"] == datetime.date(2024, 3, 4)
    with pytest.raises(UserError, match="--date_field='hour' is not in"):
        dates_of(ids, config, "hour")
    with pytest.raises(UserError, match="holds no dates, but values such as 'first text'; dates that are read"):
        dates_of(ids, config, "body")


def test_documents_without_a_readable_date_are_counted(tmp_path, capsys):
    path = tmp_path / "news.csv"
    path.write_text("text,when\na,2024-05-01\nb,31/05/2024\nc,\n", encoding="utf-8")
    assert dates_of(["1", "2", "3"], CorpusConfig(corpus=str(path)), "when") == {"1": datetime.date(2024, 5, 1)}
    told = "3 documents have no readable date in when (1 have another value, such as '31/05/2024')"
    assert f"2 of {told}" in capsys.readouterr().err


def test_numbers_in_json_are_years_and_seconds_are_refused(tmp_path):
    path = tmp_path / "news.jsonl"
    rows = [{"text": "a", "year": 1990, "seconds": 1717113600}, {"text": "b", "year": 1991, "seconds": 1717113601}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = CorpusConfig(corpus=str(path))
    assert [date.year for date in dates_of(["1", "2"], config, "year").values()] == [1990, 1991]
    with pytest.raises(UserError, match="such as '1717113600', perhaps seconds since 1970"):
        dates_of(["1", "2"], config, "seconds")


def test_lines_have_no_field_for_dates(lines_file):
    with pytest.raises(UserError, match=r"--date_field=day is for a corpus in one \.csv"):
        dates_of(["1"], CorpusConfig(corpus=str(lines_file)), "day")


def test_texts_are_those_of_the_documents_asked_for(lines_file):
    lines = lines_file.read_text("utf-8").splitlines()
    known = {str(i): beginning_of(line) for i, line in enumerate(lines, start=1) if i != 2}
    found = read_texts(CorpusConfig(corpus=str(lines_file)), "zh", known, {"7", "90"}, first=3)
    assert found.first == ["1", "3", "4"]
    assert set(found.texts) == {"1", "3", "4", "7", "90"}
    assert found.texts["90"] == lines[89]
    assert found.missing == ""


def test_a_corpus_that_changed_or_went_away_gives_no_text_but_says_why(lines_file):
    config = CorpusConfig(corpus=str(lines_file))
    found = read_texts(config, "zh", {"1": "another text"}, {"1"}, first=1)
    assert found.texts == {}
    assert "has changed since the run" in found.missing
    lines_file.unlink()
    found = read_texts(config, "zh", {"1": "another text"}, {"1"}, first=1)
    assert found.texts == {}
    assert "is not there" in found.missing
