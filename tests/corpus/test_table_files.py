"""Tables that others have written: what names the documents, what is their text, and what separates their columns."""

import dataclasses
import datetime
from pathlib import Path

import pytest

from etm_jax.config.build import make_config
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.readers.columns import Columns
from etm_jax.corpus.readers.tables import read_table, read_workbook
from etm_jax.corpus.sources import find_source
from etm_jax.util.errors import UserError

HEADER = ["id", "title", "body", "day"]
ROWS = [["A1", "船", "飞船, 银河", "2024-05-31"], ["A2", "", "帝国; 港口", ""], ["A3", "空", " ", "2024-06-01"]]


def table(path: Path, separator: str = ",", rows: list[list[str]] = [HEADER, *ROWS]) -> Path:  # noqa: B006
    lines = (separator.join(f'"{cell}"' if separator in cell else cell for cell in row) for row in rows)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def found(path: Path, columns: Columns, **how: str) -> list[tuple[str, str]]:
    return [(document.id, document.text) for document in read_table(path, columns, "utf-8", **how)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_seen(tmp_path: Path, separator: str) -> None:
    path = table(tmp_path / "a.csv", separator)
    assert found(path, Columns(("body",), "id")) == [("A1", "飞船, 银河"), ("A2", "帝国; 港口"), ("A3", " ")]


def test_excels_first_line_and_a_given_separator_come_first(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"sep=;"\nid;body\n1;a,b\n', "utf-8")
    assert found(path, Columns(("body",), "id")) == [("1", "a,b")]
    path.write_text("id~body\n1~a,b\n", "utf-8")
    assert found(path, Columns(("body",), "id"), delimiter="~") == [("1", "a,b")]
    path.write_text("id\tbody\n1\ta,b\n", "utf-8")
    assert found(path, Columns(("body",), "id"), delimiter="tab") == [("1", "a,b")]
    with pytest.raises(UserError, match=r"--delimiter='ab' must be tab, or one character"):
        found(path, Columns(), delimiter="ab")


def test_a_row_with_nothing_in_it_is_no_document_where_ids_name_them(tmp_path: Path) -> None:
    rows = [["id", "body"], ["A1", "船"], ["", " "], ["A2", ""], ["", ""], ["A3", "帝国"], ["", ""]]
    path = table(tmp_path / "a.csv", rows=rows)
    assert found(path, Columns(("body",), "id")) == [("A1", "船"), ("A2", ""), ("A3", "帝国")]
    # Rows that numbers name keep their places, but for those behind the last text.
    assert found(path, Columns(("body",))) == [("1", "船"), ("2", " "), ("3", ""), ("4", ""), ("5", "帝国")]
    book = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed").Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    read = read_workbook(tmp_path / "a.xlsx", Columns(("body",), "id"))
    assert [(document.id, document.text) for document in read] == [("A1", "船"), ("A2", ""), ("A3", "帝国")]
    path.write_text("id,body\nA1,船\n,港口\n", "utf-8")
    with pytest.raises(UserError, match=r"line 3, has no id"):
        found(path, Columns(("body",), "id"))


def test_the_separator_is_the_one_that_gives_the_wanted_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text, in full;id\na, b;1\nc, d;2\n", "utf-8")
    assert found(path, Columns(("text, in full",), "id")) == [("1", "a, b"), ("2", "c, d")]


def test_several_columns_are_one_text_of_several_lines(tmp_path: Path) -> None:
    columns = Columns(("title", "body"), "id")
    assert found(table(tmp_path / "a.csv"), columns) == [("A1", "船\n飞船, 银河"), ("A2", "帝国; 港口"), ("A3", "空")]


def test_without_a_header_columns_are_numbers(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", rows=ROWS)
    assert found(path, Columns(("3",), "1")) == [("A1", "飞船, 银河"), ("A2", "帝国; 港口"), ("A3", " ")]
    with pytest.raises(UserError, match=r"--text_field='5' is not in .*its columns are A1, 船"):
        found(path, Columns(("5",)))


def test_a_blank_line_is_no_record_and_a_blank_row_is_but_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n\n1,a\n,\n2,b\n,\n,\n", "utf-8")
    assert found(path, Columns()) == [("1", "a"), ("2", ""), ("3", "b")]


def test_a_row_without_its_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,a\n ,b\n", "utf-8")
    with pytest.raises(UserError, match=r"line 3, has no id, which --id_field names the documents by"):
        found(path, Columns(id="id"))


@pytest.mark.parametrize("title", ["我的文章\n", "WeChat, 2024\n\n", "a,b,c,d\n", "Export of May\n2024-05-31\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_title_above_the_header_is_named(tmp_path: Path, title: str, separator: str) -> None:
    path = table(tmp_path / "a.csv", separator)
    path.write_text(title + path.read_text("utf-8"), "utf-8")
    line = title.count("\n") + 1
    with pytest.raises(UserError, match=rf"a.csv, line {line}, has the names of the columns, .* delete what is above"):
        found(path, Columns(("body",), "id"))
    book = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed").Workbook()
    for row in (["我的文章"], HEADER, *ROWS):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(UserError, match=r"a.xlsx, line 2, has the names of the columns"):
        list(read_workbook(tmp_path / "a.xlsx", Columns(("body",), "id")))


def test_a_workbook_is_a_table(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")
    book = openpyxl.Workbook()
    for row in (
        HEADER,
        [7.0, "船", "飞船", datetime.datetime(2024, 5, 31)],
        [None, None, None, None],
        ["A2", 0.5, "帝国", datetime.datetime(2024, 6, 1, 12, 30)],
    ):
        book.active.append(row)
    book.active["E40"].value = " "  # What spreadsheets leave behind.
    path = tmp_path / "a.xlsx"
    book.save(path)
    documents = list(read_workbook(path, Columns(("title", "body"), "", ("id", "day"))))
    assert [(document.id, document.text, document.meta) for document in documents] == [
        ("1", "船\n飞船", {"id": "7", "day": "2024-05-31"}),
        ("2", "", {"id": "", "day": ""}),
        ("3", "0.5\n帝国", {"id": "A2", "day": "2024-06-01 12:30:00"}),
    ]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"a\.xlsx cannot be read as a workbook"):
        list(read_workbook(path, Columns()))


# The corpus


def config_of(path: Path, **given: str | int | float) -> CorpusConfig:
    return CorpusConfig(corpus=str(path), segmenter="whitespace", no_below=1, no_above=1.0, **given)


def lines_of(path: Path, number: int = 30) -> Path:
    rows = (f"N{i};2024-05-{i + 1:02d};第{i}篇;船 港口 灯塔 {'甲乙'[i % 2]}" for i in range(number))
    path.write_text("\n".join(["aid;day;heading;body", *rows]), "utf-8")
    return path


def test_names_titles_and_fields_go_along(tmp_path: Path) -> None:
    path = lines_of(tmp_path / "news.csv")
    meta = tmp_path / "more.csv"
    meta.write_text("aid,source\n" + "".join(f"N{i},{'ab'[i % 2]}\n" for i in range(30)), "utf-8")
    config = config_of(path, text_field="body", id_field="aid", title_field="heading", meta=str(meta))
    corpus = prepare(find_source(config), config)
    assert set(corpus.train.ids) | set(corpus.valid.ids) | set(corpus.test.ids) == {f"N{i}" for i in range(30)}
    assert {column.name: column.kind for column in corpus.metadata.columns} == {"source": "category", "heading": "text"}
    for name, title, source in zip(
        corpus.train.ids, corpus.train.meta["heading"], corpus.train.meta["source"], strict=True
    ):
        assert (title, source) == (f"第{name[1:]}篇", "ab"[int(name[1:]) % 2])


def test_two_documents_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    path.write_text("aid,text\nN1,船 港口\nN2,船 灯塔\nN1,灯塔 港口\n", "utf-8")
    config = config_of(path, id_field="aid", valid_share=0.0, test_share=0.0)
    with pytest.raises(UserError, match="--id_field=aid: two documents are called 'N1', number 1 and number 3; give"):
        prepare(find_source(config), config)


def test_a_corpus_without_columns_has_no_names_or_titles_in_it(tmp_path: Path) -> None:
    path = tmp_path / "news.txt"
    path.write_text("船 港口\n", "utf-8")
    for given in ({"id_field": "aid"}, {"title_field": "heading"}):
        with pytest.raises(UserError, match=r"cannot be in .*news\.txt, as only \.csv"):
            find_source(config_of(path, **given))


def test_titles_of_their_own_table(tmp_path: Path) -> None:
    meta = tmp_path / "titles.tsv"
    meta.write_text("document\theading\n1\t船\n", "utf-8")
    fields = fields_of(CorpusConfig(meta=str(meta), title_field="heading"))
    assert (fields.names, fields.title, fields.values({}, "1"), fields.of_corpus) == (
        ("heading",),
        "heading",
        ["船"],
        (),
    )


def test_a_corpus_of_before_keeps_the_names_that_its_run_gave(tmp_path: Path) -> None:
    config = config_of(lines_of(tmp_path / "news.csv"), text_field="body")
    by_line = dataclasses.replace(config, names_by_line=True)
    earlier, now = (prepare(find_source(each), each) for each in (by_line, config))
    assert set(now.train.ids) <= set(map(str, range(1, 31)))
    assert list(earlier.train.ids) == [str(int(name) + 1) for name in now.train.ids]
    assert earlier.digest != now.digest
    # Where nothing is said, a run that goes on does as it did.
    begun = make_config("default", {"names_by_line": True})
    assert make_config().continuing(begun).corpus.names_by_line is True
