"""Tables: no cell is a formula, and what was escaped is read back as it was."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.util.keyed_csv import read_keyed, read_pairs
from etm_jax.util.tables import TableWriter, cell_text, spreadsheet_cell

FORMULAS = [
    *(f"{sign}1+1" for sign in "=+-@＝＋－＠﹦﹢﹣﹫"),
    *(f"{before}=A1" for before in (" ", "\t", "\r", "\n", "\u3000", "\u00a0", "\ufeff", "\u200b", '"', "\x00", "'")),
    "\ttext", "\rtext", "-3+2", "+x", "@me",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_begins_like_a_formula_is_escaped(text):
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "value", ["", "word", "a=b", "飞船", "'tis", "-3", "+1.5e-7", "-.5", "2024-05-31", -3, -0.5, None]
)
def test_numbers_and_other_text_stay(value):
    assert spreadsheet_cell(value) is value


@given(st.text(alphabet=st.one_of(st.sampled_from("'=+-@＝ \t\"3x"), st.characters()), max_size=8))
@settings(derandomize=True, deadline=None, database=None)
def test_every_text_comes_back(text):
    assert cell_text(str(spreadsheet_cell(text))) == text


def test_headers_are_text_too():
    out = io.StringIO()
    TableWriter(out, ["document", "=f"]).write(["＝1", -1])
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [["document", "'=f"], ["'＝1", "-1"]]


def test_a_table_without_quotes_has_a_cell_for_each_tab():
    out = io.StringIO()
    TableWriter(out, ["label", "n"], "\t").write(['"a\tb\nc"', 1])
    assert out.getvalue() == 'label\tn\n"a b c"\t1\n'


def test_numbers_that_are_joined_stand_between_the_cells():
    for delimiter, end in ((",", "\r\n"), ("\t", "\n")):
        out = io.StringIO()
        table = TableWriter(out, ["a", "x", "y", "b"], delimiter)
        table.write(["=1", "0.5", "0.25", ""])
        table.write(["=1"], delimiter.join(["0.5", "0.25"]), [""])
        table.write(["p,q"], "0.5", ["r", "s,t"])
        _, one, other, last = out.getvalue().split(end)[:4]
        assert one == other
        rows = csv.reader(io.StringIO(last), delimiter=delimiter)
        assert next(rows) == ["p,q", "0.5", "r", "s,t"]


def test_names_copied_from_a_table_of_ours_are_those_of_the_documents(tmp_path):
    path = tmp_path / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = TableWriter(file, ["document", "label"])
        for name in FORMULAS[:8]:
            table.write([name, "x"])
    assert list(read_pairs(str(path), "labels", "document", "label")) == FORMULAS[:8]
    assert list(read_keyed(str(path), "meta", "document")[1]) == FORMULAS[:8]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.none() | st.integers() | st.floats() | st.text("ab ,\"\r\n\t\x00'é", max_size=4), min_size=1, max_size=4
    )
)
def test_a_row_is_the_csv_modules(row):
    written, expected = io.StringIO(newline=""), io.StringIO(newline="")
    TableWriter(written, ["header"]).write(row)
    csv.writer(expected).writerows([["header"], [spreadsheet_cell(cell) for cell in row]])
    assert written.getvalue() == expected.getvalue()


CELLS = st.sampled_from(["", "a", "文-1", "0.25", "=1", "a,b", 'q"', "x\ny", "\t", "_", "-3", "é\x00", "a\rb"])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.sampled_from([",", "\t"]))
def test_rows_by_their_columns_are_those_one_by_one(rows, delimiter):
    at_once, one_by_one = io.StringIO(newline=""), io.StringIO(newline="")
    numbers = [delimiter.join(["0.5", str(i)]) for i in range(len(rows))]
    first, second, third = ([row[i] for row in rows] for i in range(3))
    TableWriter(at_once, ["header"], delimiter).write_columns([first, second], numbers, [third])
    table = TableWriter(one_by_one, ["header"], delimiter)
    for row, of_row in zip(rows, numbers, strict=True):
        table.write(row[:2], of_row, row[2:])
    assert at_once.getvalue() == one_by_one.getvalue()
