"""The columns of a new table are those of the table of training, where it has them."""

import csv
import dataclasses
import io
import json
import sys
from pathlib import Path

import pytest

import forked
from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.columns_of_training import COLUMNS, with_columns_of_training
from etm_jax.infer import main
from etm_jax.util.errors import UserError

TRAINED = CorpusConfig(text_field="title,body", id_field="nr", delimiter="^")


def chosen(path: Path | str, form: str = "", trained: CorpusConfig = TRAINED, **said: str) -> dict[str, str]:
    """The columns that are read of a file, and the separator between them."""
    found = with_columns_of_training(str(path), CorpusConfig(form=form), said, trained)
    return {name: getattr(found, name) for name in COLUMNS}


@pytest.mark.parametrize(
    ("header", "said", "expected"),
    [
        ("nr^title^body", {}, ("title,body", "nr", "^")),
        ("nr,title,body", {}, ("title,body", "nr", "")),
        ("nr;title;body", {}, ("title,body", "nr", "")),
        ("title^body", {}, ("title,body", "", "^")),
        ("nr,text", {}, ("text", "nr", "")),
        ("title,text", {}, ("text", "", "")),
        ("nr^title^body", {"id_field": ""}, ("title,body", "", "^")),
        ("nr^title^body", {"text_field": "body"}, ("body", "nr", "^")),
        ("nr;title;body", {"delimiter": ";", "id_field": "title"}, ("title,body", "title", ";")),
    ],
)
def test_a_table_is_read_by_the_columns_of_training_that_it_has(tmp_path: Path, header, said, expected) -> None:
    table = tmp_path / "new.csv"
    table.write_text(f"{header}\n", encoding="utf-8")
    assert tuple(chosen(table, **said).values()) == expected


def test_what_is_taken_and_what_is_not_there_are_told_in_a_line_each(tmp_path: Path, capsys) -> None:
    table = tmp_path / "new.csv"
    table.write_text("nr,title,body\n", encoding="utf-8")
    chosen(table)
    told = "read as the text of training: --text_field=title,body --id_field=nr; give them for other columns\n"
    assert capsys.readouterr().err == told
    table.write_text("title,body\n", encoding="utf-8")
    chosen(table, text_field="body")
    assert capsys.readouterr().err.startswith(f"{table} has no column nr, which named the documents of training")
    chosen(table, text_field="body", id_field="")
    chosen(table, trained=CorpusConfig(), text_field="body")
    assert capsys.readouterr().err == ""


def test_objects_and_workbooks_have_no_separator_and_other_text_no_columns(tmp_path: Path) -> None:
    lines = tmp_path / "new.jsonl"
    lines.write_text("\n" + json.dumps({"nr": 1, "title": "", "body": "船"}), encoding="utf-8")
    assert chosen(lines) == {"text_field": "title,body", "id_field": "nr", "delimiter": ""}
    (tmp_path / "new.txt").write_text("nr^title^body\n", encoding="utf-8")
    assert chosen(tmp_path / "new.txt") == chosen(tmp_path) == COLUMNS
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")
    book = openpyxl.Workbook()
    book.active.append([])
    book.active.append(["nr", "title", "body"])
    book.save(tmp_path / "new.xlsx")
    assert chosen(tmp_path / "new.xlsx") == chosen(lines)


def test_columns_by_number_are_there_where_there_are_as_many(tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("7,海洋 船\n8,山峰\n", encoding="utf-8")
    by_number = CorpusConfig(text_field="2", id_field="1")
    assert chosen(table, trained=by_number) == {"text_field": "2", "id_field": "1", "delimiter": ""}
    assert chosen(table, trained=dataclasses.replace(by_number, id_field="3"))["id_field"] == ""


def test_standard_input_is_taken_to_be_as_in_training() -> None:
    assert chosen("-", "csv") == {"text_field": "title,body", "id_field": "nr", "delimiter": "^"}
    assert chosen("-") == chosen("-", "lines") == COLUMNS


def test_what_cannot_be_read_is_told_as_reading_tells_it(tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text("[1]\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"new\.jsonl, line 1, is not a JSON object"):
        chosen(tmp_path / "new.jsonl")
    (tmp_path / "new.csv").write_bytes("标题".encode("gb18030"))
    with pytest.raises(UserError, match="--encoding=gb18030"):
        chosen(tmp_path / "new.csv")


def test_a_table_of_the_same_form_needs_no_flag(tmp_path: Path) -> None:
    def table(path: Path, head: str, rows: list[list[str]]) -> Path:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="^").writerows([head.split("^"), *rows])
        return path

    rows = [[f"a{i}", "鱼 鹿", line] for i, line in enumerate(themed_lines(60))]
    corpus = table(tmp_path / "articles.csv", "nr^title^body", rows)
    columns = ["--text_field=title,body", "--id_field=nr", "--delimiter=^"]
    more = ["--num_epochs=1", f"--workdir={tmp_path / 'run'}"]
    run(*cli.parse(["train", f"--corpus={corpus}", *SMALL, *columns, *more]))

    def inferred(source: Path, *flags: str) -> list[list[str]]:
        output = tmp_path / "theta.csv"
        given = [f"--workdir={tmp_path / 'run'}", f"--input={source}", f"--output={output}", *flags]
        assert cli.run(main, ["infer", *given]) == 0
        return list(csv.reader(io.StringIO(output.read_text("utf-8-sig"))))

    new = table(tmp_path / "new.csv", "body^nr^title", [["海洋 船", "b1", "鱼"], ["山峰", "b2", ""]])
    found = inferred(new)
    assert [row[:2] for row in found[1:]] == [["b1", "3"], ["b2", "1"]]
    assert found == inferred(new, *columns)
    other = table(tmp_path / "other.csv", "nr^abstract", [["b1", "海洋 船"]])
    command = [sys.executable, "-m", "etm_jax.infer", f"--workdir={tmp_path / 'run'}"]
    failed = forked.run([*command, f"--input={other}"], capture_output=True, text=True, encoding="utf-8")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert "error: --text_field='title' is not in" in failed.stderr
    assert "its columns are nr, abstract; give one of them" in failed.stderr
    piped = forked.run([*command, "--input=-", "--form=csv"], input=new.read_bytes(), capture_output=True, check=True)
    assert piped.stdout.decode("utf-8-sig").splitlines()[1].startswith("b1,3,")
